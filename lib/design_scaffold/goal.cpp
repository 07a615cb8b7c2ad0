#include "design_scaffold/goal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/schema.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;

/// What a goal is about and how more solid moves its number: 1 up, −1 down, 0 either way.
struct GoalKind {
  const char* name;
  int rises;
  bool of_lattice = true, of_solid = true;
};
constexpr GoalKind kKinds[] = {{"porosity", -1},
                               {"safety_factor", 1},
                               {"peak_p98_von_mises_mpa", -1},
                               {"stiffness_ratio", 1},
                               {"max_displacement_mm", -1},
                               {"permeability_m2", -1, true, false},
                               {"surface_area_mm2", 0, true, false},
                               {"mass_g", 1},
                               {"wall_mm", 1, true, false},
                               {"pore_mm", -1, true, false},
                               {"pore_window_mm", -1, true, false},
                               {"minimum_feature_mm", 0, false, true}};

[[noreturn]] void refuse(const Goal& goal, const std::string& what, const std::string& expected) {
  throw core::Error(core::Exit::Config, {.what = what, .file = goal.file, .expected = expected});
}

void readBounds(const json& goals, Goal& goal) {
  for (const GoalKind& kind : kKinds) {
    if (!goals.contains(kind.name)) continue;
    Bounds bounds;
    const json& j = goals[kind.name];
    if (j.contains("min")) bounds.min = j["min"].get<double>();
    if (j.contains("max")) bounds.max = j["max"].get<double>();
    if (bounds.min && bounds.max && *bounds.min > *bounds.max)
      refuse(goal, fmt::format("the bounds of {} leave nothing between them", kind.name),
             fmt::format("min up to max; got {:g} and {:g}", *bounds.min, *bounds.max));
    if (goal.is_solid ? !kind.of_solid : !kind.of_lattice)
      refuse(goal, fmt::format("{} is no goal for a {}", kind.name, goal.is_solid ? "solid" : "lattice"),
             goal.is_solid ? "\"result\": \"lattice\", or minimum_feature_mm and overhang"
                           : "\"result\": \"solid\", or wall_mm and pore_mm");
    goal.bounds[kind.name] = bounds;
  }
}

void readPrinting(const json& goals, Goal& goal) {
  if (goals.contains("strain_window")) {
    const json& j = goals["strain_window"];
    goal.strain = StrainWindow{j["min_microstrain"], j["max_microstrain"], j["min_share"]};
    if (goal.strain->min_microstrain >= goal.strain->max_microstrain)
      refuse(goal, "the strain window is empty", "min_microstrain below max_microstrain");
    if (goal.is_solid) refuse(goal, "strain_window is no goal for a solid", "\"result\": \"lattice\"");
  }
  if (!goals.contains("overhang")) return;
  if (!goal.is_solid) refuse(goal, "overhang is no goal for a lattice", "\"result\": \"solid\"");
  const std::string direction = goals["overhang"]["build_direction"];
  goal.build = BuildDirection{direction[0] - 'x', direction[1] == '+'};
  goal.overhanging_share = goals["overhang"].value("max_share", goal.overhanging_share);
}

constexpr double kSteering = 0.005;  // of porosity

/// A verdict whose number stands beside its bounds.
GoalVerdict verdictOf(const std::string& name, const Bounds& wanted, double got, int rises) {
  // The volume of a design is steered, and ends a little beside what it was steered to.
  const double slack = name == "porosity" ? kSteering : 0;
  const Bounds widened{wanted.min ? std::optional(*wanted.min - slack) : wanted.min,
                       wanted.max ? std::optional(*wanted.max + slack) : wanted.max};
  GoalVerdict verdict{name, wanted, got, widened.holds(got)};
  if (verdict.met) return verdict;
  const bool is_low = wanted.min && got < *wanted.min;
  const double bound = is_low ? *wanted.min : *wanted.max;
  verdict.missing = bound > 0 ? std::abs(got / bound - 1) : std::abs(got);
  verdict.more = is_low ? rises : -rises;
  return verdict;
}

}  // namespace

Bounds Goal::of(const std::string& name) const {
  const auto found = bounds.find(name);
  return found == bounds.end() ? Bounds{} : found->second;
}

