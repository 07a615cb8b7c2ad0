#pragma once
#include <array>
#include <vector>

#include "design_scaffold/periodic_distance.h"

namespace osteo::design_scaffold {

/// Radii of the largest spheres that travel endlessly through the pores along x, y and z; 0 where none does.
/// `distance`: signed distances at the nodes, positive in pores, in any unit, which the radii are in. Nodes are joined
/// from the widest down until a piece meets its own periodic image (after Newman & Ziff, Phys Rev E 64, 2001).
std::array<double, 3> throatRadii(const std::vector<float>& distance, PeriodicNodes nodes);

}  // namespace osteo::design_scaffold
