#include "design_scaffold/response.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "design_scaffold/percentile.h"
#include "simulate/brick.h"
#include "simulate/failure.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;
using simulate::Vector6d;

constexpr double kCounted = 0.5;  // of an element that has to lie in the body for its stress to tell anything
constexpr std::int64_t kRunChunk = 256;
constexpr double kMicro = 1e6;

using Weighted = std::pair<double, double>;

std::vector<Vector6d> strainsOf(const DensityModel& model, const simulate::Field& u) {
  const simulate::VoxelModel& mesh = model.model();
  std::vector<Vector6d> out(static_cast<std::size_t>(mesh.elements));
  core::parallelChunks(static_cast<std::int64_t>(mesh.runs.size()), kRunChunk, [&](auto first, auto last, auto) {
    simulate::forEachElement(mesh, first, last, [&](std::int64_t e, int, int, int, const auto& nodes) {
      out[static_cast<std::size_t>(e)] =
          simulate::centreStrain(u.data(), model.stiffness().stride(), nodes, mesh.frame.spacing_mm);
    });
  });
  return out;
}

/// Stress in the skin, which is solid.
double skinStress_mpa(const Yardstick& by, const Vector6d& strain) {
  return simulate::vonMises(stressOf(simulate::isotropic(by.solid.modulus_mpa, by.solid.poisson), strain));
}

/// Whether an element of the design holds solid at all.
bool isMade(const Yardstick& by, double density) { return by.law || density > 0.5; }

double peakOf(const DensityModel& model, const std::vector<double>& density, const std::vector<Vector6d>& strains,
              const Yardstick& by) {
  const Shares& shares = model.shares();
  std::vector<Weighted> stress;
  for (std::size_t e = 0; e < density.size(); ++e) {
    if (!countsForPeak(shares, e)) continue;
    if (shares.solid[e] > kCounted)
      stress.emplace_back(skinStress_mpa(by, strains[e]), shares.body[e] * shares.solid[e]);
    else if (isMade(by, density[e]))
      stress.emplace_back(wallStress_mpa(by, density[e], strains[e]), shares.open(e) * density[e]);
  }
  return weightedPercentile(std::move(stress), 0.98);
}

double furthest_mm(const DensityModel& model, const simulate::Field& u) {
  const auto s = model.stiffness().stride();
  double most = 0;
  for (std::int64_t n = 0; n < model.stiffness().nodes(); ++n)
    most = std::max(most, std::sqrt(u[n] * u[n] + u[s + n] * u[s + n] + u[2 * s + n] * u[2 * s + n]));
  return most;
}

/// Works of loads fall with the stiffness, works of displacements rise.
double ratioOf(const DensityModel& model, const Yardstick& by, std::size_t c, double work_n_mm) {
  const double works = by.bone_works_n_mm[c] / work_n_mm;
  return model.isMoved(c) ? 1 / works : works;
}

void addStiffness(const DensityModel& model, const std::vector<Answered>& answers, const Yardstick& by, json& out) {
  if (by.bone_works_n_mm.empty()) return;
  double logs = 0;
  for (std::size_t c = 0; c < by.cases.size(); ++c) {
    const double ratio = ratioOf(model, by, c, answers[c].work_n_mm);
    out["cases"][by.cases[c]]["stiffness_ratio"] = ratio;
    logs += std::log(ratio) / static_cast<double>(by.cases.size());
  }
  out["stiffness_ratio"] = std::exp(logs);
}

void addStrains(const DensityModel& model, const std::vector<Answered>& answers, const Yardstick& by, json& out) {
  const Shares& shares = model.shares();
  std::vector<Weighted> largest;
  double all = 0, below = 0, above = 0;
  for (std::size_t e = 0; e < shares.body.size(); ++e) {
    if (shares.open(e) < kCounted) continue;
    double most = 0;
    for (const Answered& a : answers)
      most = std::max(most, simulate::principalValues(simulate::tensorOf(a.strain[e], 0.5)).cwiseAbs().maxCoeff());
    most *= kMicro;
    largest.emplace_back(most, shares.open(e));
    all += shares.open(e);
    if (!by.goal.strain) continue;
    below += most < by.goal.strain->min_microstrain ? shares.open(e) : 0;
    above += most > by.goal.strain->max_microstrain ? shares.open(e) : 0;
  }
  if (all <= 0) return;
  out["strain_p05_microstrain"] = weightedPercentile(largest, 0.05);
  out["strain_p50_microstrain"] = weightedPercentile(largest, 0.5);
  out["strain_p95_microstrain"] = weightedPercentile(largest, 0.95);
  if (!by.goal.strain) return;
  out["strain_window_share"] = 1 - (below + above) / all;
  out["share_below_strain_window"] = below / all;
  out["share_above_strain_window"] = above / all;
}

