#pragma once
#include <openvdb/openvdb.h>

#include <string>

/// VDB files of any grids; for .cpp files only.
namespace osteo::levelset {

/// Once per process, before a grid is made.
void initializeVdb();

/// Writes grids in their order; the bytes depend on the content alone: the random UUID is replaced. Throws IoError.
void writeGrids(const openvdb::GridCPtrVec& grids, const std::string& path);

}  // namespace osteo::levelset
