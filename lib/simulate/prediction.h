#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "simulate/regions.h"
#include "simulate/solver.h"
#include "simulate/standard_test.h"

namespace osteo::simulate {

/// A load case on a model; the scene's fillers are those of the model.
struct CaseOnModel {
  const Scene& scene;
  const Operator& K;
  const LoadCase& load_case;
};

/// What the full solve of a case would give, from solves on elements of 4³ and 8³ voxels; `record` takes it, as
/// "test" what a standard test is asked for. Returns the expected relative error of the external work W, and so of the
/// reaction or the stiffness of a single moved end.
///
/// W is extrapolated as ln W = ln W₄ + (ln W₄ − ln W₈)/3: Richardson's step for an error that grows with the square of
/// the element. E = E_solid f² on the 4³ grid and f^2.5 on the 8³ grid, f the filled share (simulate/coarse.h). The
/// expected error grows with how far both grids, and the laws f¹ and f² on one grid, lie apart, and with how much more
/// solid a coarse grid holds at the ends. Exponents and weights were fitted to the calibration cases of
/// scripts/bench/simulate_coarse, which also judges them on cases outside the fit.
///
/// The record's bounds are rigorous: displacements of the coarse grid with f¹, carried to the full model and put on
/// what its constraints prescribe, have at least the potential energy of the full solve. So their energy bounds the
/// work from above where displacements drive the case, and from below where loads do; there is none where both
/// do or a remote point takes part. Nothing else of the record is a bound.
/// Throws DataError where a constraint holds no node of a coarse grid.
double predict(const CaseOnModel& problem, const SolveOptions& options, const std::optional<StandardTest>& test,
               nlohmann::json& record);

}  // namespace osteo::simulate
