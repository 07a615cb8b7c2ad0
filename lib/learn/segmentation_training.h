#pragma once
#include "learn/augment.h"
#include "learn/segmentation_score.h"
#include "learn/training.h"

namespace osteo::learn {

struct SegmentationTraining {
  TrainingOptions loop;
  PlanWishes plan;
  Augmentation augmentation;
  Sampling sampling;
  std::int64_t validate_every = 200;
  int validation_patches = 12;  ///< the same ones every time
  int patience = 0;             ///< validations without a better one after which it ends; 0: never
  Segmenter classical = {};     ///< is judged on the same unseen cases where it is given
};

struct SegmentationTrained {
  Weights weights;  ///< training: recipe, curve's best, figures of unseen cases, temperature, limits of what is known
  Plans plans;
  nlohmann::json curve = nlohmann::json::array();  ///< step, loss, dice of each region and of the defect
};

/// Trains a segmentation network on the cases of cases.json: plans from their fingerprint, patches with augmentation,
/// binary cross-entropy and Dice of nested regions with deep supervision. The network of the best validation is kept,
/// calibrated on the validation cases and judged on the test cases. Throws DataError naming the case, Memory.
SegmentationTrained trainSegmentation(const std::string& cases_path, const SegmentationTraining& options);

/// Peak memory in bytes of a training, by the headers of its cases.
double trainingBytes(const std::vector<Case>& cases, const SegmentationTraining& options);

}  // namespace osteo::learn
