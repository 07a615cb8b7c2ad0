#pragma once
#include "image/volume.h"

namespace osteo::measure {

/// Euler characteristic of a mask (nonzero; voxels that touch at a corner are connected) as vertices − edges + faces −
/// voxels. Cells on the image's faces, edges and corners count by a half, a quarter and an eighth, so that the sum is
/// what the mask contributes to the whole that it was cut from (Odgaard, Gundersen, Bone 14, 173, 1993). `open` counts
/// all cells whole: the mask as a body of its own.
struct Euler {
  double contributed = 0;
  double open = 0;
};
Euler eulerCharacteristic(const image::LabelVolume& mask);

}  // namespace osteo::measure
