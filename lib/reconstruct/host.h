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

/// `seen` is the image's frame: where it cuts the bone off, its surface is none.
Host prepareHost(const levelset::LevelSet& bone, const image::Frame& seen, double closing_mm);

/// Signed distances on a grid: near the surface from the level set, far from it from the voxels' signs.
image::CtVolume fullDistance(const levelset::LevelSet& bone, const image::Frame& frame);

/// Whether a point lies within the image, off its outermost voxels, which are half known.
bool inView(const image::Frame& seen, const Eigen::Vector3d& p);

image::CtVolume unsignedDistance(const image::CtVolume& signed_distance);

/// Erodes by radius_mm and dilates back what is negative in a signed distance.
image::CtVolume opened(const image::CtVolume& signed_distance, double radius_mm);

}  // namespace osteo::reconstruct