/// What the volume fractions alone say: porosity, mass, and of a lattice surface, flow, walls and pores.
void addShape(const DensityModel& model, const std::vector<double>& density, const Yardstick& by, json& out) {
  const Shares& shares = model.shares();
  const double element_mm3 = model.model().frame.spacing_mm.prod();
  double open = 0, solid = 0, skin = 0, area = 0, flow = 0, least = 1, most = 0;
  for (std::size_t e = 0; e < density.size(); ++e) {
    open += shares.open(e);
    solid += shares.open(e) * density[e];
    skin += shares.body[e] * shares.solid[e];
    if (shares.open(e) < 0.01 || !by.law) continue;
    const LatticePoint p = by.law->at(density[e]);
    area += shares.open(e) * p.area / by.cell_mm;
    flow += shares.open(e) * p.permeability * by.cell_mm * by.cell_mm * 1e-6;
    least = std::min(least, density[e]), most = std::max(most, density[e]);
  }
  out["volume_fraction"] = open > 0 ? solid / open : 1;
  out["porosity"] = open > 0 ? 1 - solid / open : 0;
  out["solid_volume_mm3"] = (solid + skin) * element_mm3;
  if (by.density_g_cm3 > 0) out["mass_g"] = (solid + skin) * element_mm3 * by.density_g_cm3 / 1000;
  if (!by.law) return;
  out["volume_fraction_range"] = {least, most};
  out["surface_area_mm2"] = area * element_mm3;
  out["permeability_m2"] = open > 0 ? flow / open : 0;
  const LatticePoint thin = by.law->at(least), thick = by.law->at(most);
  out["wall_mm"] = thin.wall * by.cell_mm;
  out["pore_mm"] = thick.pore * by.cell_mm;
  out["largest_pore_mm"] = thin.pore * by.cell_mm;
  out["pore_window_mm"] = thick.window * by.cell_mm;
}

}  // namespace

double wallStress_mpa(const Yardstick& by, double density, const Vector6d& strain) {
  return by.law ? by.solid.modulus_mpa * by.law->peakStress(density, strain) : skinStress_mpa(by, strain);
}

bool countsForPeak(const Shares& shares, std::size_t e) { return shares.body[e] >= kCounted; }

StressForm stressForm(const Yardstick& by, const Shares& shares, std::size_t e, double density) {
  const double shear_mpa = 0.5 * by.solid.modulus_mpa / (1 + by.solid.poisson);
  if (shares.solid[e] > kCounted) return solidStress(shear_mpa);
  if (!by.law) return relaxedStress(shear_mpa, density);
  StressForm form = by.law->stressForm(density);
  for (auto* numbers : {&form.value, &form.derivative})
    for (double& v : *numbers) v *= by.solid.modulus_mpa * by.solid.modulus_mpa;
  return form;
}

double peakStress_mpa(const DensityModel& model, const std::vector<double>& density, std::size_t c,
                      const Yardstick& by) {
  return peakOf(model, density, strainsOf(model, model.displacements_mm()[c]), by);
}

double stiffnessRatio(const DensityModel& model, const Yardstick& by, std::size_t c) {
  return ratioOf(model, by, c, model.works_n_mm()[c]);
}

std::vector<WorstStrain> worstStrains(const DensityModel& model, const std::vector<double>& density,
                                      const Yardstick& by) {
  std::vector<WorstStrain> out(density.size());
  for (const auto& u : model.displacements_mm()) {
    const auto strains = strainsOf(model, u);
    for (std::size_t e = 0; e < density.size(); ++e) {
      const double stress = wallStress_mpa(by, density[e], strains[e]);
      if (stress > out[e].stress_mpa) out[e] = {stress, strains[e]};
    }
  }
  return out;
}

json numbersOf(const DensityModel& model, const std::vector<double>& density, const std::vector<Answered>& answers,
               const Yardstick& by) {
  json out;
  addShape(model, density, by, out);
  double peak = 0, far = 0;
  for (std::size_t c = 0; c < by.cases.size(); ++c) {
    const double own = peakOf(model, density, answers[c].strain, by);
    out["cases"][by.cases[c]] = {{"peak_p98_von_mises_mpa", own},
                                 {"work_n_mm", answers[c].work_n_mm},
                                 {"max_displacement_mm", answers[c].furthest_mm}};
    peak = std::max(peak, own), far = std::max(far, answers[c].furthest_mm);
  }
  out["peak_p98_von_mises_mpa"] = peak;
  if (by.solid.yield_mpa > 0 && peak > 0) out["safety_factor"] = by.solid.yield_mpa / peak;
  out["max_displacement_mm"] = far;
  addStiffness(model, answers, by, out);
  addStrains(model, answers, by, out);
  return out;
}

json numbersOf(const DensityModel& model, const std::vector<double>& density, const Yardstick& by) {
  std::vector<Answered> answers;
  for (std::size_t c = 0; c < by.cases.size(); ++c) {
    const auto& u = model.displacements_mm()[c];
    answers.push_back({strainsOf(model, u), model.works_n_mm()[c], furthest_mm(model, u)});
  }
  return numbersOf(model, density, answers, by);
}

}  // namespace osteo::design_scaffold
