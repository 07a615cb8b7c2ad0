#include "simulate/results.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "simulate/brick.h"
#include "simulate/failure.h"
#include "simulate/grid.h"
#include "simulate/statistics.h"

namespace osteo::simulate {
namespace {

using Eigen::Matrix3d;
using Eigen::Vector3d;
using nlohmann::json;
constexpr std::int64_t kRunChunk = 256;

std::array<double, 3> list(const Vector3d& v) { return {v[0], v[1], v[2]}; }

json partsOf(const Operator& K, const Conditions& conditions, const Field& u, const Field& reaction) {
  json out;
  for (const auto& part : conditions.constraints) {
    const Vector3d force = sumInLps(K, reaction, part.fixed);
    auto& p = out["constraints"][part.name];
    p = {{"nodes", part.nodes}, {"reaction_force_n", list(force)}};
    if (part.rotation) {
      const double moment = momentAbout(K, reaction, part.fixed, *part.rotation);
      p["reaction_moment_n_mm"] = moment;
      p["rotational_stiffness_n_mm_per_rad"] = moment / part.rotation->angle_rad;
    }
    if (part.remote) {
      const Vector6d at = resultantAt(K, reaction, part);
      json displacement, rotation;
      for (int c = 0; c < 3; ++c) {
        displacement.push_back(*part.remote->displacement_mm[c]);
        rotation.push_back(*part.remote->rotation_rad[c] / kDegree);
      }
      p["remote"] = {{"point_mm", list(part.remote->point_mm)},
                     {"displacement_mm", displacement},
                     {"rotation_deg", rotation},
                     {"force_n", {at[0], at[1], at[2]}},
                     {"moment_n_mm", {at[3], at[4], at[5]}}};
    }
    for (int c = 0; c < 3; ++c)
      if (part.displacement_mm[c].value_or(0) != 0)
        p["stiffness_n_per_mm"]["xyz"[c] + std::string()] = force[c] / *part.displacement_mm[c];
  }
  for (const auto& part : conditions.loads) {
    Vector3d force = Vector3d::Zero();
    double work = 0;
    for (const auto& f : part.forces) {
      force[f.dof / K.stride()] += f.value_mm;
      work += f.value_mm * u[f.dof];
    }
    out["loads"][part.name] = {{"nodes", part.nodes},
                               {"area_mm2", part.area_mm2},
                               {"force_n", list(K.model().frame.direction * force)},
                               {"work_n_mm", work}};
    if (part.mass_kg > 0) out["loads"][part.name]["mass_kg"] = part.mass_kg;
    // Force over the mean displacement along it, weighted as the force is.
    if (work > 0 && force.squaredNorm() > 0) out["loads"][part.name]["stiffness_n_per_mm"] = force.squaredNorm() / work;
  }
  return out;
}

}  // namespace

ElementResults evaluate(const Operator& K, const Field& u, const std::vector<Filler>& fillers,
                        const Evaluation& evaluation) {
  const VoxelModel& model = K.model();
  const auto n = static_cast<std::size_t>(model.elements);
  ElementResults r;
  r.stress.resize(6 * n), r.von_mises.resize(n), r.principal_strain.resize(3 * n);
  r.energy.resize(n), r.displacement.resize(3 * n), r.demand.resize(n);
  if (std::any_of(fillers.begin(), fillers.end(), [](const Filler& f) { return f.material.fatigue.has_value(); }))
    r.fatigue.resize(n, 0.0F);
  const Matrix3d& D = model.frame.direction;
  core::parallelChunks(static_cast<std::int64_t>(model.runs.size()), kRunChunk, [&](auto first, auto last, auto) {
    forEachElement(model, first, last, [&](std::int64_t e, int, int, int, const auto& nodes) {
      const Filler& filler = fillers[model.material[e]];
      const Vector6d strain = centreStrain(u.data(), K.stride(), nodes, model.frame.spacing_mm);
      const Vector6d smeared = stressOf(model.elastic(e), strain);
      // An element that materials share shows the stress of its own one.
      const bool is_mixed = std::binary_search(model.mixed.begin(), model.mixed.end(), e);
      const Vector6d own =
          is_mixed ? stressOf(onGrid(filler.stiffness(model.valueOf(e)), model.frame.direction), strain) : smeared;
      const Vector6d stress = own / filler.solidFraction(model.valueOf(e));
      const Vector3d strains = principalValues(tensorOf(strain, 0.5));
      const Matrix3d s = D * tensorOf(stress, 1) * D.transpose();
      const std::array<double, 6> voigt = {s(0, 0), s(1, 1), s(2, 2), s(1, 2), s(0, 2), s(0, 1)};
      for (int c = 0; c < 6; ++c) r.stress[6 * e + c] = static_cast<float>(voigt[c]);
      r.von_mises[e] = static_cast<float>(vonMises(stress));
      r.energy[e] = static_cast<float>(0.5 * smeared.dot(strain));
      r.demand[e] = static_cast<float>(demandOf(filler.material, stress, strains));
      if (filler.material.fatigue)
        r.fatigue[e] = static_cast<float>(fatigueDemand(filler, stress, evaluation.cycle_ratio));
      Vector3d mean = Vector3d::Zero();
      for (auto node : nodes)
        for (int c = 0; c < 3; ++c) mean[c] += u[c * K.stride() + node] / 8;
      mean = D * mean;
      for (int c = 0; c < 3; ++c) {
        r.principal_strain[3 * e + c] = static_cast<float>(strains[c]);
        r.displacement[3 * e + c] = static_cast<float>(mean[c]);
      }
    });
  });
  return r;
}

json summarise(const Operator& K, const Conditions& conditions, const Field& u, const ElementResults& results,
               const std::vector<Filler>& fillers, const Evaluation& evaluation) {
  Field reaction = K.zeros();
  K.apply(u, reaction);
  const double twice_energy = dot(K, u, reaction);
  for (std::size_t n = 0; n < conditions.force.size(); ++n) reaction[n] -= conditions.force[n];
  double work = conditions.force.empty() ? 0.0 : dot(K, conditions.force, u);
  Vector3d force = Vector3d::Zero(), applied = Vector3d::Zero();
  for (const auto& f : conditions.fixed) {
    work += reaction[f.dof] * u[f.dof];
    force[f.dof / K.stride()] += reaction[f.dof];
  }
  double scale = 0, furthest = 0;
  for (const auto& f : conditions.fixed) scale += std::abs(reaction[f.dof]);
  for (std::int64_t n = 0; n < K.nodes(); ++n) {
    Vector3d at;
    for (int c = 0; c < 3; ++c) {
      at[c] = u[c * K.stride() + n];
      if (!conditions.force.empty()) applied[c] += conditions.force[c * K.stride() + n];
    }
    furthest = std::max(furthest, at.norm());
  }
  json out = statistics(K.model(), results, fillers, evaluation);
  out.update(partsOf(K, conditions, u, reaction));
  out["max_displacement_mm"] = furthest;
  out["external_work_n_mm"] = work;
  out["strain_energy_n_mm"] = 0.5 * twice_energy;
  out["energy_balance"] = std::abs(work - twice_energy) / std::abs(twice_energy);
  out["force_balance"] = (force + applied).norm() / std::max(scale, 1e-300);
  if (!conditions.pinned.empty()) out["pinned_rigid_motions"] = conditions.pinned;
  return out;
}

double percentile(std::vector<float> values, double p) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::int64_t>(std::ceil(p * double(values.size()))) - 1;
  const auto at = values.begin() + std::clamp<std::int64_t>(rank, 0, static_cast<std::int64_t>(values.size()) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace osteo::simulate
