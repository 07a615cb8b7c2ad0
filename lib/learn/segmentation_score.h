#pragma once
#include <array>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "learn/cases.h"
#include "learn/segmentation.h"

/// How well labels and probabilities agree with what is known of cases.
namespace osteo::learn {

/// Labels of a CT by some method.
using Segmenter = std::function<image::LabelVolume(const image::CtVolume& ct)>;

/// Dice of bone of any kind, cortical, cancellous, metal and defect over the cases whose truth holds them, for each
/// kind of margin as well; and what is called defect in cases without one. A case on which the method fails counts as
/// found empty.
class LabelJudge {
 public:
  void add(const Case& one, const image::LabelVolume& found, const image::LabelVolume& truth);
  /// {"cases", "dice": {label: {"mean", "median", "p10", "cases"}}, "defect_by_margin": …, "false_defect_mm3"}
  nlohmann::json summary() const;
  /// Mean Dice over the cases with this label; nothing when there are none.
  std::vector<double> dice(const std::string& label) const;

 private:
  int cases_ = 0;
  std::map<std::string, std::vector<double>> dice_, by_margin_;
  std::vector<double> false_defect_mm3_;
};

/// Logits with their truth, of voxels inside the true or the found envelope.
struct Sampled {
  std::array<std::vector<float>, kRegions> logits;
  std::array<std::vector<std::uint8_t>, kRegions> inside;
  void add(const float* slice, std::size_t plane, const std::uint16_t* truth, std::size_t stride);
};

/// Which parts of the label Defect are too small to be believed: the least volume of a part with which the mean Dice of
/// the cases that were added is best (nnU-Net's postprocessing); a case without a defect counts 1 where none is found.
class LeastDefect {
 public:
  void add(const image::LabelVolume& found, const image::LabelVolume& truth);
  double best_mm3() const;

 private:
  std::vector<double> sum_;
};

/// One temperature a region, by the least cross-entropy of sigmoid(logit / T) (Guo et al., ICML 2017).
std::array<double, kRegions> fitTemperature(const Sampled& seen);
/// The gap between stated and true share in 15 bins of the stated one, weighted by voxels: of each region (0 for one
/// that was not seen), and the mean over those that were.
std::array<double, kRegions> calibrationErrors(const Sampled& seen, const std::array<double, kRegions>& temperature);
double calibrationError(const Sampled& seen, const std::array<double, kRegions>& temperature);

}  // namespace osteo::learn
