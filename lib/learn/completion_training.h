#pragma once
#include "learn/training.h"

namespace osteo::learn {

struct CompletionTraining {
  TrainingOptions loop;
  int bones = 80;   ///< procedural bones that examples are cut from
  int unseen = 40;  ///< examples of other bones that the record's measures come from
  int base = 16;    ///< features of the first level
  int levels = 3;
};

/// Trains the completion network (learn/completion.h) on bones of learn/bones.h: nothing is read, so the recipe is the
/// code and the seed. `training` tells loss, Dice and 95 % surface distance of the missing piece for unseen bones, with
/// and without the mirrored copy.
Weights trainCompletion(const CompletionTraining& options);

/// Agreement of recovered and true missing pieces over `count` unseen examples.
struct CompletionScore {
  double dice_median = 0, dice_p10 = 0, hd95_median_mm = 0, hd95_p90_mm = 0;
};
CompletionScore scoreCompletion(const Network& network, std::uint64_t seed, int count, bool mirrored);

}  // namespace osteo::learn
