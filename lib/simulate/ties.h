#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "simulate/voxel_model.h"

namespace osteo::simulate {

/// Nodes that are one and the same: the copies of a periodic cell's nodes on its far sides. Vectors of displacements
/// hold the same values at both; of forces, the sum at the first and 0 at the copy.
struct Ties {
  std::vector<std::pair<std::int64_t, std::int64_t>> copies;  ///< copy, original; rising copies

  bool empty() const { return copies.empty(); }
  template <class T>
  void fold(std::vector<T>& forces, std::int64_t stride, int components = 3) const {
    for (const auto& [copy, original] : copies)
      for (int c = 0; c < components; ++c) {
        forces[c * stride + original] += forces[c * stride + copy];
        forces[c * stride + copy] = 0;
      }
  }
  template <class T>
  void spread(std::vector<T>& displacements, std::int64_t stride) const {
    for (const auto& [copy, original] : copies)
      for (int c = 0; c < 3; ++c) displacements[c * stride + copy] = displacements[c * stride + original];
  }
};

/// The ties of a model whose grid repeats along all three axes.
Ties periodicTies(const VoxelModel& model);

}  // namespace osteo::simulate
