#pragma once
#include <openvdb/openvdb.h>

#include "levelset/level_set.h"

namespace osteo::levelset {

/// The OpenVDB side of a LevelSet; for .cpp files only.
struct Grid {
  openvdb::FloatGrid::Ptr vdb;
};

inline LevelSet wrap(openvdb::FloatGrid::Ptr vdb) { return LevelSet(std::make_shared<Grid>(Grid{std::move(vdb)})); }

}  // namespace osteo::levelset
