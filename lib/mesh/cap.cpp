#include "mesh/cap.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

namespace osteo::mesh {
namespace {

using HalfEdge = std::pair<std::uint32_t, std::uint32_t>;

/// Directed edges that no triangle runs along the other way, as often as they lack one, in order.
std::vector<HalfEdge> openEdges(const TriangleMesh& mesh) {
  std::vector<HalfEdge> forward, backward, open;
  for (const Triangle& t : mesh.triangles) {
    for (int e = 0; e < 3; ++e) {
      const std::uint32_t a = t[e], b = t[(e + 1) % 3];
      if (a == b) continue;
      forward.emplace_back(a, b);
      backward.emplace_back(b, a);
    }
  }
  std::sort(forward.begin(), forward.end());
  std::sort(backward.begin(), backward.end());
  std::set_difference(forward.begin(), forward.end(), backward.begin(), backward.end(), std::back_inserter(open));
  return open;
}

/// For each open edge the least vertex of the edges it hangs together with.
std::vector<std::uint32_t> openings(const std::vector<HalfEdge>& edges, std::size_t vertices) {
  std::vector<std::uint32_t> parent(vertices);
  std::iota(parent.begin(), parent.end(), 0U);
  const auto find = [&](std::uint32_t v) {
    while (parent[v] != v) v = parent[v] = parent[parent[v]];
    return v;
  };
  for (const auto& [a, b] : edges) {
    const std::uint32_t x = find(a), y = find(b);
    parent[std::max(x, y)] = std::min(x, y);
  }
  std::vector<std::uint32_t> out;
  for (const HalfEdge& edge : edges) out.push_back(find(edge.first));
  return out;
}

}  // namespace

TriangleMesh capped(TriangleMesh mesh, Caps& caps) {
  caps = {};
  const std::vector<HalfEdge> edges = openEdges(mesh);
  const std::vector<std::uint32_t> opening = openings(edges, mesh.vertices.size());
  struct Middle {
    Eigen::Vector3d sum = Eigen::Vector3d::Zero();
    double length = 0, area = 0;
    std::uint32_t vertex = 0;
  };
  std::map<std::uint32_t, Middle> middles;
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const Eigen::Vector3d &a = mesh.vertices[edges[e].first], &b = mesh.vertices[edges[e].second];
    Middle& middle = middles[opening[e]];
    middle.sum += 0.5 * (a - b).norm() * (a + b);
    middle.length += (a - b).norm();
  }
  for (auto& [root, middle] : middles) {
    middle.vertex = static_cast<std::uint32_t>(mesh.vertices.size());
    const Eigen::Vector3d first = mesh.vertices[root];
    mesh.vertices.push_back(middle.length > 0 ? Eigen::Vector3d(middle.sum / middle.length) : first);
  }
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const auto& [a, b] = edges[e];
    Middle& middle = middles.at(opening[e]);
    const Eigen::Vector3d& c = mesh.vertices[middle.vertex];
    mesh.triangles.push_back({b, a, middle.vertex});
    middle.area += 0.5 * (mesh.vertices[a] - c).cross(mesh.vertices[b] - c).norm();
  }
  double largest = 0;
  for (const auto& [root, middle] : middles) {
    caps.area_mm2 += middle.area;
    if (middle.area <= largest) continue;
    largest = middle.area;
    caps.middle_mm = mesh.vertices[middle.vertex];
  }
  caps.openings = static_cast<int>(middles.size());
  return mesh;
}

}  // namespace osteo::mesh
