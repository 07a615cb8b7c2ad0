#pragma once
#include <functional>

#include "image/volume.h"

namespace osteo::registration {

/// Exact Euclidean distance in mm from each voxel centre to the nearest voxel centre where `marked` holds (Felzenszwalb
/// & Huttenlocher 2012); 1e6 everywhere when none is marked. `marked` gets the linear voxel index.
image::CtVolume distanceTo(const image::Frame& frame, const std::function<bool(std::int64_t)>& marked);

/// Signed distance in mm to the boundary of the marked voxels, negative inside, counted from half way between voxel
/// centres.
image::CtVolume signedDistance(const image::Frame& frame, const std::function<bool(std::int64_t)>& marked);

/// Gradient of a volume by central differences of its trilinear interpolation over ± half the smallest voxel, in units
/// per mm.
Eigen::Vector3d gradientAt(const image::CtVolume& volume, const Eigen::Vector3d& point_mm, float outside);

}  // namespace osteo::registration
