#pragma once
#include <vector>

#include "slice_print/layer.h"

namespace osteo::slice_print {

/// Layers that follow the surface: the cusp between a layer's edge and a surface of unit normal n is height·|n_z|
/// (Dolenc, Mäkelä 1994).
struct AdaptiveHeights {
  double cusp_mm = 0;  ///< largest allowed; 0 for equal layers
  double least_mm = 0.015, most_mm = 0.06;
};

/// What limits heights along z: the steepest |n_z| of the surface in bins of equal height, and the heights of its level
/// faces, ascending.
struct SlopeProfile {
  double bin_mm = 0;
  std::vector<float> steepest;
  std::vector<double> flats_mm;
};
constexpr double kLevel = 0.99996;  ///< |n_z| above this (half a degree) is a level face

/// Layers that together are exactly as high as the part. Each is as high as the cusp allows where it lies, between
/// least and most, and ends at level faces where least allows. Throws DataError above 100,000.
Stack adaptiveStack(double height_mm, const SlopeProfile& profile, const AdaptiveHeights& heights);

}  // namespace osteo::slice_print
