#pragma once
#include "image/volume.h"

namespace osteo::segment {

struct HoleLimits {
  double radius_mm = 12;  ///< widest hole: 2 area / outline, the radius for a disk
  double soft_hu = 40;    ///< level of soft tissue
};

/// Fills marrow spaces of the mask. Holes are sought in slices along all three axes, because a marrow cavity that
/// leaves the image or opens through a foramen is still closed in most of its slices. What is closed along two axes is
/// filled; along one axis only what can't be soft tissue: denser than it (cancellous bone), or even fat within a bright
/// ring (a shaft). The spinal canal and the orbit, closed along one axis and neither, stay open; so does air.
void fillMarrow(image::LabelVolume& mask, const image::CtVolume& ct, const HoleLimits& limits);

}  // namespace osteo::segment
