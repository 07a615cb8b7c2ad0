#pragma once
#include "image/volume.h"

namespace osteo::image {

/// Median over the (2r+1)³ box, r = 1 or 2 voxels; the box is clipped at the border (lower median of what is left).
CtVolume median(const CtVolume& volume, int radius_voxels = 1);
/// Separable Gaussian with sigma in mm on each axis (sampled kernel to 4 sigma, normalised, border voxels repeated).
CtVolume gaussian(const CtVolume& volume, double sigma_mm);

}  // namespace osteo::image
