#pragma once
#include "image/volume.h"

namespace osteo::segment {

/// Fills marrow spaces of the mask up to max_radius_mm (2 area / outline of a slice's hole, the radius for a disk).
/// Holes are sought in slices along all three axes, because a marrow cavity that leaves the image or opens through a
/// foramen is still closed in most of its slices. What is closed along two axes is filled; along one axis only what the
/// mask nearly closes all around. The spinal canal, the orbit, the cranial cavity and a gap in the vault, closed along
/// one axis at most and open at the ends, stay open; so does air.
void fillMarrow(image::LabelVolume& mask, const image::CtVolume& ct, double max_radius_mm);

}  // namespace osteo::segment
