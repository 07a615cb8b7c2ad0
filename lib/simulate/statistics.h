#pragma once
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "simulate/results.h"

namespace osteo::simulate {

/// Whether an element enters percentiles and peaks: boundary elements do from half full on.
bool counts(const VoxelModel& model, const std::vector<Filler>& fillers, std::int64_t element);

/// For each material the largest mean over a ball around an element, of the elements of the same material that count;
/// an element lies in the ball when its centre does. 0 where none counts.
std::vector<double> smoothedPeaks(const VoxelModel& model, const std::vector<Filler>& fillers,
                                  const std::vector<float>& values, double radius_mm);
/// Throws Usage for a radius above 10 elements, which would take longer than the solver.
void requireRadius(const VoxelModel& model, double radius_mm);
/// The radius that is taken when none is given: 1.5 times the longest edge of the elements.
double standardRadius_mm(const VoxelModel& model);

/// Volume, percentiles, peaks and mean strain energy density over all materials, with "materials": the same for each,
/// and its safety by its own criteria.
nlohmann::json statistics(const VoxelModel& model, const ElementResults& results, const std::vector<Filler>& fillers,
                          const Evaluation& evaluation);

}  // namespace osteo::simulate
