#include "design_scaffold/response_training.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/progress.h"
#include "core/random.h"
#include "design_scaffold/percentile.h"
#include "simulate/failure.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;

constexpr double kCoverage = 0.9;
constexpr int kValidation = 10;                // one of so many
constexpr std::uint64_t kUnseen = 1ULL << 32;  // seeds from here on are never learnt

/// Puts an example into the corner of a cube of cells.
void append(learn::Batch& batch, const ResponseExample& example) {
  const auto pad = [&](const std::vector<float>& values, std::vector<float>& to) {
    const Eigen::Vector3i& size = example.cells;
    const std::size_t channels = values.size() / static_cast<std::size_t>(size.prod());
    const std::size_t first = to.size();
    to.resize(first + channels * kMostCells * kMostCells * kMostCells, 0.0F);
    for (std::size_t row = 0; row < channels * static_cast<std::size_t>(size[1] * size[2]); ++row) {
      const std::size_t j = row % static_cast<std::size_t>(size[1]),
                        k = row / static_cast<std::size_t>(size[1]) % static_cast<std::size_t>(size[2]),
                        c = row / static_cast<std::size_t>(size[1] * size[2]);
      std::copy_n(
          values.begin() + static_cast<std::ptrdiff_t>(row) * size[0], size[0],
          to.begin() + static_cast<std::ptrdiff_t>(first + kMostCells * (j + kMostCells * (k + kMostCells * c))));
    }
  };
  pad(example.input, batch.input), pad(example.target, batch.target), pad(example.weight, batch.weight);
  ++batch.count;
}

void fill(learn::Batch& batch, const std::vector<const ResponseExample*>& known, std::int64_t step,
          const learn::TrainingOptions& options) {
  constexpr std::array<std::array<int, 3>, 6> kOrders = {
      {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}, {1, 0, 2}, {2, 1, 0}}};
  const core::Random random(options.seed, 91);
  for (std::int64_t b = 0; b < options.batch; ++b) {
    const auto n = 4 * static_cast<std::uint64_t>(step * options.batch + b);
    const auto which = static_cast<std::size_t>(random.uniform(n) * static_cast<double>(known.size()));
    Turn turn;
    turn.order = kOrders[static_cast<std::size_t>(6 * random.uniform(n + 1))];
    turn.mirrored = static_cast<int>(8 * random.uniform(n + 2));
    turn.negative = random.uniform(n + 3) < 0.5;
    append(batch, turned(*known[which], turn));
  }
}

/// Mean over examples of the weighted squared error, and of the squared logarithm of the sum's error.
std::pair<double, double> errorOf(const learn::Network& network, const std::vector<const ResponseExample*>& examples) {
  constexpr std::size_t kBatch = 16, kAll = kSubs * kMostCells * kMostCells * kMostCells;
  double squares = 0, sums = 0;
  for (std::size_t first = 0; first < examples.size(); first += kBatch) {
    learn::Batch batch;
    for (std::size_t n = first; n < std::min(first + kBatch, examples.size()); ++n) append(batch, *examples[n]);
    const std::vector<float> said = learn::apply(network, batch);
    for (std::size_t n = 0; n < static_cast<std::size_t>(batch.count); ++n) {
      double error = 0, weights = 0, mine = 0, wanted = 0;
      for (std::size_t v = 0; v < kAll; ++v) {
        const double weight = static_cast<double>(batch.weight[2 * n * kAll + v]),
                     share = static_cast<double>(batch.weight[(2 * n + 1) * kAll + v]),
                     target = static_cast<double>(batch.target[n * kAll + v]),
                     own = static_cast<double>(said[2 * n * kAll + v]);
        error += weight * (own - target) * (own - target), weights += weight;
        mine += share * std::exp(own), wanted += share * std::exp(target);
      }
      squares += error / weights;
      sums += std::pow(std::log(mine / wanted), 2);
    }
  }
  const auto count = static_cast<double>(examples.size());
  return {squares / count, sums / count};
}

/// The smallest value that holds the coverage of as many again.
double conformal(std::vector<double> values) {
  if (values.empty()) return 1;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(kCoverage * static_cast<double>(values.size() + 1)));
  return values[std::min(values.size(), rank) - 1];
}

