#pragma once
#include "image/volume.h"

namespace osteo::measure {

/// How a length is spread over the voxels of a phase, mm.
struct Spread {
  double mean_mm = 0, sd_mm = 0, p05_mm = 0, p50_mm = 0, p95_mm = 0, max_mm = 0;
};

/// For every voxel of a mask (nonzero) the diameter of the largest ball that holds it and lies in the mask, in mm; 0
/// elsewhere (Hildebrand, Rüegsegger, J Microsc 185, 67, 1997). Balls have their centres on voxels or half way between,
/// so that plates come out as thick as they are, whether their voxels are even or odd in number; above 150 million such
/// points, on the voxels alone, where single plates are up to half a voxel off. What lies beyond the image does not
/// bound a ball.
image::CtVolume localThickness_mm(const image::LabelVolume& mask);

/// Over the voxels where the value is above 0.
Spread spreadOf(const image::CtVolume& lengths_mm);

}  // namespace osteo::measure
