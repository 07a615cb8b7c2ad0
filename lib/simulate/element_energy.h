#pragma once
#include <array>
#include <vector>

#include "simulate/solver.h"

namespace osteo::simulate {

/// uᵀ K_e u of each element for the unit stiffnesses c11, c12 and c44 of a cubic material, N mm per MPa: what its
/// strain energy is made of, and minus the derivative of the compliance by these entries. Exactly integrated, as the
/// kernel does.
std::vector<std::array<double, 3>> cubicEnergies(const Operator& K, const Field& u);

/// Sets the stiffness of all elements of a model anew: factors of one tensor, or the entries c11, c12, c44 (MPa) of
/// each. Solvers built before don't hold any longer. Throws Software for a wrong number of elements.
void setStiffness(VoxelModel& model, const Elastic& base, const std::vector<double>& factor);
void setStiffness(VoxelModel& model, const std::vector<std::array<double, 3>>& entries);

}  // namespace osteo::simulate
