#include "design_scaffold/confirm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/cube.h"
#include "design_scaffold/percentile.h"
#include "levelset/components.h"
#include "simulate/brick.h"
#include "simulate/effective.h"
#include "simulate/element_energy.h"
#include "simulate/failure.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;
using simulate::Vector6d;

constexpr double kAgreement = 0.05;         // of energies
constexpr double kBeside = 0.02;            // of volume fractions
constexpr double kDeep = 0.99;              // of an element, to lie in the lattice
constexpr int kNodes = 80, kElements = 40;  // along a cell
constexpr int kLawElements = 20;            // of the law's material

/// Elements whose whole cell lies in the lattice, by rising density; all that lie in it where there are none.
std::vector<std::size_t> candidates(const LoopResult& o) {
  const int reach = static_cast<int>(std::ceil(0.5 * o.cell_mm / o.frame.spacing_mm[0]));
  image::LabelVolume deep(o.frame);
  for (std::size_t e = 0; e < o.place.size(); ++e)
    deep.at(o.place[e][0], o.place[e][1], o.place[e][2]) = o.open[e] > kDeep ? 1 : 0;
  std::vector<std::size_t> whole, all;
  for (std::size_t e = 0; e < o.place.size(); ++e) {
    if (o.open[e] <= kDeep || !(o.worst[e].stress_mpa > 0)) continue;
    all.push_back(e);
    bool is_whole = true;
    for (int n = 0; n < 27 && is_whole; ++n) {
      const Eigen::Vector3i at = o.place[e] + reach * Eigen::Vector3i(n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1);
      is_whole = deep.contains(at[0], at[1], at[2]) && deep.at(at[0], at[1], at[2]);
    }
    if (is_whole) whole.push_back(e);
  }
  std::vector<std::size_t>& out = whole.empty() ? all : whole;
  std::stable_sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) { return o.density[a] < o.density[b]; });
  return out;
}

Cube cubeAround(const Infill& infill, const Eigen::Vector3d& centre_mm, double cell_mm) {
  Cube cube;
  const int cells = infill.lattice().cells();
  cube.size_mm = cells * cell_mm;
  cube.nodes.side = kNodes;
  cube.is_exact = false;
  cube.distance_mm.resize(cube.nodes.size());
  const Eigen::Vector3d low = centre_mm - Eigen::Vector3d::Constant(0.5 * cube.size_mm);
  core::parallelFor(kNodes, [&](std::int64_t k) {
    for (int j = 0; j < kNodes; ++j)
      for (int i = 0; i < kNodes; ++i)
        cube.distance_mm[cube.nodes.at(i, j, static_cast<int>(k))] = static_cast<float>(
            infill.distance_mm(low + cube.step_mm() * Eigen::Vector3d(i, j, static_cast<double>(k))));
  });
  return cube;
}

/// Strain energy (twice, N mm) of a periodic box under a mean strain.
double energyUnder(const simulate::VoxelModel& model, const Vector6d& strain,
                   simulate::Field* displacements = nullptr) {
  const simulate::Operator K(model);
  simulate::SolveOptions options;
  options.tolerance = 1e-4;
  const simulate::Field u = simulate::periodicFields(K, {strain}, options).front();
  simulate::Field forces = K.zeros();
  K.apply(u, forces);
  if (displacements) *displacements = u;
  return simulate::dot(K, u, forces);
}

/// The cell's box of the law's material, as designed but scaled to the share that `cell` holds, whose designed shares
/// it takes.
simulate::VoxelModel lawCell(const Infill& infill, const Cube& cube, const Eigen::Vector3d& centre_mm,
                             const LoopResult& o, ResolvedCell& cell) {
  simulate::Filling filling;
  filling.frame.size.setConstant(kLawElements);
  filling.frame.spacing_mm.setConstant(cube.size_mm / kLawElements);
  filling.frame.origin_mm = centre_mm - 0.5 * (kLawElements - 1) * filling.frame.spacing_mm;
  filling.is_periodic = true;
  filling.material.assign(static_cast<std::size_t>(filling.frame.voxelCount()), 1);
  const simulate::Elastic solid = simulate::isotropic(o.modulus_mpa, o.poisson);
  simulate::VoxelModel out = simulate::buildModel(filling, [&](std::uint16_t, float, float) { return solid; });
  std::vector<double> fraction;
  simulate::forEachElement(out, [&](std::int64_t, int i, int j, int k, const auto&) {
    fraction.push_back(infill.fraction(out.elementPoint(i, j, k)));
  });
  const auto [least, most] = std::minmax_element(fraction.begin(), fraction.end());
  cell.least_fraction = *least, cell.most_fraction = *most;
  cell.nominal_fraction = std::accumulate(fraction.begin(), fraction.end(), 0.0) / static_cast<double>(fraction.size());
  std::vector<std::array<double, 3>> entries;
  for (const double f : fraction) {
    const RelativeStiffness law = o.law->relative(f * cell.volume_fraction / cell.nominal_fraction);
    entries.push_back({law.value[0] * solid.c11, law.value[1] * solid.c12, law.value[2] * solid.c44});
  }
  simulate::setStiffness(out, entries);
  return out;
}

