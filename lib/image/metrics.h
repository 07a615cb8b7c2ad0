#pragma once
#include "image/volume.h"

namespace osteo::image {

/// Agreement of two masks (nonzero = inside) on the same grid.
struct Overlap {
  std::int64_t voxels_a = 0, voxels_b = 0, voxels_both = 0;
  double dice = 1;               ///< 2|A∩B| / (|A|+|B|); 1 when both are empty
  double iou = 1;                ///< |A∩B| / |A∪B|; 1 when both are empty
  double volume_similarity = 1;  ///< 1 − ||A|−|B|| / (|A|+|B|) (Taha & Hanbury 2015)
};

/// Distances between the surfaces of two masks: voxels of a mask with a 6-neighbour outside it (the image border counts
/// as outside), both directions pooled. All infinite when exactly one mask is empty, all 0 when both are.
struct SurfaceDistance {
  double hd95_mm = 0;  ///< 95th percentile of the pooled A→B and B→A distances
  double max_mm = 0;   ///< Hausdorff distance
  double mean_mm = 0;  ///< mean of the pooled distances (average symmetric surface distance)
  double dice = 1;     ///< share of the pooled distances within the tolerance: surface Dice (Nikolov et al. 2021)
};

/// Throws DataError when the grids differ.
Overlap overlap(const LabelVolume& a, const LabelVolume& b);
SurfaceDistance surfaceDistance(const LabelVolume& a, const LabelVolume& b, double tolerance_mm = 1);

}  // namespace osteo::image
