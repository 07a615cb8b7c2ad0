#include "reconstruct/vertex_graph.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

namespace osteo::reconstruct {

using Eigen::Vector3d;

VertexGraph::VertexGraph(const mesh::TriangleMesh& mesh) {
  std::vector<std::array<std::uint32_t, 2>> pairs;
  pairs.reserve(6 * mesh.triangles.size());
  for (const mesh::Triangle& t : mesh.triangles) {
    for (std::size_t k = 0; k < 3; ++k) {
      pairs.push_back({t[k], t[(k + 1) % 3]});
      pairs.push_back({t[(k + 1) % 3], t[k]});
    }
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  first_.assign(mesh.vertices.size() + 1, 0);
  around_.reserve(pairs.size());
  for (const auto& [from, to] : pairs) {
    ++first_[from + 1];
    around_.push_back(to);
    edge_mm_ += (mesh.vertices[to] - mesh.vertices[from]).norm() / static_cast<double>(pairs.size());
  }
  for (std::size_t v = 0; v < mesh.vertices.size(); ++v) first_[v + 1] += first_[v];
}

void VertexGraph::fill(std::vector<float>& values, const std::vector<char>& known, float otherwise) const {
  constexpr int kSmoothing = 60;
  std::vector<char> reached = known;
  std::vector<std::uint32_t> front, all;
  for (std::uint32_t v = 0; v < values.size(); ++v) {
    if (known[v] == 0) all.push_back(v);
  }
  const auto mean = [&](std::uint32_t v, const std::vector<char>& counts, float& value) {
    float sum = 0;
    int n = 0;
    for (std::size_t k = first_[v]; k < first_[v + 1]; ++k) {
      if (counts[around_[k]] == 0) continue;
      sum += values[around_[k]];
      ++n;
    }
    if (n > 0) value = sum / static_cast<float>(n);
    return n > 0;
  };
  std::vector<std::uint32_t> left = all;
  while (!left.empty()) {  // a ring of vertices at a time
    std::vector<std::uint32_t> beyond;
    std::vector<std::pair<std::uint32_t, float>> ring;
    for (const std::uint32_t v : left) {
      float value = 0;
      if (mean(v, reached, value)) {
        ring.emplace_back(v, value);
      } else {
        beyond.push_back(v);
      }
    }
    for (const auto& [v, value] : ring) values[v] = value, reached[v] = 1;
    if (ring.empty()) break;
    left.swap(beyond);
  }
  for (const std::uint32_t v : left) values[v] = otherwise;
  const std::vector<char> every(values.size(), 1);
  for (int pass = 0; pass < kSmoothing; ++pass) {
    for (const std::uint32_t v : all) mean(v, every, values[v]);
  }
}

std::vector<Vector3d> smoothNormals(const mesh::TriangleMesh& mesh, const VertexGraph& graph, double radius_mm) {
  std::vector<Vector3d> normals(mesh.vertices.size(), Vector3d::Zero());
  for (const mesh::Triangle& t : mesh.triangles) {
    const Vector3d a = mesh.vertices[t[0]], n = (mesh.vertices[t[1]] - a).cross(mesh.vertices[t[2]] - a);
    for (const std::uint32_t v : t) normals[v] += n;
  }
  const auto unit = [](Vector3d& n) {
    if (n.norm() > 0) n.normalize();
  };
  std::for_each(normals.begin(), normals.end(), unit);
  // A pass spreads by about 0.65 edges along each axis.
  const double edge = std::max(graph.edge_mm(), 1e-6), passes = std::pow(radius_mm / (0.65 * edge), 2);
  normals = graph.averaged(std::move(normals), static_cast<int>(std::clamp(passes, 1.0, 40.0)));
  std::for_each(normals.begin(), normals.end(), unit);
  return normals;
}

std::vector<float> curvature(const mesh::TriangleMesh& mesh, const std::vector<Vector3d>& normals) {
  std::vector<double> sum(mesh.vertices.size()), area(mesh.vertices.size());
  for (const mesh::Triangle& t : mesh.triangles) {
    const Vector3d across =
        (mesh.vertices[t[1]] - mesh.vertices[t[0]]).cross(mesh.vertices[t[2]] - mesh.vertices[t[0]]);
    const double twice = across.norm();
    if (twice <= 0) continue;
    double divergence = 0;  // times twice the area
    for (std::size_t k = 0; k < 3; ++k) {
      const Vector3d opposite = mesh.vertices[t[(k + 2) % 3]] - mesh.vertices[t[(k + 1) % 3]];
      divergence += normals[t[k]].dot(across.cross(opposite)) / twice;
    }
    for (const std::uint32_t v : t) sum[v] += divergence, area[v] += twice;
  }
  std::vector<float> out(mesh.vertices.size());
  for (std::size_t v = 0; v < out.size(); ++v) out[v] = area[v] > 0 ? static_cast<float>(sum[v] / area[v]) : 0.0F;
  return out;
}

}  // namespace osteo::reconstruct
