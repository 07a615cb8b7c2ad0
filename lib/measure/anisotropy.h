#pragma once
#include <Eigen/Core>

#include "image/volume.h"

namespace osteo::measure {

/// Mean intercept lengths fitted by an ellipsoid.
struct Fabric {
  Eigen::Vector3d lengths_mm = Eigen::Vector3d::Zero();  ///< along its axes, descending
  Eigen::Matrix3d axes = Eigen::Matrix3d::Identity();    ///< columns, unit vectors in LPS
  double degree() const { return lengths_mm[2] > 0 ? lengths_mm[0] / lengths_mm[2] : 0; }  ///< 1: isotropic
};

/// From parallel lines in 400 directions through the region: its length within them over the number of times they
/// enter or leave the bone (Harrigan, Mann, J Mater Sci 19, 761, 1984). Both masks: nonzero. Throws DataError where no
/// direction meets a surface.
Fabric meanInterceptLengths(const image::LabelVolume& bone, const image::LabelVolume& region);

}  // namespace osteo::measure
