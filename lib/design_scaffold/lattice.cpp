#include "design_scaffold/lattice.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/parallel.h"

namespace osteo::design_scaffold {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;
constexpr float kFar = std::numeric_limits<float>::infinity();

using Offsets = std::vector<Eigen::Vector3f>;  // from a node to its nearest known surface point, radians

/// The nodes of one cell; a multiple of 24 along an edge, so that voxels of cell/24 fall on nodes. Surfaces of twice
/// the frequency take twice as many.
struct Cell {
  Tpms surface;
  int nodes;
  double step() const { return kTwoPi / nodes; }
  std::size_t count() const { return static_cast<std::size_t>(nodes) * nodes * nodes; }
  int wrap(int i) const { return (i + nodes) % nodes; }
  std::size_t at(int i, int j, int k) const {
    return (static_cast<std::size_t>(wrap(k)) * nodes + wrap(j)) * nodes + wrap(i);
  }
};

int nodesOf(Tpms surface) {
  return surface == Tpms::Gyroid || surface == Tpms::Diamond || surface == Tpms::Primitive ? 72 : 144;
}

/// Moves `point` to the surface F = t, and along it towards `from` until it is the foot of the perpendicular.
Eigen::Vector3d footPoint(Tpms surface, const Eigen::Vector3d& from, Eigen::Vector3d point, double t, int steps) {
  for (int step = 0; step < steps; ++step) {
    Eigen::Vector3d gradient;
    const double excess = nodal(surface, point, gradient) - t, square = gradient.squaredNorm();
    if (square < 1e-6) break;
    const Eigen::Vector3d to_surface = gradient * (-excess / square);
    const Eigen::Vector3d offset = from - point;
    const Eigen::Vector3d tangential = offset - gradient * (offset.dot(gradient) / square);
    Eigen::Vector3d move = to_surface + 0.5 * tangential;
    const double length = move.norm();
    if (length > 0.3) move *= 0.3 / length;
    point += move;
    if (length < 1e-5) break;
  }
  return point;
}

/// Nodes next to the surface get their own foot point, the others none yet.
Offsets seed(const Cell& cell, double t) {
  const double step = cell.step();
  Offsets offsets(cell.count(), Eigen::Vector3f::Constant(kFar));
  core::parallelFor(cell.nodes, [&](std::int64_t k) {
    for (int j = 0; j < cell.nodes; ++j)
      for (int i = 0; i < cell.nodes; ++i) {
        const Eigen::Vector3d node = step * Eigen::Vector3d(i, j, static_cast<double>(k));
        Eigen::Vector3d gradient;
        if (std::abs(nodal(cell.surface, node, gradient) - t) > 2 * step * gradient.norm()) continue;
        const Eigen::Vector3d foot = footPoint(cell.surface, node, node, t, 30);
        if (std::abs(nodal(cell.surface, foot, gradient) - t) < 1e-5)
          offsets[cell.at(i, j, static_cast<int>(k))] = (foot - node).cast<float>();
      }
  });
  return offsets;
}

/// Danielsson's propagation: sweeps in the eight directions, twice because the cell is periodic.
void propagate(const Cell& cell, Offsets& offsets) {
  for (int sweep = 0; sweep < 16; ++sweep) {
    const std::array<int, 3> way{sweep & 1 ? -1 : 1, sweep & 2 ? -1 : 1, sweep & 4 ? -1 : 1};
    for (int kk = 0; kk < cell.nodes; ++kk)
      for (int jj = 0; jj < cell.nodes; ++jj)
        for (int ii = 0; ii < cell.nodes; ++ii) {
          const int i = way[0] > 0 ? ii : -ii, j = way[1] > 0 ? jj : -jj, k = way[2] > 0 ? kk : -kk;
          Eigen::Vector3f& own = offsets[cell.at(i, j, k)];
          float best = own.squaredNorm();
          for (int n = 1; n < 8; ++n) {
            const int di = n & 1 ? -way[0] : 0, dj = n & 2 ? -way[1] : 0, dk = n & 4 ? -way[2] : 0;
            const Eigen::Vector3f candidate = offsets[cell.at(i + di, j + dj, k + dk)] +
                                              static_cast<float>(cell.step()) * Eigen::Vector3f(di, dj, dk);
            const float square = candidate.squaredNorm();
            if (!(square < best)) continue;
            own = candidate;
            best = square;
          }
        }
  }
}

/// Signed distances of all nodes to F = t in cells, negative where F < t.
std::vector<float> distances(const Cell& cell, double t) {
  Offsets offsets = seed(cell, t);
  propagate(cell, offsets);
  std::vector<float> table(offsets.size());
  core::parallelFor(cell.nodes, [&](std::int64_t k) {
    for (int j = 0; j < cell.nodes; ++j)
      for (int i = 0; i < cell.nodes; ++i) {
        const std::size_t n = cell.at(i, j, static_cast<int>(k));
        const Eigen::Vector3d node = cell.step() * Eigen::Vector3d(i, j, static_cast<double>(k));
        const Eigen::Vector3d start = node + offsets[n].cast<double>();
        const Eigen::Vector3d foot = footPoint(cell.surface, node, start, t, 6);
        const double handed_on = offsets[n].cast<double>().norm();
        Eigen::Vector3d gradient;
        const double distance = std::abs(nodal(cell.surface, foot, gradient) - t) < 1e-4
                                    ? std::min(handed_on, (foot - node).norm())
                                    : handed_on;
        table[n] = static_cast<float>((nodal(cell.surface, node, gradient) < t ? -distance : distance) / kTwoPi);
      }
  });
  return table;
}

/// The smallest thickness of a sheet: twice the depth of the shallowest node beside its middle surface.
double thinnest(const Cell& cell, const std::vector<float>& table) {
  double depth = kFar;
  for (int k = 0; k < cell.nodes; ++k)
    for (int j = 0; j < cell.nodes; ++j)
      for (int i = 0; i < cell.nodes; ++i) {
        const Eigen::Vector3d node = cell.step() * Eigen::Vector3d(i, j, k);
        Eigen::Vector3d gradient;
        if (std::abs(nodal(cell.surface, node, gradient)) < 0.25 * cell.step() * gradient.norm())
          depth = std::min(depth, -static_cast<double>(table[cell.at(i, j, k)]));
      }
  return 2 * depth;
}

}  // namespace

