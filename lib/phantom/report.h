#pragma once
#include <nlohmann/json_fwd.hpp>

#include "phantom/anatomy.h"
#include "phantom/resect.h"

namespace osteo::phantom {

/// The record of an anatomy: exact volumes and areas of its bodies with their errors, where it lies, and its defect
/// when it has one.
nlohmann::json describe(const Anatomy& anatomy, bool has_defect);

/// The record of a piece that was cut out.
nlohmann::json describe(const Resected& resected);

}  // namespace osteo::phantom
