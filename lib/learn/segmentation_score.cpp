#include "learn/segmentation_score.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "image/metrics.h"
#include "image/morphology.h"
#include "learn/training.h"

namespace osteo::learn {

using nlohmann::json;

namespace {

constexpr int kAnyBone = -1;
const std::map<std::string, int> kJudged = {{"bone", kAnyBone},
                                            {"cortical", image::Cortical},
                                            {"cancellous", image::Cancellous},
                                            {"metal", image::Metal},
                                            {"defect", image::Defect}};

constexpr double kLeastDefects_mm3[] = {0, 25, 50, 100, 200, 400, 800};

double meanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

json describe(const std::vector<double>& dice) {
  return {
      {"mean", meanOf(dice)}, {"median", quantile(dice, 0.5)}, {"p10", quantile(dice, 0.1)}, {"cases", dice.size()}};
}

bool isBone(std::uint16_t label) {
  return label == image::Cortical || label == image::Cancellous || label >= kSomeBone;
}

/// Voxels with a label in either volume and in both.
struct Counts {
  std::int64_t found = 0, truth = 0, both = 0;
  double dice() const { return 2.0 * static_cast<double>(both) / static_cast<double>(found + truth); }
};

Counts count(const image::LabelVolume& found, const image::LabelVolume& truth, int label) {
  const auto is = [&](std::uint16_t v) { return label == kAnyBone ? isBone(v) : v == label; };
  Counts out;
  for (std::size_t v = 0; v < truth.voxels.size(); ++v) {
    const bool f = is(found.voxels[v]), t = is(truth.voxels[v]);
    out.found += f, out.truth += t, out.both += f && t;
  }
  return out;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double crossEntropy(const std::vector<float>& logits, const std::vector<std::uint8_t>& inside, double temperature) {
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double x = logits[i] / temperature;
    sum += std::max(x, 0.0) - x * inside[i] + std::log1p(std::exp(-std::abs(x)));
  }
  return sum;
}

}  // namespace

void LabelJudge::add(const Case& one, const image::LabelVolume& found, const image::LabelVolume& truth) {
  ++cases_;
  for (const auto& [name, label] : kJudged) {
    const Counts counts = count(found, truth, label);
    if (counts.truth > 0) {
      dice_[name].push_back(counts.dice());
      if (label == image::Defect && !one.margin.empty()) by_margin_[one.margin].push_back(counts.dice());
    } else if (label == image::Defect) {
      false_defect_mm3_.push_back(static_cast<double>(counts.found) * truth.frame.voxelVolume_mm3());
    }
  }
}

json LabelJudge::summary() const {
  json out = {{"cases", cases_}, {"dice", json::object()}};
  for (const auto& [name, values] : dice_) out["dice"][name] = describe(values);
  for (const auto& [margin, values] : by_margin_) out["defect_by_margin"][margin] = describe(values);
  if (!false_defect_mm3_.empty()) out["false_defect_mm3"] = meanOf(false_defect_mm3_);
  return out;
}

std::vector<double> LabelJudge::dice(const std::string& label) const {
  const auto found = dice_.find(label);
  return found == dice_.end() ? std::vector<double>{} : found->second;
}

void Sampled::add(const float* slice, std::size_t plane, const std::uint16_t* truth, std::size_t stride) {
  for (std::size_t v = 0; v < plane; v += stride) {
    const std::uint16_t label = truth[v];
    if (label == image::Implant) continue;
    const Membership is = membership(label >= 10 ? kSomeBone : static_cast<std::uint8_t>(label));
    if (slice[v] < 0 && is.inside[Envelope] == 0 && is.inside[MetalParts] == 0) continue;
    for (std::size_t r = 0; r < kRegions; ++r) {
      if (is.known[r] == 0) continue;
      logits[r].push_back(slice[r * plane + v]);
      inside[r].push_back(is.inside[r] > 0 ? 1 : 0);
    }
  }
}

void LeastDefect::add(const image::LabelVolume& found, const image::LabelVolume& truth) {
  sum_.resize(std::size(kLeastDefects_mm3));
  const image::Components parts =
      image::components(image::select(found, {image::Defect}), image::Connectivity::Corners);
  std::vector<std::int64_t> both(parts.voxels.size(), 0);
  std::int64_t all = 0;
  for (std::size_t v = 0; v < truth.voxels.size(); ++v) {
    if (truth.voxels[v] != image::Defect) continue;
    ++all;
    if (parts.ids.voxels[v] > 0) ++both[static_cast<std::size_t>(parts.ids.voxels[v] - 1)];
  }
  for (std::size_t t = 0; t < sum_.size(); ++t) {
    Counts kept{0, all, 0};
    for (std::size_t p = 0; p < both.size(); ++p) {
      if (static_cast<double>(parts.voxels[p]) * truth.frame.voxelVolume_mm3() < kLeastDefects_mm3[t]) continue;
      kept.found += parts.voxels[p], kept.both += both[p];
    }
    sum_[t] += kept.found + kept.truth > 0 ? kept.dice() : 1;
  }
}

double LeastDefect::best_mm3() const {
  if (sum_.empty()) return 0;
  return kLeastDefects_mm3[std::max_element(sum_.begin(), sum_.end()) - sum_.begin()];
}

std::array<double, kRegions> fitTemperature(const Sampled& seen) {
  std::array<double, kRegions> out{};
  for (std::size_t r = 0; r < kRegions; ++r) {
    double low = std::log(0.2), high = std::log(8.0);  // golden section on log T: the cross-entropy has one valley
    constexpr double kGolden = 0.6180339887498949;
    const auto cost = [&](double t) { return crossEntropy(seen.logits[r], seen.inside[r], std::exp(t)); };
    double a = high - kGolden * (high - low), b = low + kGolden * (high - low), at_a = cost(a), at_b = cost(b);
    for (int i = 0; i < 24; ++i) {
      if (at_a < at_b) {
        high = b, b = a, at_b = at_a;
        a = high - kGolden * (high - low), at_a = cost(a);
      } else {
        low = a, a = b, at_a = at_b;
        b = low + kGolden * (high - low), at_b = cost(b);
      }
    }
    out[r] = seen.logits[r].empty() ? 1 : std::exp(0.5 * (low + high));
  }
  return out;
}

std::array<double, kRegions> calibrationErrors(const Sampled& seen, const std::array<double, kRegions>& temperature) {
  constexpr std::size_t kBins = 15;
  std::array<double, kRegions> out{};
  for (std::size_t r = 0; r < kRegions; ++r) {
    std::array<double, kBins> stated{}, truth{};
    for (std::size_t i = 0; i < seen.logits[r].size(); ++i) {
      const double p = sigmoid(seen.logits[r][i] / temperature[r]);
      const std::size_t bin = std::min(kBins - 1, static_cast<std::size_t>(p * kBins));
      stated[bin] += p;
      truth[bin] += seen.inside[r][i];
    }
    for (std::size_t b = 0; b < kBins && !seen.logits[r].empty(); ++b)
      out[r] += std::abs(stated[b] - truth[b]) / static_cast<double>(seen.logits[r].size());
  }
  return out;
}

double calibrationError(const Sampled& seen, const std::array<double, kRegions>& temperature) {
  const auto errors = calibrationErrors(seen, temperature);
  double sum = 0, regions = 0;
  for (std::size_t r = 0; r < kRegions; ++r)
    if (!seen.logits[r].empty()) sum += errors[r], regions += 1;
  return regions > 0 ? sum / regions : 0;
}

}  // namespace osteo::learn
