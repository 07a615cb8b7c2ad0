#include "design_scaffold/inverse.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/schema.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;
using simulate::Matrix6d;

constexpr double kGoodEnough = 0.01;  // below it, other meshes to extrapolate from move the tensor more
constexpr int kPolished = 8;          // proposals

/// The solver's word on a cell, free of what its elements add.
void solve(Attempt& attempt, const Inverted& inverted, const CellTarget& target, int elements) {
  attempt.delivered = meshFreeStiffness(attempt.cell.spec, attempt.cell.stretch, elements, target.solid.poisson);
  attempt.predicted_error = tensorError(attempt.predicted, inverted.wanted);
  attempt.error = tensorError(attempt.delivered, inverted.wanted);
  core::debug(fmt::format("{}: predicted {:.2f} %, delivered {:.2f} %", latticeName(attempt.cell.spec),
                          100 * attempt.predicted_error, 100 * attempt.error));
}

Attempt attemptOf(const StretchedLaw& law, const Polished& polished, double share, const std::string& from) {
  Attempt out;
  out.from = from;
  out.odds = polished.proposal.odds;
  out.cell = cellOfShape(law.specOf(polished.proposal.lattice, share), polished.proposal.shape);
  out.predicted = stiffnessOfLog(law.at(polished.proposal.lattice, share, polished.proposal.shape));
  return out;
}

std::vector<Polished> candidatesOf(const Generator& generator, const Inverted& inverted, double share) {
  const std::vector<Proposal> proposals = inverted.method == "generator"
                                              ? generator.propose(inverted.wanted, share, kPolished)
                                              : nearestCells(generator.law(), inverted.wanted, share, kPolished);
  std::vector<Polished> out;
  out.reserve(proposals.size());
  for (const Proposal& proposal : proposals) out.push_back(polish(generator.law(), proposal, share, inverted.wanted));
  std::stable_sort(out.begin(), out.end(), [](const Polished& a, const Polished& b) { return a.error < b.error; });
  return out;
}

constexpr double kClearly = 0.005;  // of tensorError(): what is worth another turn

void turnInto(Inverted& inverted, const CellTarget& target, const Eigen::Matrix3d& axes) {
  inverted.own.axes = axes;
  inverted.wanted = simulate::rotated(target.stiffness_mpa / target.solid.modulus_mpa, axes);
}

/// What no cell has along its own axes, as of much real bone, one may come nearer to when it is turned away from the
/// target's symmetry: each candidate is turned and polished again, and where that gains clearly all are asked for anew.
void turnFurther(Inverted& inverted, std::vector<Polished>& candidates, const Generator& generator,
                 const CellTarget& target) {
  constexpr int kTurns = 3;
  const double share = 1 - target.porosity;
  for (int n = 0; n < kTurns; ++n) {
    double least = candidates.front().error - kClearly;
    Inverted best = inverted;
    for (const Polished& candidate : candidates) {
      Inverted turned = inverted;
      turnInto(turned, target, simulate::nearestFrame(inverted.wanted, candidate.predicted) * inverted.own.axes);
      const double error = polish(generator.law(), candidate.proposal, share, turned.wanted).error;
      if (error < least) least = error, best = turned;
    }
    if (best.own.axes == inverted.own.axes) return;
    turnInto(best, target, simulate::leastTurned(best.own.axes));
    std::vector<Polished> next = candidatesOf(generator, best, share);
    if (next.front().error > candidates.front().error) return;
    inverted = best;
    candidates = std::move(next);
  }
}

/// The target in the axes of its symmetry. Where several frames have it, as of cubes, the first, unless the law is
/// clearly nearer in another. Returns what is to be solved.
std::vector<Polished> turnedInto(Inverted& inverted, const Generator& generator, const CellTarget& target) {
  std::vector<Polished> out;
  for (const simulate::OrthotropicFrame& frame : simulate::orthotropicFrames(target.stiffness_mpa)) {
    Inverted turned = inverted;
    turned.own = frame;
    turnInto(turned, target, frame.axes);
    std::vector<Polished> candidates = candidatesOf(generator, turned, 1 - target.porosity);
    turnFurther(turned, candidates, generator, target);
    if (!out.empty() && candidates.front().error > out.front().error - kClearly) continue;
    inverted = turned;
    out = std::move(candidates);
  }
  return out;
}

