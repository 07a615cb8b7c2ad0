#include "simulate/shielding.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "simulate/failure.h"
#include "simulate/statistics.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
using nlohmann::json;

/// Number of the element at a voxel of the model's frame, −1 where there is none.
std::int64_t elementAt(const VoxelModel& model, const Eigen::Vector3i& at) {
  if ((at.array() < 0).any() || (at.array() >= model.frame.size.array()).any()) return -1;
  const auto first = model.runs.begin() + model.layer_start[at[2]],
             last = model.runs.begin() + model.layer_start[at[2] + 1];
  auto run = std::upper_bound(first, last, at, [](const Eigen::Vector3i& p, const ElementRun& r) {
    return p[1] != r.j ? p[1] < r.j : p[0] < r.i;
  });
  if (run == first) return -1;
  --run;
  return run->j == at[1] && at[0] < run->i + run->count ? run->element + at[0] - run->i : -1;
}

}  // namespace

json stressShielding(const Loaded& implanted, const Loaded& intact, std::vector<float>& change) {
  const VoxelModel& model = implanted.model;
  change.assign(static_cast<std::size_t>(model.elements), 0.0F);
  // Below a thousandth of the median the ratio of two small numbers says nothing.
  std::vector<float> before;
  for (std::int64_t e = 0; e < intact.model.elements; ++e)
    if (isBone(intact.fillers[intact.model.material[e]].material)) before.push_back(intact.results.energy[e]);
  const double least = 1e-3 * percentile(before, 0.5);
  std::vector<float> compared;
  double sum_before = 0, sum_after = 0;
  forEachElement(model, [&](std::int64_t e, int i, int j, int k, const auto&) {
    if (!isBone(implanted.fillers[model.material[e]].material)) return;
    const Vector3d index = intact.model.frame.toIndex(model.elementPoint(i, j, k));
    const auto other =
        elementAt(intact.model, {int(std::lround(index[0])), int(std::lround(index[1])), int(std::lround(index[2]))});
    if (other < 0 || !isBone(intact.fillers[intact.model.material[other]].material)) return;
    const double was = intact.results.energy[other], is = implanted.results.energy[e];
    sum_before += was, sum_after += is;
    if (was <= least) return;
    change[e] = static_cast<float>(is / was - 1);
    compared.push_back(change[e]);
  });
  if (compared.empty())
    throw core::Error(core::Exit::DataError, {.what = "no bone is at one place in the intact and the implanted model",
                                              .hint = "both must be of one scan, with materials that fail as bone"});
  const auto share = [&](const auto& is_in) {
    return double(std::count_if(compared.begin(), compared.end(), is_in)) / double(compared.size());
  };
  return {{"compared_elements", compared.size()},
          {"compared_volume_mm3", double(compared.size()) * model.frame.spacing_mm.prod()},
          {"mean_change", sum_after / sum_before - 1},
          {"p05_change", percentile(compared, 0.05)},
          {"p50_change", percentile(compared, 0.5)},
          {"p95_change", percentile(compared, 0.95)},
          {"volume_share_below_minus_75_percent", share([](float c) { return c < -0.75F; })},
          {"volume_share_below_minus_50_percent", share([](float c) { return c < -0.5F; })},
          {"volume_share_below_minus_25_percent", share([](float c) { return c < -0.25F; })},
          {"volume_share_above_50_percent", share([](float c) { return c > 0.5F; })},
          {"volume_share_above_100_percent", share([](float c) { return c > 1.0F; })},
          {"measure", "change of strain energy density of bone, implanted against intact"},
          {"reference", "Huiskes, Weinans, van Rietbergen, Clin Orthop 274 (1992) 124-134"}};
}

json compareIntact(const Study& implanted, Study::Solved& solved, Study& intact, const LoadCase& load_case,
                   const SolveOptions& options, json& before) {
  const auto same = static_cast<std::size_t>(&load_case - implanted.cases().data());
  const auto other = intact.solveCase(intact.cases()[same], options, before);
  before.erase("test");
  return stressShielding({implanted.model(), solved.elements, implanted.fillers()},
                         {intact.model(), other.elements, intact.fillers()}, solved.elements.shielding);
}

}  // namespace osteo::simulate