Goal readGoal(const std::string& path) {
  constexpr std::size_t kLargest = std::size_t{1} << 24;
  const std::string schema_path = core::configsFolder() + "/schema/goal.json";
  const json schema = core::parseJson(core::readFile(schema_path), schema_path, core::Exit::Config);
  const json in = core::parseJson(core::readFile(path, kLargest), path, core::Exit::Config, true);
  core::validateJson(schema, in, path, core::Exit::Config);
  Goal goal;
  goal.file = path;
  goal.is_solid = in.value("result", "lattice") == "solid";
  if (in.contains("bone_modulus_mpa")) goal.bone_modulus_mpa = in["bone_modulus_mpa"].get<double>();
  goal.bone_poisson = in.value("bone_poisson", 0.3);
  if (in.contains("case_weights"))
    for (const auto& [name, weight] : in["case_weights"].items()) goal.case_weights[name] = weight;
  readBounds(in["goals"], goal);
  readPrinting(in["goals"], goal);
  if (goal.bounds.contains("stiffness_ratio") && !goal.bone_modulus_mpa)
    refuse(goal, "a stiffness_ratio needs the bone that it is of", "bone_modulus_mpa");
  const json search = in.value("search", json::object());
  goal.designs = search.value("designs", 9);
  goal.steps = search.value("steps", goal.is_solid ? 60 : 15);
  goal.element_mm = search.value("element_mm", 0.0);
  goal.filter_mm = search.value("filter_mm", 0.0);
  goal.accept_best = search.value("accept_best", false);
  goal.by_asymptotes = search.value("optimiser", "oc") == "mma";
  goal.by_proposals = search.value("proposals", "none") == "surrogate";
  if (goal.by_proposals && goal.is_solid)
    refuse(goal, "the surrogate knows lattices alone", "\"result\": \"lattice\", or \"proposals\": \"none\"");
  return goal;
}

std::vector<GoalVerdict> judge(const Goal& goal, const json& numbers) {
  std::vector<GoalVerdict> out;
  for (const GoalKind& kind : kKinds) {
    const auto wanted = goal.bounds.find(kind.name);
    if (wanted == goal.bounds.end() || !numbers.contains(kind.name)) continue;
    // A ball in the pores and a wall are smallest somewhere and largest elsewhere.
    const std::string most = std::string("largest_") + kind.name;
    double got = numbers[kind.name];
    if (numbers.contains(most) && wanted->second.max && numbers[most].get<double>() > *wanted->second.max)
      got = numbers[most];
    out.push_back(verdictOf(kind.name, wanted->second, got, kind.rises));
  }
  if (goal.strain && numbers.contains("strain_window_share")) {
    const bool is_soft = numbers["share_above_strain_window"] > numbers["share_below_strain_window"];
    out.push_back(
        verdictOf("strain_window", {goal.strain->min_share, {}}, numbers["strain_window_share"], is_soft ? 1 : -1));
  }
  if (goal.build && numbers.contains("overhanging_share"))
    out.push_back(verdictOf("overhang", {{}, goal.overhanging_share}, numbers["overhanging_share"], 0));
  return out;
}

json describe(const std::vector<GoalVerdict>& verdicts) {
  json out = json::object();
  for (const GoalVerdict& v : verdicts) {
    json& j = out[v.goal];
    if (v.wanted.min) j["wanted_min"] = *v.wanted.min;
    if (v.wanted.max) j["wanted_max"] = *v.wanted.max;
    j["got"] = v.got;
    j["met"] = v.met;
    if (!v.met) j["missing_percent"] = 100 * v.missing;
  }
  return out;
}

std::string inWords(const GoalVerdict& v) {
  std::string wanted = v.wanted.min ? fmt::format("at least {:.4g}", *v.wanted.min) : "";
  if (v.wanted.max) wanted += fmt::format("{}at most {:.4g}", wanted.empty() ? "" : ", ", *v.wanted.max);
  return fmt::format("{}: {} wanted, {:.4g} got ({:.2g} % off)", v.goal, wanted, v.got, 100 * v.missing);
}

}  // namespace osteo::design_scaffold
