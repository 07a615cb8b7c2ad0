#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "design_scaffold/design.h"
#include "design_scaffold/goal.h"
#include "design_scaffold/response.h"
#include "design_scaffold/search.h"
#include "simulate/loads.h"

namespace osteo::design_scaffold {

/// What a loop starts from.
struct LoopTask {
  const Goal& goal;
  std::vector<simulate::LoadCase> cases;
  const Envelope& envelope;
  const levelset::LevelSet* host = nullptr;
  LatticeSpec spec;  ///< of the lattice that is graded
  SolidPhase solid;
  double density_g_cm3 = 0;
  std::string checkpoint = {};        ///< file for the designs of an unfinished loop; may be empty
  std::string proposal_weights = {};  ///< folder of `train response`, where the goal asks for proposals
};

/// What came of it: the infill that the implant is made with, and the state of its design for later checks.
struct LoopResult {
  Infill infill;
  std::vector<WorstStrain> worst;                  ///< of the elements
  std::vector<double> density;                     ///< of the elements
  std::vector<double> open;                        ///< share of each that the design decides on
  image::Frame frame;                              ///< of the elements' voxels
  std::vector<Eigen::Vector3i> place;              ///< of the elements
  std::shared_ptr<const HomogenisedLaw> law = {};  ///< null: solid members
  double modulus_mpa = 0, poisson = 0.3, cell_mm = 0;
};

/// Designs, simulates and changes the volume fraction until all goals hold: each design is the stiffest of its volume
/// (topology.h), its numbers are solved for (response.h), and search.h says which volume comes next. `results` takes
/// history, goals_met, pareto_front and what was computed with. Throws Config for goals that nothing could meet
/// (stiffer than the solid body, porosity against walls), DataError for goals that contradict each other, or which the
/// allowed number of designs didn't reach, unless the best is accepted.
LoopResult optimise(const LoopTask& task, nlohmann::json& results);

}  // namespace osteo::design_scaffold
