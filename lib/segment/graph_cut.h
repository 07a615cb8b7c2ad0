#pragma once
#include <functional>

#include "image/volume.h"

namespace osteo::segment {

/// A voxel is 0 (outside), 1 (inside) or undecided.
constexpr std::uint16_t kUndecided = 2;

/// What a cut costs, in whole numbers so that sums are exact; the functions run in one thread, and see voxels by their
/// places in the volume.
struct CutCosts {
  /// What it costs to call an undecided voxel outside, less what it costs to call it inside.
  std::function<int(std::int64_t voxel)> inside;
  /// What a border between two voxels that share a face costs, at least 0; one of them is undecided.
  std::function<int(std::int64_t a, std::int64_t b)> border;
};

/// Decides the undecided voxels at the least total cost, by the minimum cut of the grid graph (Boykov and Kolmogorov,
/// IEEE PAMI 26, 1124, 2004); where both cost the same a voxel is outside. Takes about 70 bytes an undecided voxel and
/// nothing for the others, which is why it is no general graph of a library. Returns the cost of the cut beyond that of
/// each voxel taking what is cheaper for it.
std::int64_t cutUndecided(image::LabelVolume& trimap, const CutCosts& costs);

}  // namespace osteo::segment
