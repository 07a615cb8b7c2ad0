#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "design_scaffold/goal.h"
#include "design_scaffold/homogenised_law.h"
#include "design_scaffold/stiffness.h"
#include "design_scaffold/wall_stress.h"

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

/// What a case of a design is known by.
struct Answered {
  std::vector<simulate::Vector6d> strain;  ///< of the elements
  double work_n_mm = 0, furthest_mm = 0;
};
/// Numbers of a design by its answers, one for each case.
nlohmann::json numbersOf(const DensityModel& model, const std::vector<double>& density,
                         const std::vector<Answered>& answers, const Yardstick& by);
/// Numbers of a design that was solved last, with units in their names: peaks, safety, stiffness, strains, flow, mass.
nlohmann::json numbersOf(const DensityModel& model, const std::vector<double>& density, const Yardstick& by);

/// Von Mises stress in the walls or members of an element under its strain, MPa: the 98th percentile of a lattice's.
double wallStress_mpa(const Yardstick& by, double density, const simulate::Vector6d& strain);

/// Whether enough of an element lies in the body for its stress to tell anything.
bool countsForPeak(const Shares& shares, std::size_t e);
/// What makes an element's stress of its strain: that of the skin where it is mostly skin, else that of walls or
/// members.
StressForm stressForm(const Yardstick& by, const Shares& shares, std::size_t e, double density);
/// 98th percentile over the solid of the stress in case c, of the last solve.
double peakStress_mpa(const DensityModel& model, const std::vector<double>& density, std::size_t c,
                      const Yardstick& by);
/// Stiffness in case c against that of bone in the same place.
double stiffnessRatio(const DensityModel& model, const Yardstick& by, std::size_t c);

/// Of each element, the case that stresses it most, and the strain there.
struct WorstStrain {
  double stress_mpa = 0;
  simulate::Vector6d strain = simulate::Vector6d::Zero();
};
std::vector<WorstStrain> worstStrains(const DensityModel& model, const std::vector<double>& density,
                                      const Yardstick& by);

}  // namespace osteo::design_scaffold
