#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "image/volume.h"
#include "levelset/level_set.h"
#include "mesh/cap.h"

namespace osteo::reconstruct {

/// A bone that comes as a surface instead of labels.
struct Solid {
  levelset::LevelSet bone;
  image::Frame seen;  ///< around the bone and far beyond: nothing cuts it off
  mesh::Caps caps;    ///< of the mesh's openings, which were closed
};

/// Voxel of a mesh's level set unless one is asked for: a six-hundredth of its longest side, 0.1 to 1 mm.
double defaultVoxel_mm(const mesh::TriangleMesh& mesh);

/// Reads a mesh or a level set, which keeps its own voxel. A mesh may be open where a bone was cut through: openings
/// are closed flat. Throws DataError when it is a sheet instead, larger than a body, or when a voxel of `voxel_mm` (0:
/// the default) can't hold it.
Solid readSolid(const std::string& path, double voxel_mm);

/// Of what is made of it: level sets, their meshes and the completion's coarse grids.
double estimatedPeak_bytes(const Solid& solid);

/// The record of a bone that was read so.
nlohmann::json describe(const Solid& solid, const mesh::TriangleMesh& surface);

}  // namespace osteo::reconstruct
