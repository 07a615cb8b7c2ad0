#pragma once
#include <string>
#include <vector>

#include "image/volume.h"

namespace osteo::segment {

/// What the grey scale of a scan looks like, read from its histogram.
struct Calibration {
  double soft_hu = 40;    ///< level of muscle, brain or whatever soft tissue is most common
  double noise_hu = 0;    ///< half width of the soft-tissue peak at 60 % of its height
  double air_hu = -1000;  ///< level of air where there is any
  bool has_air = false;
  double fat_hu = -100;  ///< level of fat where there is any
  bool has_fat = false;
};

/// Finds the soft-tissue and air peaks. Throws DataError with the way out for volumes that are not in HU (raw values
/// shifted by 1024, 8-bit greys) and for volumes without soft tissue.
Calibration calibrate(const image::CtVolume& ct);

}  // namespace osteo::segment
