#pragma once
#include <openvdb/openvdb.h>

#include <optional>
#include <string>

#include "image/volume.h"

/// VDB files of any grids; for .cpp files only.
namespace osteo::levelset {

/// Once per process, before a grid is made.
void initializeVdb();

/// The one float field of a file, dense over its active voxels' box; inactive voxels there take the values of the
/// active ones around them. None when the file holds a level set. Throws DataError for several fields, values that
/// aren't finite, voxels that aren't cubes along LPS, or a box of more than 1e9 voxels.
std::optional<image::CtVolume> readVdbField(const std::string& path);

/// Writes grids in their order; the bytes depend on the content alone: the random UUID is replaced. Throws IoError.
void writeGrids(const openvdb::GridCPtrVec& grids, const std::string& path);

}  // namespace osteo::levelset
