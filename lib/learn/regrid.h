#pragma once
#include <vector>

#include "image/volume.h"

/// From a CT's grid to a network's and back, slice by slice, so that only what is needed is held.
namespace osteo::learn {

/// Linear interpolation along one axis whose outer faces agree; a triangle as wide as the coarser voxel, so that noise
/// is averaged on the way down. Beyond the border its voxel is repeated.
struct AxisMap {
  int from = 0, to = 0, taps = 1;
  std::vector<int> first;      ///< first source voxel of each target voxel; taps may lie outside and are then clamped
  std::vector<float> weights;  ///< taps for each target voxel
  int source(int target, int tap) const;
};
AxisMap axisMap(int from, int to);

/// The grid of about this spacing over the same box; voxels within 5 % of it stay as they are.
image::Frame regridded(const image::Frame& frame, const Eigen::Vector3d& spacing_mm);

/// In-plane part: one slice of `from` (x fastest) to one of `to`, by the maps of x and y.
void regridPlane(const AxisMap& x, const AxisMap& y, const float* from, float* to);

/// A whole volume. The target must be regridded(volume.frame, …).
image::CtVolume regrid(const image::CtVolume& volume, const image::Frame& target);

}  // namespace osteo::learn
