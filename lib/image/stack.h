#pragma once
#include "image/header.h"
#include "image/volume.h"

namespace osteo::image {

/// Parallel slices of one size where they truly lie: any order, uneven gaps, gantry tilt and shear are representable.
struct SliceStack {
  Eigen::Vector2i size = Eigen::Vector2i::Zero();                               ///< pixels along index i and j
  Eigen::Matrix<double, 3, 2> steps = Eigen::Matrix<double, 3, 2>::Identity();  ///< mm in LPS of one step along i and j
  std::vector<Eigen::Vector3d> origins_mm;                                      ///< centre of pixel (0,0) of each slice
  std::string frame_id;
};

/// What is uneven or oblique in a stack.
struct StackGeometry {
  Eigen::Vector3d normal = Eigen::Vector3d::UnitZ();  ///< of the slices
  double gap_min_mm = 0, gap_max_mm = 0;              ///< between neighbouring slices, along the normal
  double gap_mm = 0;                                  ///< the median of the gaps
  double uneven_mm = 0;                               ///< largest distance of a slice from an even spacing
  double tilt_degrees = 0;   ///< angle between the slices' normal and the walk from the first to the last origin
  double shear_degrees = 0;  ///< departure from a right angle within the slices
  double wander_mm = 0;      ///< largest distance of an origin from the straight walk, within the slice
  bool isUneven() const;
  /// Largest angle that keeps the stack from being a right-angled grid.
  double skewDegrees() const { return tilt_degrees > shear_degrees ? tilt_degrees : shear_degrees; }
};

/// The stack of a header with an affine grid; slices lie along the third index.
SliceStack stackOf(const Header& header);
/// Sorts the origins along the normal and returns the order; needs at least two slices at different positions.
std::vector<std::size_t> sortAlongNormal(SliceStack& stack);
/// Needs a sorted stack.
StackGeometry measureStack(const SliceStack& stack);

/// The right-angled, even grid that a sorted stack is taken for when nothing but rounding keeps it from being one.
Frame gridOf(const SliceStack& stack);

struct Resampled {
  CtVolume volume;
  std::vector<int> interpolated;  ///< output slices more than a tenth of the spacing away from any true slice
};
/// Resamples a sorted stack from its true slice positions onto a right-angled, even grid that holds all of it: z along
/// the walk of the slices, x along their rows, spacing in z the lower quartile of the gaps but at least the pixel size.
/// Linear along the normal between the two neighbouring slices, bilinear within each; -1024 HU where there was none.
Resampled resampleStack(const SliceStack& stack, const std::vector<float>& voxels);

}  // namespace osteo::image
