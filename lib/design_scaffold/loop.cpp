#include "design_scaffold/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"
#include "design_scaffold/density_field.h"
#include "design_scaffold/design_limits.h"
#include "design_scaffold/grade.h"
#include "design_scaffold/implant_grid.h"
#include "design_scaffold/loop_checkpoint.h"
#include "design_scaffold/proposals.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;

constexpr double kSettled = 0.01;  // change of a variable below which a design is done
constexpr int kLeastSteps = 5;
constexpr double kCareful = 0.1;        // step of a projected design by moving asymptotes
constexpr double kMargin = 0.25;        // of the eroded and dilated design's thresholds
constexpr double kUsualElements = 1.8;  // radius of the filter
constexpr double kUsualCells = 1.5;     // of a lattice: what changes faster within a cell is not what the law says
// Volume fractions of a lattice that is asked for nothing else, and of solid members.
constexpr double kThinnest = 0.1, kDensest = 0.8;
constexpr double kUsualLow = 0.15, kUsualHigh = 0.6, kSolidLow = 0.1;
constexpr double kTolerance = 1e-4;  // of the estimated error of the energy: of compliance and stiffness

simulate::SolveOptions solveOptions() {
  simulate::SolveOptions options;
  options.tolerance = kTolerance;
  options.stop = simulate::StopBy::Energy;
  return options;
}

/// Densities that an element may have, and volume fractions that the whole may have.
struct Range {
  double low, high, least, most;
};

[[noreturn]] void impossible(const Goal& goal, const std::string& what, const std::string& expected,
                             const std::string& got) {
  throw core::Error(core::Exit::Config, {.what = what, .file = goal.file, .expected = expected, .got = got});
}

/// The ends of the law's range between which walls, pores and windows are as wanted.
Range rangeOf(const Goal& goal, const HomogenisedLaw* law, double cell_mm) {
  Range range = {0, 1, kSolidLow, kUsualHigh};
  const Bounds porosity = goal.of("porosity");
  if (law) {
    const Bounds wall = goal.of("wall_mm"), pore = goal.of("pore_mm"), window = goal.of("pore_window_mm");
    constexpr int kSteps = 400;
    double low = 2, high = -1;
    for (int n = 0; n <= kSteps; ++n) {
      const double fraction = law->low() + n * (law->high() - law->low()) / kSteps;
      const LatticePoint p = law->at(fraction);
      if (!wall.holds(p.wall * cell_mm) || !pore.holds(p.pore * cell_mm) || !window.holds(p.window * cell_mm)) continue;
      low = std::min(low, fraction), high = std::max(high, fraction);
    }
    if (low > high) {
      const LatticePoint thin = law->at(law->low()), thick = law->at(law->high());
      impossible(
          goal, "no volume fraction of this lattice has the wanted walls and pores", "another cell, or other bounds",
          fmt::format("cells of {:g} mm with walls of {:.3g} to {:.3g} mm, pores of {:.3g} to {:.3g} mm and windows "
                      "of {:.3g} to {:.3g} mm",
                      cell_mm, thin.wall * cell_mm, thick.wall * cell_mm, thick.pore * cell_mm, thin.pore * cell_mm,
                      thick.window * cell_mm, thin.window * cell_mm));
    }
    range = {low, high, std::max(low, kUsualLow), std::min(high, kUsualHigh)};
    if (range.least > range.most) range.least = low, range.most = high;
  }
  const Range before = range;
  if (porosity.max) range.least = std::max(range.low, 1 - *porosity.max);
  if (porosity.min) range.most = std::min(range.high, 1 - *porosity.min);
  if (!porosity.min && porosity.max) range.most = std::max(range.most, range.least);
  if (!porosity.max && porosity.min) range.least = std::min(range.least, range.most);
  if (range.least > range.most + 1e-9)
    impossible(goal, "the wanted porosity and the wanted walls and pores contradict each other",
               fmt::format("a porosity of {:.3g} to {:.3g}, as walls and pores allow", 1 - before.high, 1 - before.low),
               fmt::format("{:.3g} to {:.3g}", porosity.min.value_or(0), porosity.max.value_or(1)));
  return range;
}

