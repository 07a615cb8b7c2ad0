#pragma once
#include <nlohmann/json_fwd.hpp>

#include "segment/segment.h"

namespace osteo::segment {

/// The record of a segmentation: grey scale, thresholds, volumes, parts and bones.
nlohmann::json describe(const Result& result);

/// The record of its defects (defects.h), an empty list without any.
nlohmann::json describeDefects(const Result& result, double critical_mm);

}  // namespace osteo::segment
