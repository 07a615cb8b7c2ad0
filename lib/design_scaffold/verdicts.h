#pragma once
#include <nlohmann/json_fwd.hpp>

namespace osteo::design_scaffold {

/// The relations by which a porous implant is judged, as rows of numbers with the range that literature asks for, a
/// verdict (suits, too_low, too_high) and the reason: porosity with strength and growth, surface with degradation and
/// adhesion, modulus with deformation and the stimulus on the tissue. Reads the measures from `results`.
nlohmann::json verdicts(const nlohmann::json& results);

}  // namespace osteo::design_scaffold
