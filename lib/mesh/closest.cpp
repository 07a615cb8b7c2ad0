#include "mesh/closest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/parallel.h"

namespace osteo::mesh {
namespace {

constexpr std::uint32_t kLeaf = 8;
constexpr std::size_t kDeepest = 128;  // the tree halves at each level: far below this for 2³² triangles
constexpr std::int64_t kChunk = 4096;

}  // namespace

Eigen::Vector3d closestOnTriangle(const Eigen::Vector3d& p, const Eigen::Vector3d& a, const Eigen::Vector3d& b,
                                  const Eigen::Vector3d& c) {
  const Eigen::Vector3d ab = b - a, ac = c - a, ap = p - a, bp = p - b, cp = p - c;
  const double d1 = ab.dot(ap), d2 = ac.dot(ap), d3 = ab.dot(bp), d4 = ac.dot(bp), d5 = ab.dot(cp), d6 = ac.dot(cp);
  if (d1 <= 0 && d2 <= 0) return a;
  if (d3 >= 0 && d4 <= d3) return b;
  if (d6 >= 0 && d5 <= d6) return c;
  const double vc = d1 * d4 - d3 * d2, vb = d5 * d2 - d1 * d6, va = d3 * d6 - d5 * d4;
  if (vc <= 0 && d1 >= 0 && d3 <= 0 && d1 != d3) return a + d1 / (d1 - d3) * ab;
  if (vb <= 0 && d2 >= 0 && d6 <= 0 && d2 != d6) return a + d2 / (d2 - d6) * ac;
  const double u = d4 - d3, v = d5 - d6;
  if (va <= 0 && u >= 0 && v >= 0 && u + v > 0) return b + u / (u + v) * (c - b);
  const double sum = va + vb + vc;
  return sum != 0 ? Eigen::Vector3d(a + vb / sum * ab + vc / sum * ac) : a;
}

ClosestPoint::ClosestPoint(const TriangleMesh& mesh) : mesh_(mesh), order_(mesh.triangles.size()) {
  std::iota(order_.begin(), order_.end(), 0U);
  if (!order_.empty()) build();
}

void ClosestPoint::build() {
  std::vector<Eigen::Vector3d> centres;
  centres.reserve(order_.size());
  for (const auto& [i, j, k] : mesh_.triangles)
    centres.push_back((mesh_.vertices[i] + mesh_.vertices[j] + mesh_.vertices[k]) / 3);
  nodes_.push_back({{}, 0, static_cast<std::uint32_t>(order_.size())});
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const std::uint32_t first = nodes_[n].first, count = nodes_[n].count;
    Eigen::AlignedBox3d spread;
    for (std::uint32_t i = first; i < first + count; ++i) {
      for (const auto v : mesh_.triangles[order_[i]]) nodes_[n].box.extend(mesh_.vertices[v]);
      spread.extend(centres[order_[i]]);
    }
    if (count <= kLeaf) continue;
    Eigen::Index axis;
    spread.sizes().maxCoeff(&axis);
    const auto begin = order_.begin() + first, middle = begin + count / 2;
    std::nth_element(begin, middle, begin + count, [&](std::uint32_t s, std::uint32_t t) {
      return centres[s][axis] != centres[t][axis] ? centres[s][axis] < centres[t][axis] : s < t;
    });
    nodes_[n].first = static_cast<std::uint32_t>(nodes_.size());
    nodes_[n].count = 0;
    nodes_.push_back({{}, first, count / 2});
    nodes_.push_back({{}, first + count / 2, count - count / 2});
  }
}

ClosestPoint::Hit ClosestPoint::operator()(const Eigen::Vector3d& point) const {
  Hit best;
  best.distance_mm = std::numeric_limits<double>::infinity();
  if (nodes_.empty()) return best;
  double best2 = best.distance_mm;
  std::pair<std::uint32_t, double> stack[kDeepest];
  std::size_t depth = 0;
  stack[depth++] = {0, nodes_[0].box.squaredExteriorDistance(point)};
  while (depth > 0) {
    const auto [at, distance2] = stack[--depth];
    if (distance2 >= best2) continue;
    const Node& node = nodes_[at];
    for (std::uint32_t i = node.first; i < node.first + node.count; ++i) {
      const auto& [a, b, c] = mesh_.triangles[order_[i]];
      const Eigen::Vector3d q = closestOnTriangle(point, mesh_.vertices[a], mesh_.vertices[b], mesh_.vertices[c]);
      const double d2 = (q - point).squaredNorm();
      if (d2 < best2) best2 = d2, best.triangle = order_[i], best.point = q;
    }
    if (node.count > 0) continue;
    std::pair<std::uint32_t, double> near(node.first, nodes_[node.first].box.squaredExteriorDistance(point));
    std::pair<std::uint32_t, double> far(node.first + 1, nodes_[node.first + 1].box.squaredExteriorDistance(point));
    if (far.second < near.second) std::swap(near, far);
    stack[depth++] = far;
    stack[depth++] = near;
  }
  best.distance_mm = std::sqrt(best2);
  return best;
}

SurfaceDistances surfaceDistances(const TriangleMesh& a, const TriangleMesh& b) {
  std::vector<double> distances(a.vertices.size() + b.vertices.size());
  const auto measure = [&](const TriangleMesh& from, const TriangleMesh& to, std::size_t offset) {
    const ClosestPoint nearest(to);
    core::parallelChunks(static_cast<std::int64_t>(from.vertices.size()), kChunk,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i)
                             distances[offset + i] = nearest(from.vertices[i]).distance_mm;
                         });
  };
  measure(a, b, 0);
  measure(b, a, a.vertices.size());
  SurfaceDistances result;
  if (distances.empty()) return result;
  result.mean_mm = std::accumulate(distances.begin(), distances.end(), 0.0) / static_cast<double>(distances.size());
  result.max_mm = *std::max_element(distances.begin(), distances.end());
  const auto p95 =
      distances.begin() + static_cast<std::ptrdiff_t>(0.95 * static_cast<double>(distances.size() - 1) + 0.5);
  std::nth_element(distances.begin(), p95, distances.end());
  result.p95_mm = *p95;
  return result;
}

}  // namespace osteo::mesh
