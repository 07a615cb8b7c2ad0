#pragma once
#include <array>
#include <vector>

#include "mesh/closest.h"

namespace osteo::learn {

/// Signed distance in mm to a closed oriented mesh, negative inside; the sign comes from the normal of the nearest
/// face, edge or vertex (angle-weighted pseudonormals: Baerentzen & Aanaes, IEEE TVCG 11, 243, 2005). Keeps a reference
/// to the mesh.
class MeshDistance {
 public:
  explicit MeshDistance(const mesh::TriangleMesh& mesh);
  double operator()(const Eigen::Vector3d& point) const;
  /// Outward normals of the vertices.
  const std::vector<Eigen::Vector3d>& vertexNormals() const { return vertex_normals_; }

 private:
  const mesh::TriangleMesh& mesh_;
  mesh::ClosestPoint closest_;
  std::vector<Eigen::Vector3d> face_normals_, vertex_normals_;
  std::vector<std::array<Eigen::Vector3d, 3>> edge_normals_;  ///< edge e runs from corner e to e + 1
};

}  // namespace osteo::learn