/// A bound that can hardly be kept is kept by members thinner than the filter: the eroded design falls apart.
void warnOfThinMembers(const json& numbers) {
  constexpr double kApart = 10;  // times as soft
  if (numbers.value("eroded_relative_compliance", 0.0) > kApart * numbers["relative_compliance"].get<double>())
    core::warn("made a little too thin, some members break: wider bounds or more solid would mend it");
}

/// One loop with all that its designs share.
class Loop {
 public:
  Loop(const LoopTask& task, json& results);
  LoopResult run();

 private:
  const LoopTask& task_;
  const Goal& goal_;
  json& results_;
  std::shared_ptr<const HomogenisedLaw> law_;
  Range range_ = {};
  ImplantGrid grid_;
  Yardstick yardstick_;
  std::unique_ptr<DensityModel> model_;
  DesignRules rules_;
  std::vector<Tried> tried_;
  std::unique_ptr<Proposals> proposals_;

  simulate::Elastic solid() const { return simulate::isotropic(task_.solid.modulus_mpa, task_.solid.poisson); }
  void prepare();
  json referenceNumbers(const simulate::Elastic& filled, bool is_bone);
  void requirePossible(const json& solid_numbers) const;
  DesignRules rulesOf() const;
  Tried design(double fraction);
  std::optional<double> next() const;
  std::string taskKey() const;
  void report(std::size_t best);
  void requireMet(const Tried& best) const;
  LoopResult resultOf(const Tried& best);
};

Loop::Loop(const LoopTask& task, json& results)
    : task_(task), goal_(task.goal), results_(results), yardstick_{task.goal, nullptr, task.solid} {
  if (goal_.by_proposals) proposals_ = std::make_unique<Proposals>(task.proposal_weights, goal_);
  if (!goal_.is_solid) requireRoomForCell(task.envelope, task.spec.cell_mm);
  grid_ = implantGrid(task.envelope, goal_.element_mm);
  yardstick_.density_g_cm3 = task.density_g_cm3;
  yardstick_.cell_mm = task.spec.cell_mm;
  for (const auto& c : task.cases) yardstick_.cases.push_back(c.name);
  prepare();
}

/// The body filled with one material throughout, as a measure of the designs.
json Loop::referenceNumbers(const simulate::Elastic& filled, bool is_bone) {
  Shares shares = grid_.shares;
  std::fill(shares.solid.begin(), shares.solid.end(), 1.0);
  DensityModel body(std::make_unique<simulate::VoxelModel>(*grid_.model), simpLaw(filled, 1, 0), shares,
                    placeCases(grid_, task_.cases, task_.host, goal_.case_weights), solveOptions());
  const std::vector<double> full(shares.body.size(), 1.0);
  body.solve(full);
  if (is_bone) yardstick_.bone_works_n_mm = body.works_n_mm();
  return numbersOf(body, full, yardstick_);
}

