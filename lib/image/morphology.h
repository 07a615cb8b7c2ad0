#pragma once
#include <initializer_list>

#include "image/volume.h"

namespace osteo::image {

enum class Connectivity { Faces = 6, Corners = 26 };

/// Connected parts of a mask: id 0 outside, ids 1, 2, … from the largest part down (ties: first voxel first).
struct Components {
  Volume<std::int32_t> ids;
  std::vector<std::int64_t> voxels;  ///< voxels[id − 1]
};

/// Masks below are nonzero = inside; results are 0 and 1 on the same frame.
Components components(const LabelVolume& mask, Connectivity connectivity);
LabelVolume largestComponent(const LabelVolume& mask, Connectivity connectivity);
/// Drops the parts with fewer voxels.
LabelVolume dropSmall(const LabelVolume& mask, std::int64_t min_voxels, Connectivity connectivity);
/// Fills what the outside (6-connected from the image border) can't reach.
LabelVolume fillHoles(const LabelVolume& mask);
/// 1 where the label is one of the values.
LabelVolume select(const LabelVolume& labels, std::initializer_list<int> values);
/// 1 where low <= voxel <= high.
LabelVolume threshold(const CtVolume& ct, float low, float high);

/// Exact balls of radius_mm around voxel centres (by distance transform). What lies beyond the image border counts as
/// inside for erode; close and open behave as if the image went on as background.
LabelVolume dilate(const LabelVolume& mask, double radius_mm);
LabelVolume erode(const LabelVolume& mask, double radius_mm);
LabelVolume close(const LabelVolume& mask, double radius_mm);
LabelVolume open(const LabelVolume& mask, double radius_mm);

}  // namespace osteo::image
