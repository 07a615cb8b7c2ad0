#pragma once
#include <cstdint>

#include "image/volume.h"

namespace osteo::phantom {

/// In-plane point spread of a reconstruction kernel: (1 + overshoot) narrow Gaussian - overshoot wide Gaussian, so that
/// an edge reads (1 + a) Phi(x / narrow) - a Phi(x / wide).
struct Kernel {
  double narrow_mm = 0.6;  ///< standard deviations
  double wide_mm = 1.5;
  double overshoot = 0;  ///< a; 0 for a soft kernel
};

/// What a scanner does to true HU, in this order; slice thickness is render()'s.
struct ScanModel {
  bool streaks = true;  ///< of metal, where there is any
  Kernel kernel;
  double noise_hu = 0;              ///< standard deviation
  double noise_correlation_mm = 0;  ///< distance at which the noise's autocorrelation has fallen to 1/e; 0: white
  double shading_hu = 0;            ///< slow drift over the volume, up to about this
  double hu_scale = 1;              ///< error of the slope about air: hu -> scale (hu + 1000) - 1000 + shift
  double hu_shift = 0;
  double circle_mm = 0;       ///< radius of the reconstruction circle about the slices' centres; 0: the whole slice
  double outside_hu = -1024;  ///< what stands beyond it
  double highest_hu = 3071;   ///< values are clipped here and at -1024, and rounded
  std::uint64_t seed = 0;
};

/// Adds noise of this standard deviation and correlation, the same everywhere up to the border.
void addNoise(image::CtVolume& ct, double noise_hu, double correlation_mm, std::uint64_t seed);

/// In-plane filtering with the kernel, border voxels repeated.
void applyKernel(image::CtVolume& ct, const Kernel& kernel);

/// The whole chain; `metal_fraction` may be empty. Labels beyond the reconstruction circle are for cutCircle().
void expose(image::CtVolume& ct, const image::CtVolume& metal_fraction, const ScanModel& model);

/// True when a voxel of the slice lies beyond the reconstruction circle.
bool beyondCircle(const image::Frame& frame, int i, int j, double circle_mm);

/// Sets labels beyond the reconstruction circle to background.
void cutCircle(image::LabelVolume& labels, double circle_mm);

}  // namespace osteo::phantom
