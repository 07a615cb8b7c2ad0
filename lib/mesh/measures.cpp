#include "mesh/measures.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "mesh/welder.h"

namespace osteo::mesh {
namespace {

constexpr std::int64_t kChunk = 1 << 16;
constexpr double kFlat = 1e-12;  // cross product over squared longest side below which a triangle has no area

using Edge = std::pair<std::uint32_t, bool>;  // the larger end; true when the triangle runs from smaller to larger

bool isDegenerate(const TriangleMesh& mesh, const Triangle& t) {
  if (t[0] == t[1] || t[1] == t[2] || t[2] == t[0]) return true;
  const Eigen::Vector3d a = mesh.vertices[t[1]] - mesh.vertices[t[0]], b = mesh.vertices[t[2]] - mesh.vertices[t[0]];
  return a.cross(b).norm() <= kFlat * std::max({a.squaredNorm(), b.squaredNorm(), (b - a).squaredNorm()});
}

/// Disjoint sets of vertices; the root is the smallest member.
class Sets {
 public:
  explicit Sets(std::size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), 0U); }
  std::uint32_t find(std::uint32_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::uint32_t a, std::uint32_t b) {
    a = find(a), b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::uint32_t> parent_;
};

Sets connected(const TriangleMesh& mesh) {
  Sets sets(mesh.vertices.size());
  for (const auto& [a, b, c] : mesh.triangles) sets.join(a, b), sets.join(b, c);
  return sets;
}

/// Half-edges sorted into buckets by their smaller end: start[v]..start[v+1], in O(triangles).
std::pair<std::vector<std::size_t>, std::vector<Edge>> bucketEdges(const TriangleMesh& mesh) {
  std::vector<std::size_t> start(mesh.vertices.size() + 2, 0);
  const auto each = [&](const auto& visit) {
    for (const auto& t : mesh.triangles) {
      if (t[0] == t[1] || t[1] == t[2] || t[2] == t[0]) continue;
      for (int e = 0; e < 3; ++e) visit(t[e], t[(e + 1) % 3]);
    }
  };
  each([&](std::uint32_t a, std::uint32_t b) { ++start[std::min(a, b) + 2]; });
  std::partial_sum(start.begin(), start.end(), start.begin());
  std::vector<Edge> edges(start.back());
  each([&](std::uint32_t a, std::uint32_t b) { edges[start[std::min(a, b) + 1]++] = {std::max(a, b), a < b}; });
  start.pop_back();
  return {std::move(start), std::move(edges)};
}

/// Counts one bucket's edges into the topology; returns the number of distinct ones.
std::int64_t countBucket(Edge* first, Edge* last, Topology& result) {
  std::sort(first, last);
  std::int64_t distinct = 0;
  while (first != last) {
    Edge* end = first;
    int forward = 0;
    for (; end != last && end->first == first->first; ++end) forward += end->second;
    const auto uses = end - first;
    ++distinct;
    if (uses == 1) ++result.boundary_edges;
    if (uses > 2) ++result.nonmanifold_edges;
    if (uses == 2 && forward != 1) ++result.misoriented_edges;
    first = end;
  }
  return distinct;
}

}  // namespace

Bounds bounds(const TriangleMesh& mesh) {
  Bounds box;
  for (const auto& v : mesh.vertices) box.min = box.min.cwiseMin(v), box.max = box.max.cwiseMax(v);
  return box;
}

double volume_mm3(const TriangleMesh& mesh) {
  if (mesh.vertices.empty()) return 0;
  const Eigen::Vector3d origin = mesh.vertices.front();  // near the mesh, so that far-off coordinates don't cancel
  return core::parallelSum(
      static_cast<std::int64_t>(mesh.triangles.size()), kChunk, [&](std::int64_t first, std::int64_t last) {
        double sum = 0;
        for (auto t = first; t < last; ++t) {
          const auto& [i, j, k] = mesh.triangles[static_cast<std::size_t>(t)];
          sum += (mesh.vertices[i] - origin).dot((mesh.vertices[j] - origin).cross(mesh.vertices[k] - origin));
        }
        return sum / 6;
      });
}

double area_mm2(const TriangleMesh& mesh) {
  return core::parallelSum(
      static_cast<std::int64_t>(mesh.triangles.size()), kChunk, [&](std::int64_t first, std::int64_t last) {
        double sum = 0;
        for (auto t = first; t < last; ++t) {
          const auto& [i, j, k] = mesh.triangles[static_cast<std::size_t>(t)];
          sum += (mesh.vertices[j] - mesh.vertices[i]).cross(mesh.vertices[k] - mesh.vertices[i]).norm();
        }
        return sum / 2;
      });
}

Topology topology(const TriangleMesh& mesh) {
  Topology result;
  std::int64_t faces = 0, vertices = 0, distinct = 0;
  const auto countCorners = [&] {
    std::vector<bool> used(mesh.vertices.size(), false);
    for (const auto& t : mesh.triangles) {
      result.degenerate_triangles += isDegenerate(mesh, t);
      if (t[0] == t[1] || t[1] == t[2] || t[2] == t[0]) continue;
      ++faces;
      for (const auto v : t) used[v] = true;
    }
    Sets sets = connected(mesh);
    for (std::uint32_t v = 0; v < used.size(); ++v) {
      if (!used[v]) continue;
      ++vertices;
      result.components += sets.find(v) == v;
    }
  };
  const auto countEdges = [&] {
    auto [start, edges] = bucketEdges(mesh);
    for (std::size_t v = 0; v + 1 < start.size(); ++v)
      distinct += countBucket(edges.data() + start[v], edges.data() + start[v + 1], result);
  };
  core::parallelFor(2, [&](std::int64_t half) { half == 0 ? countCorners() : countEdges(); });
  result.euler_characteristic = vertices - distinct + faces;
  return result;
}

void weld(TriangleMesh& mesh) {
  Welder welder(mesh.vertices.size());
  std::vector<std::uint32_t> index;
  index.reserve(mesh.vertices.size());
  for (const auto& v : mesh.vertices) index.push_back(welder.add(v));
  mesh.vertices = welder.takeVertices();
  for (auto& t : mesh.triangles)
    for (auto& v : t) v = index[v];
  std::erase_if(mesh.triangles, [](const Triangle& t) { return t[0] == t[1] || t[1] == t[2] || t[2] == t[0]; });
}

TriangleMesh largestComponent(const TriangleMesh& mesh) {
  Sets sets = connected(mesh);
  std::vector<double> area(mesh.vertices.size(), 0.0);
  for (const auto& t : mesh.triangles) {
    const Eigen::Vector3d& a = mesh.vertices[t[0]];
    area[sets.find(t[0])] += (mesh.vertices[t[1]] - a).cross(mesh.vertices[t[2]] - a).norm();
  }
  TriangleMesh result{.vertices = {}, .triangles = {}, .frame_id = mesh.frame_id};
  if (area.empty()) return result;
  const auto best = static_cast<std::uint32_t>(std::max_element(area.begin(), area.end()) - area.begin());
  constexpr std::uint32_t kNone = 0xffffffff;
  std::vector<std::uint32_t> index(mesh.vertices.size(), kNone);
  for (const auto& t : mesh.triangles) {
    if (sets.find(t[0]) != best) continue;
    Triangle moved;
    for (int v = 0; v < 3; ++v) {
      auto& to = index[t[v]];
      if (to == kNone)
        to = static_cast<std::uint32_t>(result.vertices.size()), result.vertices.push_back(mesh.vertices[t[v]]);
      moved[v] = to;
    }
    result.triangles.push_back(moved);
  }
  return result;
}

}  // namespace osteo::mesh
