#include "simulate/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "simulate/failure.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;
constexpr double kCountsAbove = 0.5;     // solid fraction from which a boundary element enters the percentiles
constexpr double kSmoothingReach = 1.5;  // elements: the 18 neighbours over faces and edges
constexpr double kMostElements = 10;     // of the radius: 4169 neighbours
constexpr std::int64_t kRunChunk = 256;

/// Steps to the elements whose centres lie within the radius.
std::vector<Eigen::Vector3i> ballSteps(const Eigen::Vector3d& spacing, double radius_mm) {
  const Eigen::Vector3i reach = (spacing.cwiseInverse() * (radius_mm * (1 + 1e-9))).cast<int>();
  std::vector<Eigen::Vector3i> steps;
  for (int k = -reach[2]; k <= reach[2]; ++k)
    for (int j = -reach[1]; j <= reach[1]; ++j)
      for (int i = -reach[0]; i <= reach[0]; ++i)
        if (Eigen::Vector3d(i, j, k).cwiseProduct(spacing).norm() <= radius_mm * (1 + 1e-9))
          steps.emplace_back(i, j, k);
  return steps;
}

/// Number of the element in each voxel, −1 where there is none or one that doesn't count.
std::vector<std::int32_t> numbersOnGrid(const VoxelModel& model, const std::vector<Filler>& fillers) {
  const auto& size = model.frame.size;
  std::vector<std::int32_t> grid(static_cast<std::size_t>(model.frame.voxelCount()), -1);
  forEachElement(model, [&](std::int64_t e, int i, int j, int k, const auto&) {
    if (counts(model, fillers, e)) grid[i + size[0] * (j + std::int64_t{size[1]} * k)] = static_cast<std::int32_t>(e);
  });
  return grid;
}

/// Elements of one material, or of all, that count.
struct Part {
  std::int64_t elements = 0;
  double solid = 0, weighted_stress = 0, energy = 0;  ///< solid: sum of the shares; energy over all elements
  std::vector<float> stress, tension, compression, demand, fatigue;
};

Part gather(const VoxelModel& model, const ElementResults& r, const std::vector<Filler>& fillers, int filler) {
  Part part;
  double counted = 0;
  for (std::int64_t e = 0; e < model.elements; ++e) {
    if (filler >= 0 && model.material[e] != filler) continue;
    const double share = fillers[model.material[e]].solidFraction(model.valueOf(e));
    ++part.elements;
    part.solid += share;
    part.energy += r.energy[e];
    if (!counts(model, fillers, e)) continue;
    counted += share;
    part.weighted_stress += share * r.von_mises[e];
    part.stress.push_back(r.von_mises[e]);
    part.tension.push_back(r.principal_strain[3 * e]);
    part.compression.push_back(r.principal_strain[3 * e + 2]);
    if (filler < 0) continue;
    part.demand.push_back(r.demand[e]);
    if (!r.fatigue.empty()) part.fatigue.push_back(r.fatigue[e]);
  }
  if (counted > 0) part.weighted_stress /= counted;
  return part;
}

json numbersOf(const Part& part, const VoxelModel& model, double smoothed_peak) {
  return {{"elements", part.elements},
          {"volume_mm3", part.solid * model.frame.voxelVolume_mm3()},
          {"mean_von_mises_mpa", part.weighted_stress},
          {"p50_von_mises_mpa", percentile(part.stress, 0.5)},
          {"p95_von_mises_mpa", percentile(part.stress, 0.95)},
          {"p98_von_mises_mpa", percentile(part.stress, 0.98)},
          {"max_von_mises_mpa", percentile(part.stress, 1)},
          {"smoothed_peak_von_mises_mpa", smoothed_peak},
          {"p50_largest_principal_strain", percentile(part.tension, 0.5)},
          {"p98_largest_principal_strain", percentile(part.tension, 0.98)},
          {"p50_smallest_principal_strain", percentile(part.compression, 0.5)},
          {"p02_smallest_principal_strain", percentile(part.compression, 0.02)},
          {"mean_strain_energy_density_mpa", part.energy / std::max<double>(1, double(part.elements))}};
}

