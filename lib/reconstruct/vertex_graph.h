#pragma once
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::reconstruct {

/// Which vertices of a mesh share an edge, and what can be done with values at them. Results don't depend on threads.
class VertexGraph {
 public:
  explicit VertexGraph(const mesh::TriangleMesh& mesh);

  /// The mean of each vertex and its neighbours, `passes` times.
  template <class T>
  std::vector<T> averaged(std::vector<T> values, int passes) const {
    for (int pass = 0; pass < passes; ++pass) {
      std::vector<T> next = values;
      for (std::size_t v = 0; v < values.size(); ++v) {
        for (std::size_t k = first_[v]; k < first_[v + 1]; ++k) next[v] += values[around_[k]];
        next[v] /= static_cast<float>(1 + first_[v + 1] - first_[v]);
      }
      values.swap(next);
    }
    return values;
  }
  /// Gives what is not known the values of its surroundings, a smooth passage between known ones; pieces of the mesh
  /// without a known vertex get `otherwise`.
  void fill(std::vector<float>& values, const std::vector<char>& known, float otherwise) const;
  double edge_mm() const { return edge_mm_; }  ///< mean length

 private:
  std::vector<std::size_t> first_;
  std::vector<std::uint32_t> around_;
  double edge_mm_ = 0;
};

/// Outward unit normals, smoothed over about `radius_mm`.
std::vector<Eigen::Vector3d> smoothNormals(const mesh::TriangleMesh& mesh, const VertexGraph& graph, double radius_mm);

/// Sum of the principal curvatures at each vertex, positive where convex: the divergence of these normals.
std::vector<float> curvature(const mesh::TriangleMesh& mesh, const std::vector<Eigen::Vector3d>& normals);

}  // namespace osteo::reconstruct
