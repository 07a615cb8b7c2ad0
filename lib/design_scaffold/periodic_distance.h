#pragma once
#include <Eigen/Core>
#include <Eigen/Geometry>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/parallel.h"

namespace osteo::design_scaffold {

/// Nodes of a cubic box that repeats in all directions; positions are in steps from node to node, x runs fastest.
struct PeriodicNodes {
  int side = 0;  ///< nodes along an edge
  std::size_t size() const { return static_cast<std::size_t>(side) * side * side; }
  int wrap(int i) const {
    if (i >= 0 && i < side) return i;
    const int rest = i % side;
    return rest < 0 ? rest + side : rest;
  }
  std::size_t at(int i, int j, int k) const {
    return (static_cast<std::size_t>(wrap(k)) * side + wrap(j)) * side + wrap(i);
  }
};

/// Samples on the nodes as a function of any point: trilinear, with the gradient by central differences.
class PeriodicSamples {
 public:
  PeriodicSamples(PeriodicNodes nodes, const std::vector<float>& values) : nodes_(nodes), values_(&values) {}
  double operator()(const Eigen::Vector3d& p) const {
    const Eigen::Array3d low = p.array().floor(), f = p.array() - low;
    std::array<std::size_t, 3> a{}, b{};
    for (int axis = 0; axis < 3; ++axis) {
      const int i = nodes_.wrap(static_cast<int>(low[axis]));
      a[axis] = static_cast<std::size_t>(i);
      b[axis] = static_cast<std::size_t>(i + 1 == nodes_.side ? 0 : i + 1);
    }
    const std::size_t side = static_cast<std::size_t>(nodes_.side);
    const auto row = [&](std::size_t j, std::size_t k) {
      const float* values = values_->data() + (k * side + j) * side;
      return values[a[0]] + f[0] * (values[b[0]] - values[a[0]]);
    };
    const double y0 = row(a[1], a[2]), y1 = row(b[1], a[2]), z0 = row(a[1], b[2]), z1 = row(b[1], b[2]);
    const double near = y0 + f[1] * (y1 - y0), far = z0 + f[1] * (z1 - z0);
    return near + f[2] * (far - near);
  }
  double operator()(const Eigen::Vector3d& p, Eigen::Vector3d& gradient) const {
    for (int axis = 0; axis < 3; ++axis) {
      const Eigen::Vector3d half = 0.5 * Eigen::Vector3d::Unit(axis);
      gradient[axis] = (*this)(p + half) - (*this)(p - half);
    }
    return (*this)(p);
  }

 private:
  PeriodicNodes nodes_;
  const std::vector<float>* values_;
};

/// Signed distances, in steps, from all nodes to the surface F = 0, negative where F < 0. Surface points around it are
/// handed on from node to node over the periodic grid (Danielsson, CGIP 14, 1980), then moved to the nearest surface
/// point by Newton steps. F is called as F(point in steps, gradient per step) and has to be smooth near its zero.
template <class F>
class PeriodicDistance {
 public:
  /// Nodes farther from the surface than `refined_steps` keep the distance that was handed on to them.
  PeriodicDistance(PeriodicNodes nodes, const F& f, float refined_steps)
      : nodes_(nodes), f_(f), refined_steps_(refined_steps) {}

  std::vector<float> operator()() {
    seed();
    propagate();
    std::vector<float> distances(nodes_.size());
    forNodes([&](int i, int j, int k, std::size_t n) {
      const float distance = refined(Eigen::Vector3d(i, j, k), offsets_[n]);
      distances[n] = is_inside_[n] != 0 ? -distance : distance;
    });
    return distances;
  }

 private:
  template <class Visit>
  void forNodes(const Visit& visit) const {
    core::parallelFor(nodes_.side, [&](std::int64_t slice) {
      const int k = static_cast<int>(slice);
      for (int j = 0; j < nodes_.side; ++j)
        for (int i = 0; i < nodes_.side; ++i) visit(i, j, k, nodes_.at(i, j, k));
    });
  }

