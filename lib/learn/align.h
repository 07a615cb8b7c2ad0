#pragma once
#include <Eigen/Geometry>

#include "mesh/triangle_mesh.h"

namespace osteo::learn {

struct Alignment {
  Eigen::Affine3d transform = Eigen::Affine3d::Identity();  ///< moving to fixed: a similarity, maybe with a reflection
  double residual_mm = 0;                                   ///< mean distance between the surfaces, both ways
};

/// Similarity that lays one bone on another of its kind: starts from all ways to match the principal axes and from the
/// given pose, each refined by pairs of nearest points in both directions (Besl & McKay 1992) and the closed-form
/// similarity (Umeyama 1991); with `mirror` also for the reflected bone, so that left and right become one kind.
Alignment alignBones(const mesh::TriangleMesh& moving, const mesh::TriangleMesh& fixed, bool mirror);

/// The moved mesh, its triangles turned round by a reflection.
mesh::TriangleMesh moved(mesh::TriangleMesh mesh, const Eigen::Affine3d& transform);

}  // namespace osteo::learn
