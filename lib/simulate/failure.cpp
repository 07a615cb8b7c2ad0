#include "simulate/failure.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "simulate/statistics.h"

namespace osteo::simulate {

using Eigen::Matrix3d;
using Eigen::Vector3d;
using nlohmann::json;

Matrix3d tensorOf(const Vector6d& v, double shear) {
  Matrix3d t;
  t << v[0], shear * v[5], shear * v[4], shear * v[5], v[1], shear * v[3], shear * v[4], shear * v[3], v[2];
  return t;
}

Vector3d principalValues(const Matrix3d& t) {
  return Eigen::SelfAdjointEigenSolver<Matrix3d>(t, Eigen::EigenvaluesOnly).eigenvalues().reverse();
}

double vonMises(const Vector6d& s) {
  return std::sqrt(0.5 * (std::pow(s[0] - s[1], 2) + std::pow(s[1] - s[2], 2) + std::pow(s[2] - s[0], 2)) +
                   3 * s.tail<3>().squaredNorm());
}

double demandOf(const Material& m, const Vector6d& stress, const Vector3d& strains) {
  switch (m.criterion) {
    case Criterion::VonMises:
      return vonMises(stress) / m.strength_mpa;
    case Criterion::TensilePrincipal:
      return std::max(0.0, principalValues(tensorOf(stress, 1))[0]) / m.strength_mpa;
    case Criterion::AsymmetricStrain:
      return std::max({0.0, strains[0] / m.tension_strain, -strains[2] / m.compression_strain});
    default:
      return 0;
  }
}

const char* criterionName(Criterion c) {
  switch (c) {
    case Criterion::VonMises:
      return "von Mises against yield";
    case Criterion::TensilePrincipal:
      return "largest tensile principal stress against tensile strength";
    case Criterion::AsymmetricStrain:
      return "principal strains against yield strains in tension and compression";
    default:
      return "none";
  }
}

bool isBone(const Material& m) { return m.criterion == Criterion::AsymmetricStrain || m.is_plain; }

json weibull(const VoxelModel& model, const ElementResults& r, const std::vector<Filler>& fillers, std::size_t filler) {
  const Material& m = fillers[filler].material;
  const double element_mm3 = model.frame.voxelVolume_mm3();
  double risk = 0;  // the sum over V/V0 (σ1/σ0)^m; σ1/σ0 is the demand of this criterion
  for (std::int64_t e = 0; e < model.elements; ++e)
    if (model.material[e] == filler && counts(model, fillers, e))
      risk += element_mm3 * fillers[filler].solidFraction(model.valueOf(e)) / m.weibull_volume_mm3 *
              std::pow(double(r.demand[e]), m.weibull_modulus);
  json out = {{"weibull_modulus", m.weibull_modulus},
              {"weibull_volume_mm3", m.weibull_volume_mm3},
              {"weibull_failure_probability", -std::expm1(-risk)}};
  if (risk > 0) out["load_factor_at_1_percent_failure"] = std::pow(-std::log1p(-0.01) / risk, 1 / m.weibull_modulus);
  return out;
}

namespace {

/// Amplitude that the filler endures under fully reversed cycles.
double fatigueStrength(const Filler& filler) {
  const Fatigue& f = *filler.material.fatigue;
  const bool has_own = filler.law == Filler::Law::Lattice && f.lattice_factor > 0;
  return has_own ? f.lattice_factor * f.ultimate_mpa : f.strength_mpa;
}

}  // namespace

double fatigueDemand(const Filler& filler, const Vector6d& stress, double cycle_ratio) {
  const double ultimate = filler.material.fatigue->ultimate_mpa;
  const double peak = std::copysign(vonMises(stress), stress.head<3>().sum());
  const double mean = std::max(0.0, 0.5 * (1 + cycle_ratio) * peak);
  const double amplitude = 0.5 * (1 - cycle_ratio) * std::abs(peak);
  if (mean >= ultimate) return kBreaksAtOnce;
  return std::min(kBreaksAtOnce, amplitude / (1 - mean / ultimate) / fatigueStrength(filler));
}

json fatigueOf(const Filler& filler, const std::vector<float>& demands, double cycle_ratio) {
  const Fatigue& f = *filler.material.fatigue;
  const auto above = std::count_if(demands.begin(), demands.end(), [](float d) { return d > 1; });
  json out = {
      {"fatigue_method",
       "signed von Mises, Goodman's equivalent fully reversed amplitude against the strength at the given cycles, "
       "Basquin's line"},
      {"fatigue_reference", f.reference},
      {"fatigue_cycle_ratio", cycle_ratio},
      {"fatigue_strength_mpa", fatigueStrength(filler)},
      {"fatigue_strength_cycles", f.cycles},
      {"fatigue_volume_share_above_endurance", double(above) / std::max<double>(1, double(demands.size()))}};
  const double p98 = percentile(demands, 0.98);
  if (p98 <= 0) return out;
  out["fatigue_safety_factor_p02"] = 1 / p98;
  if (f.slope_b < 0) out["cycles_at_p98"] = f.cycles * std::pow(p98, 1 / f.slope_b);
  return out;
}

}  // namespace osteo::simulate
