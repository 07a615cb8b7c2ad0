#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "slice_print/job.h"

namespace osteo::slice_print {

/// Name of a layer's mask in its folder.
std::string maskName(int layer);

/// job.json beside a stack of masks: process, pixels, what a grey means, the mask stacks with their materials, and for
/// each layer its upper face, height, masks and, of vat photopolymerisation, dose and time.
std::string manifestText(const Part& part, const Settings& settings, const Stack& stack,
                         const Eigen::Vector2i& size_px);

/// Seconds for the whole job of a process that prints masks: exposure, peeling and recoating, or passes of the print
/// head over the part's rectangle and recoating.
double maskTime_s(const Part& part, const Settings& settings, const Stack& stack);

/// Adds to a record what the process tells beyond geometry: exposure and print-through, binder, or drops.
void addMaskResults(nlohmann::json& results, const Part& part, const Settings& settings, const Totals& totals);

/// Volume, density and mass of each material, in the order of the bodies that first have it.
nlohmann::json materialShares(const Part& part, const Settings& settings, const Totals& totals);

}  // namespace osteo::slice_print
