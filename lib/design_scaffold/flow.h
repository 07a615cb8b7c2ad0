#pragma once
#include <vector>

#include "design_scaffold/periodic_distance.h"

namespace osteo::design_scaffold {

struct Permeability {
  double k_m2 = 0;     ///< Darcy's, along one axis, of the whole cube (superficial velocity)
  int iterations = 0;  ///< of MINRES
  bool converged = false;
};

/// Slow flow through the pores of a periodic cube under a unit force along `axis`: Stokes' equations on a staggered
/// grid (Harlow & Welch, Phys Fluids 8, 1965), no slip where the distances cross zero, at sub-step distance (Gibou et
/// al., J Comput Phys 176, 2002), solved by MINRES with multigrid on the velocities and the identity on the pressure.
/// `distance_mm`: signed distances at the nodes, positive in pores; `step_mm` between nodes. The side has to be even.
/// Pores without a way through along the axis let nothing through.
Permeability permeability(const std::vector<float>& distance_mm, PeriodicNodes nodes, double step_mm, int axis);

/// Porosity · D0 / D along `axis`, by diffusion through the pores without flux into the walls (Laplace's equation on
/// the open share of each face); infinite where no pore leads through.
double tortuosity(const std::vector<float>& distance_mm, PeriodicNodes nodes, double step_mm, int axis);

}  // namespace osteo::design_scaffold
