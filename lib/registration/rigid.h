#pragma once
#include <Eigen/Geometry>
#include <vector>

#include "image/volume.h"

namespace osteo::registration {

/// Surface samples with outward normals.
struct OrientedPoint {
  Eigen::Vector3d position, normal;
};

struct RigidFit {
  Eigen::Isometry3d transform = Eigen::Isometry3d::Identity();
  double residual_mm = 0;   ///< median |distance| of the points in reach
  double inlier_share = 0;  ///< of the points: nearer than reach_mm with a like normal
};

/// Moves points onto the zero level of a signed distance by Gauss–Newton with Tukey weights (point-to-plane, Chen &
/// Medioni 1992): only points nearer than reach_mm whose normal agrees with the distance's gradient count. The pull
/// towards no motion grows where the points don't fix a direction.
RigidFit fitToSurface(const std::vector<OrientedPoint>& points, const image::CtVolume& signed_distance,
                      double reach_mm);

}  // namespace osteo::registration
