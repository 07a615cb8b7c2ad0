#pragma once
#include <array>
#include <vector>

#include "image/volume.h"

namespace osteo::segment {

/// Tells streaks by how uneven soft tissue is in the slices in which the scanner worked: |HU less the mean of the four
/// voxels 2 mm away in the slice|, where all five are soft tissue and no bone is beside them. The slices are those
/// along the index axis nearest to the patient's long axis.
class Unevenness {
 public:
  /// Soft tissue lies within -300 and +160 HU of `soft_hu`; from `bright_hu` on voxels may throw streaks.
  Unevenness(const image::CtVolume& ct, double soft_hu, double bright_hu);

  /// Median 3 to 15 mm from the voxels within their slices (at most nine of these), against the median further than
  /// 30 mm from the box about all bright voxels of a slice; 0 where either is made of too few voxels to be known.
  double ratioBeside(const std::vector<std::int64_t>& voxels) const;

 private:
  class Counts;
  /// The unevenness at a voxel; negative where it is not soft tissue.
  double at(const std::array<int, 3>& place) const;

  const image::CtVolume& ct_;
  double soft_hu_;
  std::array<int, 3> axes_{};  ///< two in the slice, then the slices'
  std::array<std::int64_t, 3> stride_{};
  double elsewhere_ = 0;
};

}  // namespace osteo::segment
