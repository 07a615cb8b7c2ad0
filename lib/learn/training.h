#pragma once
#include <string>

#include "learn/weights.h"

namespace osteo::learn {

/// A judge of a training under way, asked every so many steps with the mean loss since the last time; false ends the
/// training. What it notes and the tensors it calls the best are kept by checkpoints; these become the result.
struct Judging {
  std::int64_t every = 0;
  std::function<bool(std::int64_t next_step, double loss, const std::vector<Tensor>& tensors)> judge = {};
  nlohmann::json notes = nlohmann::json::object();
  std::vector<Tensor> best = {};
  double loss_sum = 0;
  std::int64_t loss_count = 0;
};

/// What every training has.
struct TrainingOptions {
  std::int64_t steps = 1000;
  std::int64_t batch = 2;
  double rate = 1e-3;
  double momentum = 0;  ///< above 0: Nesterov's momentum in place of Adam
  std::uint64_t seed = 0;
  std::string data = {};  ///< a hash of what is read, if anything; a checkpoint goes on with the same alone
  /// Folder of a checkpoint, "" without: written every `checkpoint_every` steps, and gone on from when it is there.
  std::string checkpoint = {};
  std::int64_t checkpoint_every = 200;
  Judging* judging = nullptr;
};

/// The optimiser's loop with progress, time left and checkpoints; returns the mean loss of the last twentieth. A run
/// that goes on from a checkpoint ends with the bytes of one that was never stopped (for equal threads). Throws
/// DataError when the checkpoint is of another network or another recipe.
double runTraining(Network& network, const TrainingOptions& options,
                   const std::function<void(std::int64_t step, Batch& batch)>& examples);

/// Smallest value that a share of all values does not exceed.
double quantile(std::vector<double> values, double share);

}  // namespace osteo::learn
