#pragma once
#include <vector>

#include "design_scaffold/density_model.h"
#include "image/volume.h"

namespace osteo::design_scaffold {

/// Densities of a model's elements on the voxels of its frame. Those that the design decides little of, and voxels
/// beyond the body, take the mean of their neighbours, outwards from the others, so that the field can be sampled up to
/// the body's surface.
image::CtVolume densityField(const simulate::VoxelModel& model, const std::vector<double>& density,
                             const Shares& shares);

}  // namespace osteo::design_scaffold
