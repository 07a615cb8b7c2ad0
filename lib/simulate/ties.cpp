#include "simulate/ties.h"

namespace osteo::simulate {

Ties periodicTies(const VoxelModel& model) {
  Ties ties;
  const auto& size = model.frame.size;
  const auto original = [&](int i, int j, int k) {
    // Of the copies that exist, the first in order of numbers.
    for (int z = k % size[2]; z <= size[2]; z += size[2])
      for (int y = j % size[1]; y <= size[1]; y += size[1])
        for (int x = i % size[0]; x <= size[0]; x += size[0]) {
          const auto n = model.nodeAt(x, y, z);
          if (n >= 0) return n;
        }
    return std::int64_t{-1};
  };
  forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
    if (i < size[0] && j < size[1] && k < size[2]) return;
    const auto first = original(i, j, k);
    if (first != n) ties.copies.emplace_back(n, first);
  });
  return ties;
}

}  // namespace osteo::simulate
