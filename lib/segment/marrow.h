#pragma once
#include "image/volume.h"

namespace osteo::segment {

/// What is known when the marrow is looked for.
struct MarrowSearch {
  double soft_hu = 40;    ///< level of soft tissue
  double noise_hu = 10;   ///< its spread
  double closing_mm = 3;  ///< half the widest gap that is bridged in the cortex
  double fill_mm = 20;    ///< radius of the widest marrow space
};

/// Whole bone, 0 and 1, from what stands out by itself (`dense`, which stays): each voxel near it is given points for
/// being closed in slices along three axes when gaps of three widths are bridged, for lying in such a gap, for the
/// share of 26 directions in which dense bone lies, for its HU and for lying on a bright plate; what the points leave
/// open is decided by a minimum cut whose borders are cheap where HU jump (after Krčah et al., ISBI 2011, who cut by
/// sheetness). Air stays outside. Equal bytes for any thread count.
image::LabelVolume wholeBone(const image::LabelVolume& dense, const image::CtVolume& ct, const MarrowSearch& how);

}  // namespace osteo::segment