/// Whether other meshes would move the tensor more than another cell could; what no cell can have doesn't count.
bool isGoodEnough(const Inverted& inverted) {
  return inverted.chosen().error <= std::hypot(kGoodEnough, inverted.own.skew_share);
}

void keep(Inverted& inverted, const Attempt& attempt) {
  inverted.attempts.push_back(attempt);
  if (attempt.error < inverted.chosen().error) inverted.best = inverted.attempts.size() - 1;
}

/// The law moved so that it says of the best cell what the solver said, and asked again.
Attempt corrected(const StretchedLaw& law, const Inverted& inverted, double share) {
  const Attempt& best = inverted.chosen();
  const std::size_t lattice = latticePlace(best.cell.spec, law.lattices());
  const ShapeNumbers shape = shapeOf(best.cell);
  const Log21 offset = logOfStiffness(best.delivered) - law.at(lattice, share, shape);
  return attemptOf(law, polish(law, {lattice, shape, best.odds}, share, inverted.wanted, offset), share, "correction");
}

void requireKnownPorosity(const Generator& generator, double share) {
  const auto& least = generator.law().leastShares();
  const double low = *std::min_element(least.begin(), least.end());
  if (share < low || share > kMostShare)
    throw core::Error(core::Exit::Config, {.what = "the weights don't know cells of this porosity",
                                           .expected = fmt::format("{:g} to {:g}", 1 - kMostShare, 1 - low),
                                           .got = fmt::format("{:g}", 1 - share)});
}

json listOf(const Matrix6d& tensor) {
  json out = json::array();
  for (int row = 0; row < 6; ++row) {
    json line = json::array();
    for (int column = 0; column < 6; ++column) line.push_back(tensor(row, column));
    out.push_back(line);
  }
  return out;
}

json listOf(const Eigen::Vector3d& v) { return {v[0], v[1], v[2]}; }

json turnJson(const Eigen::Matrix3d& axes) {
  const Eigen::Matrix3d rotation = axes.transpose();
  const Eigen::AngleAxisd turn(rotation);
  json rows = json::array();
  for (int row = 0; row < 3; ++row) rows.push_back(listOf(Eigen::Vector3d(rotation.row(row))));
  return {{"rotation", rows},
          {"axis", listOf(turn.axis())},
          {"angle_deg", turn.angle() * 180 / std::numbers::pi},
          {"definition",
           "what is written stands in the cell's own axes; turned by this rotation (v in the target's axes = rotation "
           "times v in the cell's) it has the delivered tensor"}};
}

json cellJson(const StretchedCell& cell, double cell_mm) {
  json out = {{"lattice", nameOf(cell.spec.type)},
              {"kind", cell.spec.kind == Kind::Sheet ? "sheet" : "network"},
              {"volume_fraction", cell.spec.volume_fraction},
              {"stretch", listOf(cell.stretch)},
              {"sides_mm", listOf(Eigen::Vector3d(cell_mm * cell.stretch))}};
  if (hasStruts(cell.spec.type)) out["fillet"] = cell.spec.fillet;
  return out;
}

json attemptJson(const Attempt& attempt) {
  json out = {{"from", attempt.from},
              {"lattice", latticeName(attempt.cell.spec)},
              {"stretch", listOf(attempt.cell.stretch)},
              {"predicted_tensor_error", attempt.predicted_error},
              {"delivered_tensor_error", attempt.error}};
  if (hasStruts(attempt.cell.spec.type)) out["fillet"] = attempt.cell.spec.fillet;
  if (attempt.odds > 0) out["odds"] = attempt.odds;
  return out;
}

}  // namespace

