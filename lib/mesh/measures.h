#pragma once
#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

struct Bounds {
  Eigen::Vector3d min = Eigen::Vector3d::Constant(1e300), max = Eigen::Vector3d::Constant(-1e300);
};
Bounds bounds(const TriangleMesh& mesh);

/// Signed volume by the divergence theorem, mm³; positive for outward orientation.
double volume_mm3(const TriangleMesh& mesh);
double area_mm2(const TriangleMesh& mesh);

/// Counts that tell whether a mesh is a closed, oriented 2-manifold.
struct Topology {
  std::int64_t boundary_edges = 0, nonmanifold_edges = 0, misoriented_edges = 0, degenerate_triangles = 0;
  std::int64_t components = 0;
  std::int64_t euler_characteristic = 0;
  bool closed() const { return boundary_edges == 0 && nonmanifold_edges == 0 && misoriented_edges == 0; }
};
Topology topology(const TriangleMesh& mesh);

/// Merges vertices that are bitwise equal and drops triangles that collapse.
void weld(TriangleMesh& mesh);
/// The connected component (over shared vertices) with the largest area.
TriangleMesh largestComponent(const TriangleMesh& mesh);

}  // namespace osteo::mesh
