#include "segment/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace osteo::segment {

namespace {

constexpr double kLow = -1200, kHigh = 3200, kBin = 5;
constexpr double kSoftLow_hu = -20, kSoftHigh_hu = 110;  // where muscle is looked for

/// A smoothed histogram; padding far below air is left out.
class Histogram {
 public:
  explicit Histogram(const image::CtVolume& ct) : counts_(static_cast<std::size_t>((kHigh - kLow) / kBin), 0.0) {
    const auto [low, high] = std::minmax_element(ct.voxels.begin(), ct.voxels.end());
    min_ = *low;
    max_ = *high;
    for (const float hu : ct.voxels) {
      if (hu < kLow || hu >= kHigh) continue;
      counts_[bin(hu)] += 1;
      total_ += 1;
    }
    std::vector<double> smooth(counts_.size());
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      double sum = 0;
      for (std::size_t j = i < 2 ? 0 : i - 2; j <= std::min(i + 2, counts_.size() - 1); ++j) sum += counts_[j];
      smooth[i] = sum / 5;
    }
    counts_ = smooth;
  }
  static std::size_t bin(double hu) { return static_cast<std::size_t>((hu - kLow) / kBin); }
  static double centre(std::size_t b) { return kLow + (static_cast<double>(b) + 0.5) * kBin; }
  double at(double hu) const { return counts_[bin(std::clamp(hu, kLow, kHigh - kBin))]; }
  double share(double from, double to) const {
    double sum = 0;
    for (std::size_t b = bin(from); b < bin(to); ++b) sum += counts_[b];
    return total_ > 0 ? sum / total_ : 0;
  }
  double peak(double from, double to) const {
    std::size_t best = bin(from);
    for (std::size_t b = best; b < bin(to); ++b) {
      if (counts_[b] > counts_[best]) best = b;
    }
    return centre(best);
  }
  double least(double from, double to) const {
    return *std::min_element(counts_.begin() + static_cast<std::ptrdiff_t>(bin(from)),
                             counts_.begin() + static_cast<std::ptrdiff_t>(bin(to)) + 1);
  }
  double min() const { return min_; }
  double max() const { return max_; }

 private:
  std::vector<double> counts_;
  double total_ = 0, min_ = 0, max_ = 0;
};

/// Two Gaussians, fat and muscle, that share the histogram from -250 to 250 HU (expectation maximisation: Dempster,
/// Laird and Rubin 1977).
struct Tissues {
  double mean[2] = {-100, 50}, sd[2] = {30, 30}, weight[2] = {0.5, 0.5};
};
Tissues fatAndMuscle(const Histogram& histogram) {
  Tissues t;
  for (int step = 0; step < 60; ++step) {
    double n[2] = {}, sum[2] = {}, squares[2] = {};
    for (double hu = -250 + kBin / 2; hu < 250; hu += kBin) {
      double share[2];
      for (int g = 0; g < 2; ++g) {
        const double z = (hu - t.mean[g]) / t.sd[g];
        share[g] = t.weight[g] / t.sd[g] * std::exp(-z * z / 2) + 1e-300;
      }
      for (int g = 0; g < 2; ++g) {
        const double part = histogram.at(hu) * share[g] / (share[0] + share[1]);
        n[g] += part, sum[g] += part * hu, squares[g] += part * hu * hu;
      }
    }
    for (int g = 0; g < 2; ++g) {
      if (n[g] <= 0) continue;
      t.mean[g] = sum[g] / n[g];
      t.sd[g] = std::max(kBin, std::sqrt(std::max(0.0, squares[g] / n[g] - t.mean[g] * t.mean[g])));
      t.weight[g] = n[g] / (n[0] + n[1]);
    }
  }
  return t;
}

}  // namespace

Calibration calibrate(const image::CtVolume& ct) {
  const Histogram histogram(ct);
  const auto unfit = [&](std::string what, std::string hint) {
    return core::Error(core::Exit::DataError,
                       {.what = std::move(what),
                        .expected = "Hounsfield units: air near -1000, soft tissue between -100 and 100",
                        .got = fmt::format("values from {:.0f} to {:.0f}", histogram.min(), histogram.max()),
                        .hint = std::move(hint)});
  };
  if (histogram.max() - histogram.min() < 350) {
    if (histogram.max() < -300)
      throw unfit("the volume holds nothing but air", "check that the right series was imported");
    throw unfit("the grey values span too little for HU",
                "rescale the volume to HU first; 8-bit greys can't tell bone from metal");
  }
  // Raw scanner values start at 0 for air: soft tissue then lies near 1024, and nothing lies below -300.
  if (histogram.share(kLow, -300) < 0.002 && histogram.share(850, 1250) > 4 * histogram.share(-200, 250) &&
      histogram.share(850, 1250) > 0.1) {
    throw unfit("the grey values look like HU + 1024", "call again with --shift-hu -1024");
  }
  if (histogram.share(kLow, -300) < 0.002 && histogram.share(850, 1250) > 0.1 && histogram.share(-150, 250) > 0.2 &&
      histogram.min() > -200 && histogram.peak(-150, 600) < 300 &&
      histogram.share(300, 850) < 0.5 * histogram.share(850, 1250)) {
    throw unfit("the grey values look like HU + 1024", "call again with --shift-hu -1024");
  }
  // Every CT of a patient holds fat or air, and noise about water; MR and unscaled greys begin at 0.
  if (histogram.share(kLow, -20) < 0.0005) {
    throw unfit("the volume holds nothing below water: it is MR, or greys that are not HU",
                "segment is validated on CT alone; MR volumes can be inspected and registered, not segmented");
  }
  if (histogram.share(-200, 300) < 0.002) {
    throw unfit("the volume holds no soft tissue", "check the series and its rescale slope and intercept");
  }
  Calibration out;
  out.has_air = histogram.share(-1100, -850) > 0.01;
  if (out.has_air) out.air_hu = histogram.peak(-1100, -850);
  out.soft_hu = histogram.peak(kSoftLow_hu, kSoftHigh_hu);
  const double height = histogram.at(out.soft_hu);
  double low = out.soft_hu, high = out.soft_hu;
  while (low > out.soft_hu - 200 && histogram.at(low) > 0.6 * height) low -= kBin;
  while (high < out.soft_hu + 200 && histogram.at(high) > 0.6 * height) high += kBin;
  out.noise_hu = std::max(kBin / 2, high - out.soft_hu);
  if (out.soft_hu < kSoftLow_hu + 2 * kBin) {
    // No peak but the flank of fat's: muscle is the smaller part of a limb or of a large patient.
    const Tissues tissues = fatAndMuscle(histogram);
    if (tissues.mean[1] > kSoftLow_hu && tissues.mean[1] < kSoftHigh_hu)
      out.soft_hu = tissues.mean[1], out.noise_hu = tissues.sd[1];
  }
  out.fat_hu = histogram.peak(-150, -40);
  out.has_fat = histogram.share(-150, -40) > 0.01 && histogram.at(out.fat_hu) > 1.1 * histogram.least(out.fat_hu, 0);
  return out;
}

}  // namespace osteo::segment
