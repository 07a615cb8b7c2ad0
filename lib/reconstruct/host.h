#pragma once
#include <vector>

#include "image/volume.h"
#include "levelset/level_set.h"
#include "registration/rigid.h"

namespace osteo::reconstruct {

/// The bone as the completion needs it, on a coarse axis-aligned grid.
struct Host {
  image::CtVolume distance;                         ///< signed, mm, to the bone's surface
  image::CtVolume closed;                           ///< the same after bridging pores and seams
  std::vector<registration::OrientedPoint> points;  ///< on the surface, thinned
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
};

Host prepareHost(const levelset::LevelSet& bone, double closing_mm);

image::CtVolume unsignedDistance(const image::CtVolume& signed_distance);

/// Erodes by radius_mm and dilates back what is negative in a signed distance.
image::CtVolume opened(const image::CtVolume& signed_distance, double radius_mm);

}  // namespace osteo::reconstruct