void Loop::prepare() {
  core::Progress progress("body of bone and of solid", 2);
  if (goal_.bone_modulus_mpa) referenceNumbers(simulate::isotropic(*goal_.bone_modulus_mpa, goal_.bone_poisson), true);
  progress.advance();
  const json of_solid = referenceNumbers(solid(), false);
  progress.advance();
  requirePossible(of_solid);
  if (!goal_.is_solid)
    law_ = std::make_shared<const HomogenisedLaw>(task_.spec, kThinnest, kDensest, task_.solid.poisson);
  yardstick_.law = law_.get();
  range_ = rangeOf(goal_, law_.get(), task_.spec.cell_mm);
  auto cases = placeCases(grid_, task_.cases, task_.host, goal_.case_weights);
  model_ = std::make_unique<DensityModel>(std::make_unique<simulate::VoxelModel>(*grid_.model),
                                          law_ ? densityLaw(*law_, solid()) : simpLaw(solid(), 3, 1e-6), grid_.shares,
                                          std::move(cases), solveOptions());
  // All cases count alike, whatever their loads: by what they would do to the solid body.
  for (std::size_t c = 0; c < yardstick_.cases.size(); ++c) {
    const double of_body = of_solid["cases"][yardstick_.cases[c]]["work_n_mm"];
    model_->weigh(c, model_->isMoved(c) ? of_body : 1 / of_body);
  }
  rules_ = rulesOf();
  json& j = results_["optimisation"];
  j["result"] = goal_.is_solid ? "solid" : "lattice";
  j["optimiser"] = goal_.by_asymptotes ? "mma" : "oc";
  j["elements"] = grid_.model->elements;
  j["element_mm"] = grid_.element_mm;
  j["filter_radius_mm"] = rules_.radius_elements * grid_.element_mm;
  j["density_range"] = {range_.low, range_.high};
  j["volume_fraction_range"] = {range_.least, range_.most};
  if (law_) j["homogenised_law"] = law_->describe();
  for (const char* name : {"stiffness_ratio", "safety_factor", "max_displacement_mm"})
    if (of_solid.contains(name)) j["solid_body"][name] = of_solid[name];
}

/// What the solid body itself fails, no design can reach.
void Loop::requirePossible(const json& solid_numbers) const {
  for (const GoalVerdict& v : judge(goal_, solid_numbers)) {
    const bool is_of_stiffness = v.goal == "stiffness_ratio" || v.goal == "max_displacement_mm" ||
                                 v.goal == "safety_factor" || v.goal == "peak_p98_von_mises_mpa";
    if (!v.met && v.more > 0 && is_of_stiffness)
      impossible(
          goal_, "even the solid body does not reach " + v.goal,
          v.wanted.min ? fmt::format("at least {:.4g}", *v.wanted.min) : fmt::format("at most {:.4g}", *v.wanted.max),
          fmt::format("{:.4g} when all of it is solid {}", v.got, task_.solid.name));
  }
}

DesignRules Loop::rulesOf() const {
  DesignRules rules;
  rules.by_asymptotes = goal_.by_asymptotes;
  rules.low = range_.low, rules.high = range_.high;
  if (law_) {
    rules.radius_elements = std::max(kUsualElements, kUsualCells * task_.spec.cell_mm / grid_.element_mm);
    if (goal_.filter_mm > 0) rules.radius_elements = goal_.filter_mm / grid_.element_mm;
    return rules;
  }
  rules.is_projected = true;
  if (rules.by_asymptotes) rules.move = kCareful;
  rules.margin = kMargin;
  rules.overhang = goal_.build;
  rules.radius_elements = goal_.filter_mm > 0 ? goal_.filter_mm / grid_.element_mm : kUsualElements;
  if (const Bounds feature = goal_.of("minimum_feature_mm"); feature.min) {
    // With these thresholds the thinnest member is about as wide as the filter's radius.
    rules.radius_elements = std::max(*feature.min, goal_.filter_mm) / grid_.element_mm;
    if (rules.radius_elements < 1.5)
      impossible(goal_, "members as thin as the minimum feature need finer elements",
                 fmt::format("search.element_mm up to {:.3g}", *feature.min / 1.5),
                 fmt::format("{:.3g}", grid_.element_mm));
  }
  return rules;
}

