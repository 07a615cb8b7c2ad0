#pragma once
#include "image/volume.h"

namespace osteo::segment {

/// Fills holes of the mask that are closed within a slice, in slices along all three axes, when the hole is at most
/// `radius_mm` wide in the mean (2 area / perimeter; the radius for a disk) and its mean HU is above `min_hu` (so that
/// air cells stay open). A marrow cavity that leaves the image or opens through a foramen is closed in most of its
/// slices.
void fillSliceHoles(image::LabelVolume& mask, const image::CtVolume& ct, double radius_mm, double min_hu);

}  // namespace osteo::segment
