#pragma once
#include "simulate/conditions.h"

namespace osteo::simulate {

/// Whether a remote point is free to move along any component.
bool hasFreePoints(const Conditions& conditions);

/// Solves a case whose rigid regions may be free at their remote points: one solve with them at rest, one for each free
/// motion, and the sum of these whose forces and moments at the points are the given ones. All solves share the
/// solver's grids. The conditions take the displacements that the points end up with. Throws as Solver::solve.
SolveReport solveCase(const Operator& K, Solver& solver, Conditions& conditions, const SolveOptions& options, Field& u);

}  // namespace osteo::simulate