void confirmLattice(const LoopResult& o, const Design& made, json& results) {
  const std::vector<std::size_t> all = candidates(o);
  if (all.empty()) return;
  core::Progress progress("cells resolved to confirm", 3);
  json& j = results["confirmation"];
  bool agrees = true, as_designed = true;
  for (const double share : {0.02, 0.5, 0.98}) {
    const std::size_t e = all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
    const Eigen::Vector3d centre = o.frame.toWorld(o.place[e].cast<double>());
    const ResolvedCell cell = resolveCell(made.infill, centre, o.worst[e].strain, o);
    j["cells"].push_back({{"centre_mm", {centre[0], centre[1], centre[2]}},
                          {"volume_fraction", cell.volume_fraction},
                          {"nominal_volume_fraction", cell.nominal_fraction},
                          {"nominal_volume_fraction_range", {cell.least_fraction, cell.most_fraction}},
                          {"energy_resolved_over_homogenised", cell.energy_ratio},
                          {"peak_p98_von_mises_mpa", cell.peak_stress_mpa},
                          {"expected_p98_von_mises_mpa", cell.expected_stress_mpa}});
    agrees = agrees && std::abs(cell.energy_ratio - 1) <= kAgreement;
    as_designed = as_designed && std::abs(cell.volume_fraction - cell.nominal_fraction) <= kBeside;
    progress.advance();
  }
  j["agrees_within_percent"] = 100 * kAgreement;
  j["agrees"] = agrees;
  j["as_designed"] = as_designed;
  if (!as_designed)
    core::warn("resolved cells hold another share of solid than designed: see confirmation in the record");
  if (!agrees)
    core::warn("resolved cells and the homogenised law differ by more than 5 %: see confirmation in the record");
}

/// Whether a solid stays in one piece, but for crumbs, when `depth_mm` is taken off all around.
bool holdsTogether(const levelset::LevelSet& solid, double depth_mm) {
  constexpr double kCrumbs = 0.05;  // of what is left
  const levelset::LevelSet eroded = levelset::offset(solid, -depth_mm);
  if (eroded.empty()) return false;
  const levelset::Components parts(eroded, levelset::Components::Side::Inside);
  double all = 0, largest = 0;
  for (const auto& piece : parts.pieces()) all += piece.volume_mm3, largest = std::max(largest, piece.volume_mm3);
  return all - largest <= kCrumbs * all;
}

/// Twice the depth that can be taken off all around before the solid falls apart: what its thinnest members that carry
/// anything are thick; at most `most_mm`.
double thinnestMember_mm(const levelset::LevelSet& solid, double most_mm) {
  constexpr int kRounds = 6;
  if (holdsTogether(solid, 0.5 * most_mm)) return most_mm;
  double low = 0, high = most_mm;
  for (int round = 0; round < kRounds; ++round) {
    const double middle = 0.5 * (low + high);
    (holdsTogether(solid, 0.5 * middle) ? low : high) = middle;
  }
  return low;
}

/// The made members against the feature that was asked for.
void confirmMembers(const Goal& goal, const Design& made, json& results) {
  const Bounds wanted = goal.of("minimum_feature_mm");
  if (!wanted.min) return;
  const auto verdicts = judge(goal, {{"minimum_feature_mm", thinnestMember_mm(made.solid, 2 * *wanted.min)}});
  results["goals_met"].update(describe(verdicts));
  if (verdicts.empty() || verdicts.front().met) return;
  const std::string words = inWords(verdicts.front());
  if (!goal.accept_best)
    throw core::Error(core::Exit::DataError, {.what = "the made members are thinner than the minimum feature",
                                              .file = goal.file,
                                              .expected = "all goals met",
                                              .got = words,
                                              .hint = "a larger search.filter_mm, or set search.accept_best"});
  core::warn(words);
}

}  // namespace

ResolvedCell resolveCell(const Infill& infill, const Eigen::Vector3d& centre_mm, const Vector6d& strain,
                         const LoopResult& optimised) {
  const simulate::Elastic solid = simulate::isotropic(optimised.modulus_mpa, optimised.poisson);
  const Cube cube = cubeAround(infill, centre_mm, optimised.cell_mm);
  const auto meshOf = [&](int elements) {
    return simulate::buildModel(elementsOf(cube, elements),
                                [&](std::uint16_t, float value, float) { return static_cast<double>(value) * solid; });
  };
  ResolvedCell out;
  out.volume_fraction = 1 - cube.porosity();
  simulate::Field u;
  const simulate::VoxelModel model = meshOf(kElements);
  const double fine = energyUnder(model, strain, &u), coarse = energyUnder(meshOf(kElements / 2), strain);
  out.energy_ratio =
      fine * std::cbrt(fine / coarse) / energyUnder(lawCell(infill, cube, centre_mm, optimised, out), strain);
  const std::int64_t stride = simulate::Operator(model).stride();
  std::vector<std::pair<double, double>> stress;
  simulate::forEachElement(model, [&](std::int64_t e, int, int, int, const auto& nodes) {
    const Vector6d own = simulate::centreStrain(u.data(), stride, nodes, model.frame.spacing_mm);
    stress.emplace_back(simulate::vonMises(simulate::stressOf(solid, own)), static_cast<double>(model.valueOf(e)));
  });
  out.peak_stress_mpa = weightedPercentile(std::move(stress), 0.98);
  out.expected_stress_mpa = optimised.modulus_mpa * optimised.law->peakStress(out.volume_fraction, strain);
  return out;
}

void confirm(const LoopResult& optimised, const Goal& goal, const Design& made, json& results) {
  if (optimised.law)
    confirmLattice(optimised, made, results);
  else
    confirmMembers(goal, made, results);
}

}  // namespace osteo::design_scaffold
