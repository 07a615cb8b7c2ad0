#pragma once
#include <map>
#include <string>

#include "image/volume.h"
#include "levelset/level_set.h"

namespace osteo::design_scaffold {

/// The values that a segmentation holds beside the background, with their names ("" where a value has none).
std::map<int, std::string> labelsIn(const image::Segmentation& segmentation);

/// The value of a label by its name or number; the only one for "". Throws DataError that lists those there are.
int labelNamed(const image::Segmentation& segmentation, const std::string& name);

/// A label as a level set: its surface is where the label, blurred by 0.6 voxels against steps, passes one half.
levelset::LevelSet solidOfLabel(const image::Segmentation& segmentation, int value, double voxel_mm);

}  // namespace osteo::design_scaffold