  /// Moves `point` to the surface, and along it towards `from` until it is the foot of the perpendicular.
  Eigen::Vector3d footPoint(const Eigen::Vector3d& from, Eigen::Vector3d point, int rounds) const {
    constexpr double kLongest = 3.5, kSettled = 1e-4;  // steps
    for (int round = 0; round < rounds; ++round) {
      Eigen::Vector3d gradient;
      const double value = f_(point, gradient), square = gradient.squaredNorm();
      if (square < 1e-8) break;
      const Eigen::Vector3d offset = from - point;
      const Eigen::Vector3d tangential = offset - gradient * (offset.dot(gradient) / square);
      Eigen::Vector3d move = gradient * (-value / square) + 0.5 * tangential;
      const double length = move.norm();
      if (length > kLongest) move *= kLongest / length;
      point += move;
      if (length < kSettled) break;
    }
    return point;
  }

  bool isOnSurface(const Eigen::Vector3d& point, double tolerance) const {
    Eigen::Vector3d gradient;
    const double value = f_(point, gradient);
    return std::abs(value) < tolerance * gradient.norm();
  }

  /// Nodes next to the surface get their own foot point, the others none yet.
  void seed() {
    offsets_.assign(nodes_.size(), Eigen::Vector3f::Constant(std::numeric_limits<float>::infinity()));
    is_inside_.resize(nodes_.size());
    forNodes([&](int i, int j, int k, std::size_t n) {
      const Eigen::Vector3d node(i, j, k);
      Eigen::Vector3d gradient;
      const double value = f_(node, gradient);
      is_inside_[n] = value < 0 ? 1 : 0;
      if (std::abs(value) > 2 * gradient.norm()) return;
      const Eigen::Vector3d foot = footPoint(node, node, 30);
      if (isOnSurface(foot, 1e-3)) offsets_[n] = (foot - node).template cast<float>();
    });
  }

  /// Sweeps in the eight directions, twice because the box is periodic.
  void propagate() {
    const int side = nodes_.side;
    for (int sweep = 0; sweep < 16; ++sweep) {
      const std::array<int, 3> way{sweep & 1 ? -1 : 1, sweep & 2 ? -1 : 1, sweep & 4 ? -1 : 1};
      for (int kk = 0; kk < side; ++kk)
        for (int jj = 0; jj < side; ++jj) sweepRow(way, jj * way[1], kk * way[2]);
    }
  }

  void sweepRow(const std::array<int, 3>& way, int j, int k) {
    const std::array<std::size_t, 4> rows{nodes_.at(0, j, k), nodes_.at(0, j - way[1], k), nodes_.at(0, j, k - way[2]),
                                          nodes_.at(0, j - way[1], k - way[2])};
    for (int ii = 0; ii < nodes_.side; ++ii) {
      const int i = nodes_.wrap(ii * way[0]), before = nodes_.wrap(i - way[0]);
      Eigen::Vector3f& own = offsets_[rows[0] + i];
      float best = own.squaredNorm();
      for (int n = 1; n < 8; ++n) {
        const Eigen::Vector3f step(n & 1 ? -way[0] : 0, n & 2 ? -way[1] : 0, n & 4 ? -way[2] : 0);
        const Eigen::Vector3f candidate = offsets_[rows[n >> 1] + (n & 1 ? before : i)] + step;
        const float square = candidate.squaredNorm();
        if (!(square < best)) continue;
        own = candidate;
        best = square;
      }
    }
  }

  float refined(const Eigen::Vector3d& node, const Eigen::Vector3f& offset) const {
    const float distance = offset.norm();
    if (!(distance < refined_steps_)) return distance;
    const Eigen::Vector3d foot = footPoint(node, node + offset.template cast<double>(), 6);
    return isOnSurface(foot, 1e-3) ? std::min(distance, static_cast<float>((foot - node).norm())) : distance;
  }

  PeriodicNodes nodes_;
  const F& f_;
  float refined_steps_;
  std::vector<char> is_inside_;
  std::vector<Eigen::Vector3f> offsets_;  ///< from a node to its nearest known surface point
};

template <class F>
std::vector<float> periodicDistances(PeriodicNodes nodes, const F& f, float refined_steps = 1e9F) {
  return PeriodicDistance<F>(nodes, f, refined_steps)();
}

}  // namespace osteo::design_scaffold