std::vector<JudgedResponse> judgeAll(const ResponseSurrogate& surrogate, const std::vector<std::string>& kinds,
                                     int count, std::uint64_t seed, const char* what) {
  core::Progress progress(what, count);
  std::vector<std::optional<JudgedResponse>> all(static_cast<std::size_t>(count));
  core::parallelFor(count, [&](std::int64_t n) {
    const auto at = static_cast<std::size_t>(n);
    all[at] = judgeResponse(surrogate, drawnResponseCase(kinds[at % kinds.size()], seed + at));
    progress.advance();
  });
  std::vector<JudgedResponse> out;
  for (auto& one : all)
    if (one) out.push_back(std::move(*one));
  return out;
}

json percent(const std::vector<double>& logarithms) {
  std::vector<double> errors;
  for (const double l : logarithms) errors.push_back(100 * std::abs(std::expm1(l)));
  return {{"median_percent", learn::quantile(errors, 0.5)}, {"p90_percent", learn::quantile(errors, 0.9)}};
}

/// Two columns of judged cases as one list.
std::vector<double> column(const std::vector<JudgedResponse>& judged, double JudgedResponse::*of) {
  std::vector<double> out;
  for (const JudgedResponse& j : judged) out.push_back(j.*of);
  return out;
}

json intervalsOf(const std::vector<JudgedResponse>& judged) {
  std::vector<double> work, peak, element;
  for (const JudgedResponse& j : judged) {
    work.push_back(std::abs(j.work) / std::log(j.work_factor));
    peak.push_back(std::abs(j.peak) / std::log(j.peak_factor));
    element.insert(element.end(), j.element.begin(), j.element.end());
  }
  return {{"work", conformal(work)}, {"peak", conformal(peak)}, {"energy", conformal(element)}};
}

}  // namespace

std::optional<JudgedResponse> judgeResponse(const ResponseSurrogate& surrogate, const ResponseCase& given) {
  constexpr double kLeastEnergy = 1e-6;  // of the mean
  CoarseBody body(*given.model);
  const auto answer = solveCoarsely(body, given.conditions);
  if (!answer) return std::nullopt;
  const FullAnswer full = solveFully(*given.model, given.conditions);
  if (!(answer->work_n_mm > 0 && full.work_n_mm > 0)) return std::nullopt;  // all of it is held
  const ResponseGuess guess = surrogate(body, {*answer}).front();
  JudgedResponse out;
  out.kind = given.kind;
  out.work = std::log(guess.work_n_mm / full.work_n_mm);
  out.coarse_work = std::log(answer->work_n_mm / full.work_n_mm);
  out.work_factor = guess.work_factor, out.peak_factor = guess.peak_factor;
  const double mean = full.work_n_mm / static_cast<double>(full.energy_n_mm.size());
  double off = 0, coarse_off = 0;
  std::vector<std::pair<double, double>> stress, coarse_stress, true_stress;
  for (std::size_t e = 0; e < full.energy_n_mm.size(); ++e) {
    const double own = std::sqrt(guess.energy_n_mm[e]), coarse = std::sqrt(answer->energy_n_mm[e]),
                 truth = std::sqrt(std::max(0.0, full.energy_n_mm[e]));
    off += (own - truth) * (own - truth), coarse_off += (coarse - truth) * (coarse - truth);
    if (full.energy_n_mm[e] > kLeastEnergy * mean)
      out.element.push_back(2 * std::abs(std::log(own / truth)) / std::log(guess.energy_factor[e]));
    const double mises = simulate::vonMises(simulate::stressOf(given.model->stiffness.at(e), answer->strain[e]));
    coarse_stress.emplace_back(mises, 1), stress.emplace_back(mises * guess.strain_scale[e], 1);
    true_stress.emplace_back(coarse > 0 ? mises * truth / coarse : 0, 1);
  }
  out.field = std::sqrt(off / full.work_n_mm), out.coarse_field = std::sqrt(coarse_off / full.work_n_mm);
  const double peak = weightedPercentile(true_stress, 0.98);
  out.peak = std::log(weightedPercentile(stress, 0.98) / peak);
  out.coarse_peak = std::log(weightedPercentile(coarse_stress, 0.98) / peak);
  return out;
}

