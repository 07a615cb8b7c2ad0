#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "design_scaffold/topology.h"

namespace osteo::design_scaffold {

/// Bounds of a number, in the unit of its name.
struct Bounds {
  std::optional<double> min, max;
  bool holds(double value) const { return (!min || value >= *min) && (!max || value <= *max); }
};

struct StrainWindow {
  double min_microstrain = 0, max_microstrain = 0, min_share = 0;
};

/// What an implant is optimised for (configs/schema/goal.json).
struct Goal {
  bool is_solid = false;  ///< solid members instead of a graded lattice
  std::optional<double> bone_modulus_mpa = {};
  double bone_poisson = 0.3;
  std::map<std::string, double> case_weights;
  std::map<std::string, Bounds> bounds;  ///< by the names of the schema
  std::optional<StrainWindow> strain = {};
  std::optional<BuildDirection> build = {};
  double overhanging_share = 0.02;
  int designs = 9, steps = 15;
  double element_mm = 0, filter_mm = 0;  ///< 0: chosen
  bool accept_best = false;
  bool by_asymptotes = false;  ///< stress and stiffness are bounds of each design, not of the search alone
  bool by_proposals = false;   ///< a network proposes volume fractions first
  std::string file;

  Bounds of(const std::string& name) const;
};

/// Throws NoInput; Config for a document that doesn't fit its schema, bounds the wrong way round, goals of a lattice
/// for solid members or the other way round, and a stiffness ratio without a bone.
Goal readGoal(const std::string& path);

/// How a design stands to one goal.
struct GoalVerdict {
  std::string goal;
  Bounds wanted;
  double got = 0;
  bool met = false;
  double missing = 0;  ///< relative, how far beyond its bound
  int more = 0;        ///< 1: more solid helps, −1: less does, 0: unknown
};

/// The numbers of a design against all goals; numbers that it doesn't have are left out.
std::vector<GoalVerdict> judge(const Goal& goal, const nlohmann::json& numbers);

/// {goal: {wanted_min, wanted_max, got, met, missing_percent}}.
nlohmann::json describe(const std::vector<GoalVerdict>& verdicts);
/// "safety_factor: at least 2 wanted, 1.31 got (34 % short)".
std::string inWords(const GoalVerdict& verdict);

}  // namespace osteo::design_scaffold
