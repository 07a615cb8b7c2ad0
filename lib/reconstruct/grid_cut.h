#pragma once
#include <cstdint>
#include <vector>

#include "image/volume.h"

namespace osteo::reconstruct {

/// The smallest cut through a solid, counted in voxel faces, that parts one set of its voxels from another.
struct GridCut {
  std::vector<std::int64_t> voxels;  ///< of the source's side
  std::int64_t faces = 0;
};

enum class Role : char { Outside, Inside, Source, Sink };

/// By maximum flow (Dinic 1970) over the faces of neighbouring voxels; `role` has one entry for each voxel of the grid.
/// The source's side is the smallest of all smallest cuts'.
GridCut cutBetween(const std::vector<Role>& role, const Eigen::Vector3i& size);

}  // namespace osteo::reconstruct
