#pragma once
#include <string>
#include <vector>

#include "simulate/voxel_model.h"

namespace osteo::simulate {

/// Throws DataError unless voxels are cubes along the LPS axes (in any order and direction).
void requireVdbFrame(const image::Frame& frame, const std::string& path);

/// See writeField in simulate/fields.h.
void writeVdbField(const VoxelModel& model, const std::vector<float>& values, const std::string& name,
                   const std::string& path);

}  // namespace osteo::simulate