Lattice::Lattice(const LatticeSpec& spec)
    : spec_(spec), iso_(isoValue(spec.surface, spec.kind, spec.volume_fraction)), nodes_(nodesOf(spec.surface)) {
  const Cell cell{spec.surface, nodes_};
  table_ = distances(cell, iso_);
  if (spec.kind == Kind::Sheet) {
    const std::vector<float> face = distances(cell, -iso_);
    for (std::size_t n = 0; n < table_.size(); ++n) table_[n] = std::max(table_[n], -face[n]);
  }
  const auto [low, high] = std::minmax_element(table_.begin(), table_.end());
  pore_mm_ = 2 * *high * spec.cell_mm;
  wall_mm_ = (spec.kind == Kind::Network ? -2 * *low : thinnest(cell, table_)) * spec.cell_mm;
}

Lattice Lattice::grown(double outward_mm) const {
  Lattice copy = *this;
  for (float& distance : copy.table_) distance -= static_cast<float>(outward_mm / spec_.cell_mm);
  return copy;
}

double Lattice::area_per_mm() const {
  constexpr double kShell = 0.02;  // of a cell, on either side
  const auto near = std::count_if(table_.begin(), table_.end(), [](float d) { return std::abs(d) < kShell; });
  return static_cast<double>(near) / static_cast<double>(table_.size()) / (2 * kShell * spec_.cell_mm);
}

double Lattice::distance_mm(const Eigen::Vector3d& point_mm) const {
  const Eigen::Array3d u = (point_mm - spec_.origin_mm).array() * (nodes_ / spec_.cell_mm);
  const Eigen::Array3d low = u.floor();
  const Eigen::Array3d f = u - low;
  std::array<std::size_t, 3> a{}, b{};
  for (int axis = 0; axis < 3; ++axis) {
    const auto node = static_cast<std::int64_t>(low[axis]) % nodes_;
    a[axis] = static_cast<std::size_t>(node < 0 ? node + nodes_ : node);
    b[axis] = a[axis] + 1 == static_cast<std::size_t>(nodes_) ? 0 : a[axis] + 1;
  }
  const auto row = [&](std::size_t j, std::size_t k) {
    const float* values = &table_[(k * nodes_ + j) * nodes_];
    return values[a[0]] + f[0] * (values[b[0]] - values[a[0]]);
  };
  const double y0 = row(a[1], a[2]), y1 = row(b[1], a[2]), z0 = row(a[1], b[2]), z1 = row(b[1], b[2]);
  const double near = y0 + f[1] * (y1 - y0), far = z0 + f[1] * (z1 - z0);
  return (near + f[2] * (far - near)) * spec_.cell_mm;
}

}  // namespace osteo::design_scaffold
