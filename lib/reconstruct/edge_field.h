#pragma once
#include <memory>
#include <vector>

#include "image/volume.h"

namespace osteo::reconstruct {

/// An implicit function of position, negative in bone, whose zero is the edge of the bone in the grey values.
struct EdgeField {
  image::CtVolume grey;        ///< HU, or the blurred labels in [0, 1]
  image::CtVolume threshold;   ///< half way between the local plateaus, in the units of grey
  image::CtVolume contrast;    ///< inner minus outer plateau
  image::CtVolume gate;        ///< signed distance to the label surface in voxels, negative inside
  double reach_voxels = 1.25;  ///< the edge is looked for this near the label surface

  /// Roughly a distance in mm near the edge.
  double operator()(const Eigen::Vector3d& point_mm) const;
  /// Its value at the centre of a ball that it doesn't change its sign in, 0 where the edge may be near.
  double certain(const Eigen::Vector3d& centre_mm, double radius_mm) const;
};

/// From a CT on the labels' grid, to be sampled at steps of `step_mm`.
EdgeField edgesInGreys(const std::vector<char>& bone, const image::CtVolume& ct, double step_mm);
/// From labels alone.
EdgeField edgesInLabels(const std::vector<char>& bone, const image::Frame& frame);

/// Uniform cubic B-spline with the voxels as coefficients (a blur of 0.58 voxels) at a continuous index; edge voxels
/// repeat.
double sampleSpline(const image::CtVolume& volume, const Eigen::Vector3d& index);

/// Gaussian blur with the same sigma in voxels on every axis; edge voxels repeat.
void blur(image::CtVolume& volume, double sigma_voxels);

}  // namespace osteo::reconstruct
