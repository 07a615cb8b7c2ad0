#pragma once
#include "image/volume.h"

/// How dense cortex is where a voxel holds nothing else, in a scan that may resolve it nowhere.
namespace osteo::segment {

/// Standard deviation of the scanner's point spread within the finest planes, voxels included, mm: that of the mean
/// edge between air and skin (edge spread function, aligned at half height as in ISO 12233). 0 where too few edges
/// show.
double pointSpread_mm(const image::CtVolume& ct);

/// HU of full cortex: the 97th percentile of the dense voxels, which is right where cortex is thick; or more, where a
/// plate of one density and the scan's point spread explain height and mass of the profiles through the bone's surface
/// better (median over the profiles whose plate is wider than 1.6 times the point spread; the model of Treece et al.,
/// Med Image Anal 2010, solved for the density). From 1000 to 1800 HU.
struct FullCortex {
  double hu = 0, point_spread_mm = 0;
};
FullCortex fullCortex(const image::LabelVolume& whole, const image::LabelVolume& dense, const image::CtVolume& ct,
                      double soft_hu);

}  // namespace osteo::segment
