#include "design_scaffold/seating.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "design_scaffold/contour.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

nlohmann::json listed(const Vector3d& v) { return {v.x(), v.y(), v.z()}; }

/// The wanted way in as a unit vector.
std::optional<Vector3d> wayWanted(const Seating& seating) {
  if (!seating.direction) return std::nullopt;
  if (seating.direction->norm() < 1e-9)
    throw core::Error(core::Exit::Usage, {.what = "--insertion-direction has no length", .expected = "such as 0,0,-1"});
  return seating.direction->normalized();
}

Path pathOf(const LevelSet& body, const LevelSet& host, const Fit& fit, const Seating& seating) {
  const double clearance = Clearance(fit.clearance_mm, fit.regions).least_mm();
  return {body, host, std::max(0.0, clearance), seating.keep_outs, wayWanted(seating)};
}

void report(const Insertion& insertion, nlohmann::json& results) {
  nlohmann::json& j = results["insertion"];
  j["direction"] = listed(insertion.direction);
  j["trimmed_mm3"] = insertion.blocked_mm3;
  j["trimmed_percent"] = 100 * insertion.blockedShare();
  j["free_cone_deg"] = insertion.cone_deg;
  for (const Vector3d& place : insertion.barred_at_mm) j["barred_at_mm"].push_back(listed(place));
}

}  // namespace

Vector3d outwardOf(const LevelSet& defect, const LevelSet& host, const std::optional<Insertion>& insertion) {
  if (insertion) return -insertion->direction;
  const auto centre = [](const LevelSet& level_set) -> Vector3d {
    Eigen::Vector3i min, max;
    level_set.activeBox(min, max);
    return 0.5 * level_set.voxel_mm() * (min + max).cast<double>();
  };
  const Vector3d away = centre(defect) - centre(host);
  return away.norm() > 1e-6 ? Vector3d(away.normalized()) : Vector3d::UnitZ();
}

FixationSpec usualFixation(const std::string& kind) {
  if (kind == "flanges") return {};
  FixationSpec spec{
      .kind = FixationSpec::Kind::Plate, .screws = 3, .thickness_mm = 4.5, .width_mm = 14, .screw_mm = 4.5};
  spec.head_mm = 8;
  spec.spacing_mm = 16;
  spec.edge_mm = 8;
  spec.least_bone_mm = 8;
  spec.longest_mm = 90;
  spec.bicortical = true;
  if (kind == "nail") spec.kind = FixationSpec::Kind::Nail, spec.width_mm = 10, spec.screws = 2;
  return spec;
}

const std::vector<std::pair<std::string, double FixationSpec::*>>& fixationLengths() {
  static const std::vector<std::pair<std::string, double FixationSpec::*>> lengths{
      {"plate-thickness-mm", &FixationSpec::thickness_mm},
      {"plate-width-mm", &FixationSpec::width_mm},
      {"screw-mm", &FixationSpec::screw_mm},
      {"head-mm", &FixationSpec::head_mm},
      {"screw-spacing-mm", &FixationSpec::spacing_mm},
      {"screw-edge-mm", &FixationSpec::edge_mm},
      {"screw-bone-mm", &FixationSpec::least_bone_mm},
      {"screw-longest-mm", &FixationSpec::longest_mm}};
  return lengths;
}

Surroundings Seated::around(const LevelSet* host) const {
  return {host, keep_outs, insertion && insertion->blocked_mm3 > 0 ? &insertion->barrier : nullptr,
          fixation ? &*fixation : nullptr, insertion ? std::optional<Vector3d>(-insertion->direction) : std::nullopt};
}

Seated seat(const LevelSet& defect, const LevelSet* host, const Fit& fit, const Seating& seating,
            nlohmann::json& results) {
  Seated seated;
  seated.defect = defect;
  seated.keep_outs = seating.keep_outs;
  for (const KeepOut& one : seating.keep_outs)
    image::requireSameFrame(one.shape.frameId(), "the keep-out " + one.name, defect.frameId(), "the defect");
  if (!host) return seated;
  const Vector3d outward = seating.insertion ? Vector3d(-freestWayIn(pathOf(defect, *host, fit, seating)))
                                             : outwardOf(defect, *host, std::nullopt);
  if (seating.flush) seated.defect = fittedTo(*host, defect, Clearance(fit.clearance_mm, fit.regions), outward);
  levelset::LevelSet body = seated.defect;
  if (seating.fixation) {
    const image::CtVolume* ct = seating.ct ? &*seating.ct : nullptr;
    seated.fixation =
        fixate({seated.defect, *host, seating.keep_outs, outward, fit.clearance_mm, ct}, *seating.fixation, results);
    seated.bridges = seating.fixation->kind != FixationSpec::Kind::Flanges;
    body = levelset::unite(body, seated.fixation->solid);
  }
  // Stumps are pushed onto a nail one after the other: there is no single way in.
  const bool nailed = seating.fixation && seating.fixation->kind == FixationSpec::Kind::Nail;
  if (seating.insertion && !nailed) {
    Path path = pathOf(body, *host, fit, seating);
    path.start = -outward;
    seated.insertion = findInsertion(path);
  }
  if (!seated.insertion) return seated;
  requireWayIn(*seated.insertion, seating.most_trimmed_percent);
  report(*seated.insertion, results);
  constexpr double kWorthSaying_percent = 1;
  if (100 * seated.insertion->blockedShare() > kWorthSaying_percent)
    core::warn(fmt::format("{:.1f} mm3 ({:.1f} %) of the implant were trimmed so that it can be pushed in",
                           seated.insertion->blocked_mm3, 100 * seated.insertion->blockedShare()));
  return seated;
}

void checkSeated(const Design& made, const LevelSet& host, const Seated& seated, nlohmann::json& results) {
  const Vector3d outward = outwardOf(made.envelope.defect, host, seated.insertion);
  if (seated.insertion)
    results["insertion"]["least_gap_mm"] = leastGapOnTheWay_mm(made.solid, host, seated.insertion->direction);
  if (const auto step = contourStep(made.envelope, outward)) {
    results["rim_step_p50_mm"] = step->p50_mm;
    results["rim_step_p95_mm"] = step->p95_mm;
  }
}

Plan planOf(const Design& made, const LevelSet* host, const Seated& seated, const ImplantFile& file) {
  Plan plan{made.solid.frameId(), core::baseName(file.final_path), core::sha256File(file.path)};
  if (seated.insertion) plan.insertion = seated.insertion->direction;
  plan.screws = seated.screws();
  const LevelSet& body = made.envelope.defect;
  const Vector3d outward = host ? outwardOf(body, *host, seated.insertion) : Vector3d::UnitZ();
  plan.landmarks = planLandmarks(body, host, outward, plan.screws);
  return plan;
}

}  // namespace osteo::design_scaffold
