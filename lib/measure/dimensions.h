#pragma once
#include <Eigen/Core>

#include "image/volume.h"

namespace osteo::measure {

/// How large a mask is. Lengths in mm, points in LPS.
struct Dimensions {
  double volume_mm3 = 0;
  Eigen::Vector3d centroid_mm = Eigen::Vector3d::Zero();
  Eigen::Vector3d box_min_mm = Eigen::Vector3d::Zero(), box_max_mm = Eigen::Vector3d::Zero();
  Eigen::Vector3d extents_mm = Eigen::Vector3d::Zero();  ///< along the principal axes, descending
  Eigen::Matrix3d axes = Eigen::Matrix3d::Identity();    ///< columns: principal axes, unit vectors
  double largest_mm = 0, smallest_mm = 0;                ///< caliper (Feret) widths over all directions
  int parts = 0;                                         ///< connected by faces
};

/// Of the voxels where the mask is not zero, faces included. Throws DataError for an empty mask.
Dimensions dimensionsOf(const image::LabelVolume& mask);

}  // namespace osteo::measure
