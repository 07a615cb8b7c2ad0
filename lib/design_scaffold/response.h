#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "design_scaffold/goal.h"
#include "design_scaffold/homogenised_law.h"
#include "design_scaffold/stiffness.h"

namespace osteo::design_scaffold {

/// What the numbers of a design are made with.
struct Yardstick {
  const Goal& goal;
  const HomogenisedLaw* law = nullptr;  ///< null: solid members
  SolidPhase solid;
  double density_g_cm3 = 0;  ///< 0: unknown
  double cell_mm = 0;
  std::vector<std::string> cases;            ///< names
  std::vector<double> bone_works_n_mm = {};  ///< of the cases, with bone in the body's place; may be empty
};

/// Numbers of a design that was solved last, with units in their names: peaks, safety, stiffness, strains, flow, mass.
nlohmann::json numbersOf(const DensityModel& model, const std::vector<double>& density, const Yardstick& by);

/// Von Mises stress in the walls or members of an element under its strain, MPa: the 98th percentile of a lattice's.
double wallStress_mpa(const Yardstick& by, double density, const simulate::Vector6d& strain);

/// Of each element, the case that stresses it most, and the strain there.
struct WorstStrain {
  double stress_mpa = 0;
  simulate::Vector6d strain = simulate::Vector6d::Zero();
};
std::vector<WorstStrain> worstStrains(const DensityModel& model, const std::vector<double>& density,
                                      const Yardstick& by);

}  // namespace osteo::design_scaffold
