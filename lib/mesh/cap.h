#pragma once
#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

struct Caps {
  int openings = 0;
  double area_mm2 = 0;                                  ///< of all caps
  Eigen::Vector3d middle_mm = Eigen::Vector3d::Zero();  ///< of the edge of the largest
};

/// The mesh with each of its openings closed by a fan of triangles around the middle of its edge: exact for a plane
/// cut, plausible for a rim that is nearly plane. A closed mesh comes back as it is.
TriangleMesh capped(TriangleMesh mesh, Caps& caps);

}  // namespace osteo::mesh