json summary(const std::vector<JudgedResponse>& judged) {
  double work = 0, peak = 0, elements = 0, held = 0;
  for (const JudgedResponse& j : judged) {
    work += std::abs(j.work) <= std::log(j.work_factor) ? 1 : 0;
    peak += std::abs(j.peak) <= std::log(j.peak_factor) ? 1 : 0;
    for (const double e : j.element) held += e <= 1 ? 1 : 0;
    elements += static_cast<double>(j.element.size());
  }
  const auto count = std::max(1.0, static_cast<double>(judged.size()));
  json out = {{"cases", judged.size()}};
  out["stiffness_error"] = percent(column(judged, &JudgedResponse::work));
  out["peak_stress_error"] = percent(column(judged, &JudgedResponse::peak));
  out["field_error_median_percent"] = 100 * learn::quantile(column(judged, &JudgedResponse::field), 0.5);
  out["coverage_of_90_percent"] = {
      {"stiffness", work / count}, {"peak_stress", peak / count}, {"energy", held / std::max(1.0, elements)}};
  json& coarse = out["four_times_coarser"];
  coarse["stiffness_error"] = percent(column(judged, &JudgedResponse::coarse_work));
  coarse["peak_stress_error"] = percent(column(judged, &JudgedResponse::coarse_peak));
  coarse["field_error_median_percent"] = 100 * learn::quantile(column(judged, &JudgedResponse::coarse_field), 0.5);
  return out;
}

ResponseTrained trainResponse(const ResponseTraining& training) {
  const std::vector<ResponseExample> all = drawnExamples(training.recipe, training.folder);
  std::vector<const ResponseExample*> known, choosing;
  for (std::size_t n = 0; n < all.size(); ++n) {
    if (*std::max_element(all[n].weight.begin(), all[n].weight.end()) <= 0)
      continue;  // nothing moves: all of it is held
    (n % kValidation == kValidation - 1 ? choosing : known).push_back(&all[n]);
  }
  ResponseTrained out;
  learn::Network& network = out.weights.network;
  network.architecture = "response-net";
  network.settings = {{"channels", kResponseChannels},
                      {"outputs", kSubs},
                      {"width", training.width},
                      {"blocks", training.blocks},
                      {"x", kMostCells},
                      {"y", kMostCells},
                      {"z", kMostCells}};
  learn::Judging judging;
  judging.every = training.judge_every;
  judging.notes = {{"curve", json::array()}, {"best", 1e300}};
  judging.judge = [&](std::int64_t next_step, double loss, const std::vector<learn::Tensor>& tensors) {
    const auto [squares, sums] = errorOf({network.architecture, network.settings, tensors}, choosing);
    judging.notes["curve"].push_back(
        {{"step", next_step}, {"loss", loss}, {"validation", squares}, {"validation_of_sums", sums}});
    if (squares + 2 * sums < judging.notes["best"].get<double>()) {
      judging.notes["best"] = squares + 2 * sums;
      judging.best = tensors;
    }
    return true;
  };
  learn::TrainingOptions options = training.loop;
  if (!choosing.empty()) options.judging = &judging;
  learn::runTraining(network, options,
                     [&](std::int64_t step, learn::Batch& batch) { fill(batch, known, step, training.loop); });
  out.curve = judging.notes["curve"];
  json& record = out.weights.training;
  record = {{"data", "procedural implants of lib/design_scaffold/response_cases.h"},
            {"cases", {{"train", known.size()}, {"validation", choosing.size()}}},
            {"bodies", {{"train", teachingBodies()}, {"intervals", calibratingBodies()}, {"unseen", judgingBodies()}}},
            {"steps", training.loop.steps},
            {"batch", training.loop.batch},
            {"rate", training.loop.rate},
            {"seed", training.loop.seed}};
  record["interval_factor"] = {{"work", 1.0}, {"peak", 1.0}, {"energy", 1.0}};
  const std::uint64_t unseen = core::mix(training.recipe.seed) + kUnseen;
  const auto calibrated = judgeAll(ResponseSurrogate(out.weights), calibratingBodies(), training.calibrating, unseen,
                                   "cases that set the intervals");
  record["interval_factor"] = intervalsOf(calibrated);
  record["cases"]["intervals"] = calibrated.size();
  record["unseen"] = summary(
      judgeAll(ResponseSurrogate(out.weights), judgingBodies(), training.judging, unseen + kUnseen, "unseen bodies"));
  return out;
}

}  // namespace osteo::design_scaffold
