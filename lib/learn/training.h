#pragma once
#include <string>

#include "learn/weights.h"

namespace osteo::learn {

/// What every training has.
struct TrainingOptions {
  std::int64_t steps = 1000;
  std::int64_t batch = 2;
  double rate = 1e-3;
  std::uint64_t seed = 0;
  /// Folder of a checkpoint, "" without: written every `checkpoint_every` steps, and gone on from when it is there.
  std::string checkpoint = {};
  std::int64_t checkpoint_every = 200;
};

/// The optimiser's loop with progress, time left and checkpoints; returns the mean loss of the last twentieth. A run
/// that goes on from a checkpoint ends with the bytes of one that was never stopped (for equal threads). Throws
/// DataError when the checkpoint is of another network or another recipe.
double runTraining(Network& network, const TrainingOptions& options,
                   const std::function<void(std::int64_t step, Batch& batch)>& examples);

/// Smallest value that a share of all values does not exceed.
double quantile(std::vector<double> values, double share);

}  // namespace osteo::learn
