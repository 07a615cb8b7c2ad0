#pragma once
#include <Eigen/Geometry>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

/// Finds the point of a mesh's surface that is nearest to any point: a tree of boxes over the triangles.
/// Keeps a reference to the mesh, which must outlive it. Building O(n log n), a query O(log n) in practice.
class ClosestPoint {
 public:
  explicit ClosestPoint(const TriangleMesh& mesh);
  struct Hit {
    double distance_mm = 0;
    std::uint32_t triangle = 0;
    Eigen::Vector3d point = Eigen::Vector3d::Zero();
  };
  Hit operator()(const Eigen::Vector3d& point) const;

 private:
  struct Node {
    Eigen::AlignedBox3d box;
    std::uint32_t first, count;  ///< triangles of a leaf; count 0: children are `first` and `first + 1`
  };
  void build();

  const TriangleMesh& mesh_;
  std::vector<std::uint32_t> order_;
  std::vector<Node> nodes_;
};

/// Nearest point of a triangle (Ericson, Real-Time Collision Detection, 2005, section 5.1.5).
Eigen::Vector3d closestOnTriangle(const Eigen::Vector3d& p, const Eigen::Vector3d& a, const Eigen::Vector3d& b,
                                  const Eigen::Vector3d& c);

/// Distances from the vertices of each mesh to the surface of the other, both directions pooled.
struct SurfaceDistances {
  double mean_mm = 0, p95_mm = 0, max_mm = 0;
};
SurfaceDistances surfaceDistances(const TriangleMesh& a, const TriangleMesh& b);

}  // namespace osteo::mesh
