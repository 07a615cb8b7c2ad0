#pragma once
#include <nlohmann/json_fwd.hpp>

#include "design_scaffold/design.h"
#include "design_scaffold/stiffness.h"

namespace osteo::design_scaffold {

/// How much is measured beside shape and fit.
enum class Measured { Shape, Pores, All };
/// shape, pores or all.
Measured measuredNamed(const std::string& name);

/// What may lie in the pores when they are to be emptied, and what can be printed; mm.
struct Process {
  double powder_mm = 0.15;            ///< channels narrower than this keep powder or resin
  double smallest_feature_mm = 0.15;  ///< walls thinner than this aren't printed
};

/// Measures the finished piece and writes the numbers to `results`: walls and pores (thickness.h), powder that can't
/// leave, the smallest feature; and for All on a representative cube (cube.h): throat, tortuosity, permeability,
/// stiffness, fabric, and the table of verdicts (verdicts.h). `wall_mm` of the level set's metadata becomes what was
/// measured.
void measure(Design& made, Measured measured, const SolidPhase& solid, const Process& process, nlohmann::json& results);

}  // namespace osteo::design_scaffold