Tried Loop::design(double fraction) {
  Topology topology(*model_, rules_, fraction);
  if (rules_.by_asymptotes) limitBy(goal_, yardstick_, topology);
  model_->forget();
  json steps = json::array();
  int iterations = 0;
  for (int s = 0; s < goal_.steps; ++s) {
    if (rules_.is_projected) topology.sharpen(sharpnessAt(s, goal_.steps));
    const Topology::Step step = topology.advance(fraction);
    iterations += step.solver_iterations;
    steps.push_back(step.compliance_n_mm);
    if (!rules_.is_projected && s + 1 >= kLeastSteps && step.change < kSettled) break;
  }
  topology.settle(fraction);
  Tried tried;
  tried.wanted_fraction = fraction;
  tried.density = topology.densities();
  if (rules_.is_projected) {
    model_->solve(topology.densities(Topology::Made::Eroded));
    std::vector<double> unused;
    const double eroded = model_->compliance(unused);
    tried.numbers["eroded_relative_compliance"] = eroded;
  }
  model_->solve(tried.density);
  std::vector<double> unused;
  const double compliance = model_->compliance(unused);
  tried.numbers.update(numbersOf(*model_, tried.density, yardstick_));
  if (goal_.build)
    tried.numbers["overhanging_share"] =
        overhangingShare(topology.grid(), tried.density, goal_.build->axis, goal_.build->up);
  tried.numbers["wanted_volume_fraction"] = fraction;
  tried.numbers["steps"] = steps.size();
  tried.numbers["step_relative_compliance"] = steps;
  tried.numbers["relative_compliance"] = compliance;
  tried.numbers["solver_iterations"] = iterations;
  return tried;
}

std::string Loop::taskKey() const {
  std::string key = core::readFile(goal_.file);
  const auto add = [&key](const auto& values) {
    key += core::sha256(values.data(), values.size() * sizeof(values[0]));
  };
  add(grid_.shares.body), add(grid_.shares.solid);
  for (const DesignCase& c : model_->cases()) key += keyOf(c);
  const LatticeSpec& s = task_.spec;
  key +=
      fmt::format("{} {} {:.17g} {:.17g} {} ", nameOf(s.type), static_cast<int>(s.kind), s.cell_mm, s.fillet, s.seed);
  for (int c = 0; c < 3; ++c) key += fmt::format("{:.17g} ", s.cone_deg[c]);
  key += fmt::format("{:.17g} {:.17g} {:.17g} {:.17g}", task_.solid.modulus_mpa, task_.solid.poisson,
                     task_.solid.yield_mpa, task_.density_g_cm3);
  if (proposals_) key += proposals_->key();
  return key;
}

void Loop::report(std::size_t best) {
  results_["history"] = json::array();
  for (std::size_t n = 0; n < tried_.size(); ++n) {
    json entry = tried_[n].numbers;
    entry["design"] = n + 1;
    entry["meets_all"] = tried_[n].meetsAll();
    for (const GoalVerdict& v : tried_[n].verdicts)
      if (!v.met) entry["unmet"].push_back(v.goal);
    results_["history"].push_back(entry);
  }
  results_["pareto_front"] = json::array();
  for (const std::size_t n : paretoFront(tried_)) {
    json entry = {{"design", n + 1}, {"meets_all", tried_[n].meetsAll()}};
    for (const char* name : {"stiffness_ratio", "permeability_m2", "surface_area_mm2", "mass_g", "volume_fraction"})
      if (tried_[n].numbers.contains(name)) entry[name] = tried_[n].numbers[name];
    results_["pareto_front"].push_back(entry);
  }
  results_["chosen_design"] = best + 1;
  if (proposals_) results_["surrogate"] = proposals_->describe(tried_);
  results_["goals_met"] = describe(tried_[best].verdicts);
}

/// One message for what can't be met.
void Loop::requireMet(const Tried& best) const {
  if (best.meetsAll()) return;
  std::vector<std::string> unmet;
  for (const GoalVerdict& v : best.verdicts)
    if (!v.met) unmet.push_back(inWords(v));
  const bool is_open = next().has_value();
  const std::string what = is_open
                               ? fmt::format("the loop did not settle within {} designs", tried_.size())
                               : fmt::format("no design between volume fractions of {:.3g} and {:.3g} meets all goals",
                                             range_.least, range_.most);
  const std::string words = fmt::format("{}", fmt::join(unmet, "; "));
  if (goal_.accept_best) {
    core::warn(what + "; the best is made all the same: " + words);
    return;
  }
  throw core::Error(core::Exit::DataError,
                    {.what = what,
                     .file = goal_.file,
                     .expected = "all goals met",
                     .got = words,
                     .hint = is_open ? "raise search.designs, or set search.accept_best"
                                     : "give up one of them, or set search.accept_best to have the best made"});
}

