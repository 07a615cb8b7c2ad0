#include "simulate/method.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "simulate/shielding.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;

std::optional<Study::Solved> solveOrPredict(const Job& job, const LoadCase& load_case, json& record) {
  if (!job.method.is_predicted) return job.study.solveCase(load_case, job.options, record);
  json prediction;
  if (job.study.predictCase(load_case, job.options, prediction) <= job.method.accuracy) {
    record = prediction;
    return std::nullopt;
  }
  job.study.requireMemory();
  // A cold start: the coarse displacements carried to the voxels save no iterations on the whole (apps/simulate.md).
  auto solved = job.study.solveCase(load_case, job.options, record);
  prediction.erase("test");
  prediction["error"] =
      std::abs(prediction["external_work_n_mm"].get<double>() / record["external_work_n_mm"].get<double>() - 1);
  record["method"] = "full";
  record["prediction"] = prediction;
  if (record.contains("test")) record["test"]["method"] = "full";
  return solved;
}

}  // namespace

std::optional<Study::Solved> solveBy(const Job& job, const LoadCase& load_case, json& results) {
  json& record = results["cases"][load_case.name];
  auto solved = solveOrPredict(job, load_case, record);
  if (solved && job.intact) {
    json& before = results["intact"][load_case.name];
    const auto& same = job.intact->cases()[static_cast<std::size_t>(&load_case - job.study.cases().data())];
    const auto other = job.intact->solveCase(same, job.options, before);
    before.erase("test");
    record["shielding"] =
        stressShielding({job.study.model(), solved->elements, job.study.fillers()},
                        {job.intact->model(), other.elements, job.intact->fillers()}, solved->elements.shielding);
  }
  if (record.contains("test")) {
    results.update(record["test"]);
    record.erase("test");
  }
  return solved;
}

}  // namespace osteo::simulate