Inverted invert(const Generator& generator, const CellTarget& target, const InverseOptions& options) {
  const double share = 1 - target.porosity;
  requireKnownPorosity(generator, share);
  Inverted out;
  out.method = options.method == "auto" ? generator.betterMethod() : options.method;
  if (out.method != "generator" && out.method != "classical")
    throw core::Error(
        core::Exit::Usage,
        {.what = "there is no such method", .expected = "auto, generator or classical", .got = out.method});
  core::Progress progress("cells solved", options.candidates + options.corrections);
  for (const Polished& candidate : turnedInto(out, generator, target)) {
    if (static_cast<int>(out.attempts.size()) == options.candidates) break;
    Attempt attempt = attemptOf(generator.law(), candidate, share, out.method);
    solve(attempt, out, target, options.elements);
    keep(out, attempt);
    progress.advance();
    if (isGoodEnough(out)) break;
  }
  for (int n = 0; n < options.corrections && !isGoodEnough(out); ++n) {
    Attempt attempt = corrected(generator.law(), out, share);
    solve(attempt, out, target, options.elements);
    const double before = out.chosen().error;
    keep(out, attempt);
    progress.advance();
    if (out.chosen().error > 0.98 * before) break;
  }
  out.delivered_porosity = cellCube(out.chosen().cell.spec, 2 * options.elements).porosity();
  return out;
}

json describe(const Inverted& inverted, const CellTarget& target, const InverseOptions& options) {
  const Attempt& best = inverted.chosen();
  const double E = target.solid.modulus_mpa;
  const bool is_reached = best.error <= target.tolerance;
  json out = {
      {"wanted_stiffness_tensor_mpa", listOf(target.stiffness_mpa)},
      {"wanted_porosity", target.porosity},
      {"delivered_stiffness_tensor_mpa", listOf(inverted.inTargetAxes(E * best.delivered))},
      {"delivered_stiffness_tensor_cell_axes_mpa", listOf(Matrix6d(E * best.delivered))},
      {"delivered_porosity", inverted.delivered_porosity},
      {"delivered_by",
       "periodic homogenisation of the delivered cell on two meshes, extrapolated to elements of no size "
       "(lib/design_scaffold/cell.h)"},
      {"tensor_error", best.error},
      {"tensor_error_definition", "Frobenius norm of delivered minus wanted over that of wanted, in Mandel's notation"},
      {"tolerance", target.tolerance},
      {"verdict", is_reached ? "reached" : "unreachable"},
      {"delivered_over_wanted_norm", mandel(best.delivered).norm() / mandel(inverted.wanted).norm()},
      {"solid", {{"youngs_modulus_mpa", E}, {"poisson_ratio", target.solid.poisson}}},
      {"cell", cellJson(best.cell, target.cell_mm)},
      {"turn", turnJson(inverted.own.axes)},
      {"wanted_off_orthotropic", inverted.own.skew_share},
      {"predicted_stiffness_tensor_mpa", listOf(inverted.inTargetAxes(E * best.predicted))},
      {"prediction_tensor_error", tensorError(best.predicted, best.delivered)},
      {"method", inverted.method},
      {"elements_along_edge", {options.elements, finerElements(options.elements)}}};
  if (!is_reached) out["beyond_tolerance_percent"] = 100 * (best.error - target.tolerance);
  if (!target.solid.name.empty()) out["solid"]["material"] = target.solid.name;
  for (const Attempt& attempt : inverted.attempts) out["attempts"].push_back(attemptJson(attempt));
  return out;
}

std::string generatorFolder(const std::string& given) {
  namespace fs = std::filesystem;
  const fs::path shipped = fs::path(core::configsFolder()).parent_path() / "data-samples/models/cell.generator";
  const std::string folder = given.empty() ? shipped.lexically_normal().string() : given;
  if (!fs::exists(fs::path(folder) / "index.json"))
    throw core::Error(core::Exit::Unavailable, {.what = "the generator's weights are absent",
                                                .file = folder,
                                                .hint = "train them: train generator -o cell.generator (minutes), "
                                                        "then --weights cell.generator"});
  return folder;
}

}  // namespace osteo::design_scaffold