LoopResult Loop::resultOf(const Tried& best) {
  model_->forget();
  model_->solve(best.density);
  const image::CtVolume field = densityField(*grid_.model, best.density, grid_.shares);
  const ElementGrid elements(*grid_.model);
  std::vector<double> open(best.density.size());
  for (std::size_t e = 0; e < open.size(); ++e) open[e] = grid_.shares.open(e);
  std::vector<WorstStrain> worst = worstStrains(*model_, best.density, yardstick_);
  const auto infill = [&] {
    if (!law_)
      return Infill::ofShape(std::make_shared<const image::CtVolume>(field), rules_.radius_elements * grid_.element_mm);
    const auto [low, high] = std::minmax_element(field.voxels.begin(), field.voxels.end());
    LatticeSpec spec = task_.spec;
    spec.volume_fraction = best.numbers["volume_fraction"];
    if (*high - *low < 1e-3F) return Infill(Lattice(spec));
    Grading grading;
    grading.field = field;
    grading.low = static_cast<double>(*low), grading.high = static_cast<double>(*high);
    grading.volume_fraction = {{grading.low, grading.high}};
    return gradedInfill(spec, std::move(grading), task_.envelope.defect);
  }();
  return {infill, std::move(worst),        best.density,        std::move(open),   grid_.model->frame, elements.place,
          law_,   task_.solid.modulus_mpa, task_.solid.poisson, task_.spec.cell_mm};
}

/// What the network proposes, then the search without it.
std::optional<double> Loop::next() const {
  if (!proposals_) return nextFraction(tried_, range_.least, range_.most);
  if (const auto proposed = proposals_->next(tried_)) return proposed;
  std::vector<Tried> plain;
  for (const Tried& t : tried_) {
    if (isProposed(t) && t.meetsAll()) return std::nullopt;
    if (!isProposed(t)) plain.push_back(t);
  }
  return nextFraction(plain, range_.least, range_.most);
}

LoopResult Loop::run() {
  const LoopCheckpoint checkpoint(task_.checkpoint, taskKey());
  tried_ = checkpoint.read();
  for (Tried& t : tried_) t.verdicts = judge(goal_, t.numbers);
  if (proposals_) proposals_->foresee(*model_, rules_, yardstick_, {range_.least, range_.most});
  core::Progress progress("designs", goal_.designs);
  progress.set(static_cast<std::int64_t>(tried_.size()));
  while (tried_.size() < static_cast<std::size_t>(goal_.designs)) {
    const std::optional<double> fraction = next();
    if (!fraction) break;
    const bool is_proposed = proposals_ && proposals_->next(tried_).has_value();
    Tried made = design(*fraction);
    if (is_proposed) made.numbers["expected"] = proposals_->expected(*fraction);
    made.verdicts = judge(goal_, made.numbers);
    std::string unmet;
    for (const GoalVerdict& v : made.verdicts)
      if (!v.met) unmet += (unmet.empty() ? "" : "; ") + inWords(v);
    core::info(fmt::format("design {} with a volume fraction of {:.3f}: {}", tried_.size() + 1, *fraction,
                           unmet.empty() ? "meets all goals" : unmet));
    tried_.push_back(std::move(made));
    checkpoint.write(tried_);
    progress.advance();
  }
  const std::size_t best = bestOf(tried_);
  report(best);
  requireMet(tried_[best]);
  warnOfThinMembers(tried_[best].numbers);
  checkpoint.finish();
  return resultOf(tried_[best]);
}

}  // namespace

LoopResult optimise(const LoopTask& task, json& results) { return Loop(task, results).run(); }

}  // namespace osteo::design_scaffold
