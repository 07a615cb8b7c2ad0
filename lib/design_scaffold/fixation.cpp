#include "design_scaffold/fixation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/progress.h"
#include "design_scaffold/placing.h"
#include "design_scaffold/plate.h"

namespace osteo::design_scaffold {
namespace {

const char* nameOf(FixationSpec::Kind kind) {
  return kind == FixationSpec::Kind::Flanges ? "flanges" : kind == FixationSpec::Kind::Plate ? "plate" : "nail";
}

[[noreturn]] void contradict(const std::string& what, const std::string& expected, const std::string& hint) {
  throw core::Error(core::Exit::Config, {.what = what, .expected = expected, .hint = hint});
}

/// Wishes that can't be made whatever the bone is like.
void requirePossible(const FixationSpec& spec) {
  const double sunk = 0.5 * (spec.head_mm - spec.screw_mm);
  if (spec.screws < 1) contradict("an implant isn't held without screws", "at least 1", "raise --screws");
  if (spec.head_mm < spec.screw_mm)
    contradict("a screw's head is narrower than its thread", fmt::format("--head-mm of at least {:g}", spec.screw_mm),
               "raise --head-mm");
  if (spec.spacing_mm <= spec.screw_mm)
    contradict("screws overlap", fmt::format("--screw-spacing-mm above {:g}", spec.screw_mm), "raise it");
  if (spec.kind == FixationSpec::Kind::Nail) {
    if (spec.width_mm < 1.5 * spec.screw_mm)
      contradict("cross screws leave too little of the nail",
                 fmt::format("a nail of at least {:g} mm, 1.5 times the screw", 1.5 * spec.screw_mm),
                 "raise --plate-width-mm or lower --screw-mm");
    return;
  }
  if (sunk > spec.thickness_mm)
    contradict("the heads sink deeper than the plate is thick",
               fmt::format("a plate of at least {:g} mm, half of head less thread", sunk),
               "raise --plate-thickness-mm or lower --head-mm");
}

void nameScrews(std::vector<Screw>& screws) {
  for (std::size_t n = 0; n < screws.size(); ++n) {
    screws[n].name = fmt::format("screw_{}", n + 1);
    for (std::size_t m = 0; m < screws.size(); ++m)
      if (m != n)
        screws[n].nearest_screw_mm =
            std::min(screws[n].nearest_screw_mm.value_or(INFINITY), axisDistance_mm(screws[n], screws[m]));
  }
}

nlohmann::json list(const Eigen::Vector3d& v) { return {v.x(), v.y(), v.z()}; }

}  // namespace

nlohmann::json describe(const Screw& screw) {
  nlohmann::json out = {{"name", screw.name},
                        {"entry", list(screw.entry_mm)},
                        {"direction", list(screw.direction)},
                        {"tip_mm", list(screw.tip())},
                        {"length_mm", screw.length_mm},
                        {"standing_mm", screw.standing_mm},
                        {"diameter_mm", screw.diameter_mm},
                        {"bone_mm", screw.bone_mm},
                        {"cortices", screw.cortices},
                        {"edge_mm", screw.edge_mm}};
  if (screw.nearest_screw_mm) out["nearest_screw_mm"] = *screw.nearest_screw_mm;
  if (screw.mean_hu) out["mean_hu"] = *screw.mean_hu;
  return out;
}

Fixation fixate(const FixationSite& site, const FixationSpec& spec, nlohmann::json& results) {
  requirePossible(spec);
  core::Progress progress("fixation", 4);
  const ScrewTrials trials(site, spec);
  progress.advance();
  Placing placing = spec.kind == FixationSpec::Kind::Flanges ? placeFlanges(trials)
                    : spec.kind == FixationSpec::Kind::Plate ? placePlate(trials)
                                                             : placeNail(trials);
  nameScrews(placing.screws);
  progress.advance();
  Fixation made{makeCarrier(trials, placing), makeHoles(trials, placing), makeCollars(trials, placing),
                makeBed(trials, placing), placing.screws};
  progress.advance();
  nlohmann::json& report = results["fixation"];
  report["kind"] = nameOf(spec.kind);
  report["plate_volume_mm3"] = levelset::volume_mm3(levelset::subtract(made.solid, made.holes));
  report["screws"] = nlohmann::json::array();
  for (const Screw& screw : made.screws) report["screws"].push_back(describe(screw));
  report["places_tried"] = placing.tally.places;
  report["places_refused"] =
      placing.tally.refused.empty() ? nlohmann::json::object() : nlohmann::json(placing.tally.refused);
  if (spec.kind != FixationSpec::Kind::Flanges) report["turned_deg"] = placing.turned_deg;
  return made;
}

}  // namespace osteo::design_scaffold
