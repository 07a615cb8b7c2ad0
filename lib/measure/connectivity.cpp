#include "measure/connectivity.h"

#include <vector>

#include "core/parallel.h"

namespace osteo::measure {
namespace {

using image::LabelVolume;

/// Whether any voxel of the mask has the cell at half-voxel place (i, j, k): even places lie between voxels, odd ones
/// in them.
bool touches(const LabelVolume& mask, int i, int j, int k) {
  for (int z = (k - 1) / 2 - (k == 0); z <= k / 2; ++z)
    for (int y = (j - 1) / 2 - (j == 0); y <= j / 2; ++y)
      for (int x = (i - 1) / 2 - (i == 0); x <= i / 2; ++x)
        if (mask.contains(x, y, z) && mask.at(x, y, z) != 0) return true;
  return false;
}

}  // namespace

Euler eulerCharacteristic(const LabelVolume& mask) {
  const Eigen::Vector3i last = 2 * mask.frame.size;
  std::vector<Euler> slices(static_cast<std::size_t>(last[2]) + 1);
  core::parallelFor(last[2] + 1, [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    Euler& sum = slices[static_cast<std::size_t>(slice)];
    for (int j = 0; j <= last[1]; ++j)
      for (int i = 0; i <= last[0]; ++i) {
        if (!touches(mask, i, j, k)) continue;
        const int dimension = (i & 1) + (j & 1) + (k & 1);
        const double sign = dimension % 2 == 0 ? 1 : -1;
        const int borders = (i == 0 || i == last[0]) + (j == 0 || j == last[1]) + (k == 0 || k == last[2]);
        sum.open += sign;
        sum.contributed += sign / (1 << borders);
      }
  });
  Euler euler;
  for (const Euler& one : slices) euler.open += one.open, euler.contributed += one.contributed;
  return euler;
}

}  // namespace osteo::measure
