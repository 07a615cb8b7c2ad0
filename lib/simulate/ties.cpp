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
  for (const auto& run : model.node_runs) {
    const bool is_inside = run.j < size[1] && run.k < size[2];
    for (int x = 0; x < run.count; ++x) {
      if (is_inside && run.i + x < size[0]) continue;
      const auto first = original(run.i + x, run.j, run.k);
      if (first != run.node + x) ties.copies.emplace_back(run.node + x, first);
    }
  }
  return ties;
}

}  // namespace osteo::simulate
