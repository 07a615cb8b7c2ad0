#pragma once
#include <nlohmann/json_fwd.hpp>

#include "simulate/study.h"

namespace osteo::simulate {

/// A solved model.
struct Loaded {
  const VoxelModel& model;
  const ElementResults& results;
  const std::vector<Filler>& fillers;
};

/// Stress shielding: the change of strain energy density of bone between the intact and the implanted state under the
/// same load, where an element of bone is in both at one place (Huiskes, Weinans & van Rietbergen, Clin Orthop 274
/// (1992) 124-134: bone that loses more than its lazy zone allows is resorbed). `change` takes (with − intact)/intact
/// for each element of the implanted model, 0 where there is nothing to compare. Throws DataError when no bone is in
/// both.
nlohmann::json stressShielding(const Loaded& implanted, const Loaded& intact, std::vector<float>& change);

/// Solves a case of the implanted model on the intact one as well: its record goes to `before`, the field to the
/// solution.
nlohmann::json compareIntact(const Study& implanted, Study::Solved& solved, Study& intact, const LoadCase& load_case,
                             const SolveOptions& options, nlohmann::json& before);

}  // namespace osteo::simulate