/// Safety by the material's own criterion.
json safety(const VoxelModel& model, const ElementResults& r, const std::vector<Filler>& fillers, std::size_t f,
            const std::vector<float>& demand) {
  const Material& material = fillers[f].material;
  json m = {{"criterion", criterionName(material.criterion)}};
  if (fillers[f].law == Filler::Law::Lattice)
    m["note"] = "mean stress of the lattice's walls; peaks at their junctions are higher";
  if (material.criterion == Criterion::None) return m;
  m["reference"] = material.failure_reference;
  const double worst = percentile(demand, 1), p98 = percentile(demand, 0.98);
  if (worst > 0) m["safety_factor_min"] = 1 / worst;
  if (p98 > 0) m["safety_factor_p02"] = 1 / p98;
  if (material.weibull_modulus > 0) m.update(weibull(model, r, fillers, f));
  return m;
}

}  // namespace

bool counts(const VoxelModel& model, const std::vector<Filler>& fillers, std::int64_t e) {
  const Filler& filler = fillers[model.material[e]];
  return filler.law != Filler::Law::SolidFraction || model.valueOf(e) >= kCountsAbove;
}

void requireRadius(const VoxelModel& model, double radius_mm) {
  if (radius_mm <= kMostElements * model.frame.spacing_mm.minCoeff()) return;
  throw core::Error(core::Exit::Usage,
                    {.what = "the radius over which peaks are averaged is too large",
                     .expected = fmt::format("at most {:g} mm, {:g} elements",
                                             kMostElements * model.frame.spacing_mm.minCoeff(), kMostElements),
                     .got = fmt::format("{:g} mm", radius_mm)});
}

double standardRadius_mm(const VoxelModel& model) { return kSmoothingReach * model.frame.spacing_mm.maxCoeff(); }

std::vector<double> smoothedPeaks(const VoxelModel& model, const std::vector<Filler>& fillers,
                                  const std::vector<float>& values, double radius_mm) {
  const auto& size = model.frame.size;
  const auto steps = ballSteps(model.frame.spacing_mm, radius_mm);
  const auto grid = numbersOnGrid(model, fillers);
  const auto runs = static_cast<std::int64_t>(model.runs.size());
  std::vector<std::vector<double>> of_chunks(static_cast<std::size_t>((runs + kRunChunk - 1) / kRunChunk),
                                             std::vector<double>(fillers.size(), 0.0));
  core::parallelChunks(runs, kRunChunk, [&](auto first, auto last, auto chunk) {
    auto& peaks = of_chunks[static_cast<std::size_t>(chunk)];
    forEachElement(model, first, last, [&](std::int64_t e, int i, int j, int k, const auto&) {
      if (!counts(model, fillers, e)) return;
      double sum = 0;
      int number = 0;
      for (const auto& step : steps) {
        const int x = i + step[0], y = j + step[1], z = k + step[2];
        if (x < 0 || y < 0 || z < 0 || x >= size[0] || y >= size[1] || z >= size[2]) continue;
        const std::int32_t other = grid[x + size[0] * (y + std::int64_t{size[1]} * z)];
        if (other < 0 || model.material[other] != model.material[e]) continue;
        sum += values[other];
        ++number;
      }
      auto& peak = peaks[model.material[e]];
      peak = std::max(peak, sum / number);
    });
  });
  std::vector<double> peaks(fillers.size(), 0.0);
  for (const auto& part : of_chunks)
    for (std::size_t f = 0; f < peaks.size(); ++f) peaks[f] = std::max(peaks[f], part[f]);
  return peaks;
}

json statistics(const VoxelModel& model, const ElementResults& r, const std::vector<Filler>& fillers,
                const Evaluation& evaluation) {
  const double radius = evaluation.smoothing_mm > 0 ? evaluation.smoothing_mm : standardRadius_mm(model);
  const auto peaks = smoothedPeaks(model, fillers, r.von_mises, radius);
  json out = numbersOf(gather(model, r, fillers, -1), model, *std::max_element(peaks.begin(), peaks.end()));
  out["smoothing_radius_mm"] = radius;
  out["note"] =
      "max_von_mises_mpa is a single element's and grows with refinement at edges; trust the smoothed peak and p98";
  for (std::size_t f = 0; f < fillers.size(); ++f) {
    const Part part = gather(model, r, fillers, static_cast<int>(f));
    if (part.elements == 0) continue;
    auto& m = out["materials"][fillers[f].name()];
    m = numbersOf(part, model, peaks[f]);
    m.update(safety(model, r, fillers, f, part.demand));
    if (fillers[f].material.fatigue) m.update(fatigueOf(fillers[f], part.fatigue, evaluation.cycle_ratio));
  }
  return out;
}

}  // namespace osteo::simulate
