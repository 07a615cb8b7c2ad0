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

json recipe(const TrainingOptions& options) {
  return {{"steps", options.steps}, {"batch", options.batch}, {"rate", options.rate}, {"seed", options.seed}};
}

void writeCheckpoint(const Network& network, const std::vector<Tensor>& state, std::int64_t next_step,
                     const TrainingOptions& options) {
  Weights weights{{network.architecture, network.settings, state}, recipe(options)};
  weights.training["next_step"] = next_step;
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
  if (weights.network.settings != network.settings || weights.training != recipe(options)) {
    throw core::Error(core::Exit::DataError, {.what = "the checkpoint belongs to another training",
                                              .file = core::baseName(options.checkpoint),
                                              .hint = "give the same options, or another --checkpoint"});
  }
  network.tensors = std::move(weights.network.tensors);
  core::info(fmt::format("goes on at step {} of {}", step, options.steps));
  return step;
}

}  // namespace

double runTraining(Network& network, const TrainingOptions& options,
                   const std::function<void(std::int64_t step, Batch& batch)>& examples) {
  Loop loop;
  loop.first_step = readCheckpoint(network, options);
  loop.steps = options.steps;
  loop.rate = options.rate;
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
  train(network, loop);
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(at + 0.5)];
}

}  // namespace osteo::learn
