#include "learn/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"

namespace osteo::learn {

namespace {

using nlohmann::json;

const std::string kBest = "best.";  // prefix of the best tensors so far

json recipe(const TrainingOptions& options) {
  json out = {{"steps", options.steps}, {"batch", options.batch}, {"rate", options.rate}, {"seed", options.seed}};
  if (options.momentum > 0) out["momentum"] = options.momentum;
  if (!options.data.empty()) out["data_sha256"] = options.data;
  if (options.judging != nullptr) out["judged_every"] = options.judging->every;
  return out;
}

/// What a judge has seen so far goes with the state, and comes back.
void store(const Judging& judging, Weights& weights) {
  weights.training["judged"] = {
      {"notes", judging.notes}, {"loss_sum", judging.loss_sum}, {"loss_count", judging.loss_count}};
  for (Tensor tensor : judging.best) {
    tensor.name.insert(0, kBest);
    weights.network.tensors.push_back(std::move(tensor));
  }
}

void restore(Judging& judging, Weights& weights) {
  const json judged = weights.training.value("judged", json::object());
  judging.notes = judged.value("notes", json::object());
  judging.loss_sum = judged.value("loss_sum", 0.0);
  judging.loss_count = judged.value("loss_count", std::int64_t{0});
  for (Tensor& tensor : weights.network.tensors) {
    if (!tensor.name.starts_with(kBest)) continue;
    judging.best.push_back(std::move(tensor));
    judging.best.back().name.erase(0, kBest.size());
  }
  std::erase_if(weights.network.tensors, [](const Tensor& t) { return t.name.empty() || t.name.starts_with(kBest); });
}

void writeCheckpoint(const Network& network, const std::vector<Tensor>& state, std::int64_t next_step,
                     const TrainingOptions& options) {
  Weights weights{{network.architecture, network.settings, state}, recipe(options)};
  weights.training["next_step"] = next_step;
  if (options.judging != nullptr) store(*options.judging, weights);
  core::AtomicOutput output(options.checkpoint, true, core::AtomicOutput::Type::Folder);
  writeWeights(weights, output.temporaryPath());
  output.commit();
}

/// Takes the tensors over and returns the step to go on with.
std::int64_t readCheckpoint(Network& network, const TrainingOptions& options) {
  if (options.checkpoint.empty() || !std::filesystem::exists(options.checkpoint)) return 0;
  Weights weights = readWeights(options.checkpoint, network.architecture);
  const std::int64_t step = weights.training.value("next_step", std::int64_t{0});
  weights.training.erase("next_step");
  if (options.judging != nullptr) restore(*options.judging, weights);
  weights.training.erase("judged");
  if (weights.network.settings != network.settings || weights.training != recipe(options)) {
    throw core::Error(core::Exit::DataError, {.what = "the checkpoint belongs to another training",
                                              .file = core::baseName(options.checkpoint),
                                              .hint = "give the same options, or another --checkpoint"});
  }
  network.tensors = std::move(weights.network.tensors);
  core::info(fmt::format("goes on at step {} of {}", step, options.steps));
  return step;
}

void watch(Loop& loop, Judging& judging) {
  loop.judge_every = judging.every;
  loop.judge = [&judging](std::int64_t next_step, const std::vector<Tensor>& tensors) {
    const double loss = judging.loss_sum / static_cast<double>(std::max<std::int64_t>(1, judging.loss_count));
    judging.loss_sum = 0;
    judging.loss_count = 0;
    return judging.judge(next_step, loss, tensors);
  };
}

}  // namespace

double runTraining(Network& network, const TrainingOptions& options,
                   const std::function<void(std::int64_t step, Batch& batch)>& examples) {
  Loop loop;
  loop.first_step = readCheckpoint(network, options);
  loop.steps = options.steps;
  loop.rate = options.rate;
  loop.momentum = options.momentum;
  loop.seed = options.seed;
  loop.examples = examples;
  module();  // before the bar, which a message would break
  core::Progress progress("training", options.steps);
  progress.set(loop.first_step);
  const std::int64_t tail = std::max<std::int64_t>(1, options.steps / 20);
  double sum = 0, all = 0;
  std::int64_t count = 0;
  loop.told = [&](std::int64_t step, double loss) {
    progress.set(step + 1);
    if (step >= options.steps - tail) {
      sum += loss;
      ++count;
    }
    all += loss;
    if (options.judging != nullptr) {
      options.judging->loss_sum += loss;
      ++options.judging->loss_count;
    }
    if ((step + 1) % tail != 0) return;
    core::debug(fmt::format("step {}: mean loss {:.5f}", step + 1, all / static_cast<double>(tail)));
    all = 0;
  };
  if (!options.checkpoint.empty()) {
    loop.snapshot_every = options.checkpoint_every;
    loop.snapshot = [&](std::int64_t next_step, const std::vector<Tensor>& state) {
      writeCheckpoint(network, state, next_step, options);
    };
  }
  if (options.judging != nullptr) watch(loop, *options.judging);
  // A training that its judge has ended does not go on.
  if (options.judging != nullptr && options.judging->notes.value("stopped", false)) loop.steps = loop.first_step;
  train(network, loop);
  if (options.judging != nullptr && !options.judging->best.empty()) network.tensors = options.judging->best;
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(at + 0.5)];
}

}  // namespace osteo::learn
