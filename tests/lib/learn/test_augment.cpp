#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"
#include "learn/augment.h"
#include "learn/regions.h"

using namespace osteo;

namespace {

/// A case whose HU are given by a function of the voxel.
template <class Value>
learn::PreparedCase caseOf(int side, const Value& hu) {
  learn::PreparedCase out;
  image::Frame frame;
  frame.size = {side, side, side};
  out.ct = image::CtVolume(frame);
  for (int k = 0; k < side; ++k)
    for (int j = 0; j < side; ++j)
      for (int i = 0; i < side; ++i) out.ct.at(i, j, k) = static_cast<float>(hu(i, j, k));
  out.labels.assign(out.ct.voxels.size(), image::Background);
  out.places.resize(learn::kLabels);
  return out;
}

learn::Plans plansOf(int side) {
  learn::Plans out;
  out.patch = {side, side, side};
  out.intensity = {0, 1, 0, -5000, 5000};  // HU stay what they are
  return out;
}

/// One patch that covers its case and of which nothing is changed but how long its voxels are.
std::vector<float> coarsened(const learn::PreparedCase& one, int side, std::uint64_t number, double most_coarser) {
  learn::Augmentation how{};
  how.turn = how.scale = how.noise = how.blur = how.contrast = how.shift = 0;
  how.mirror = false;
  how.low_resolution = 1, how.most_coarser = most_coarser;
  learn::Batch batch;
  learn::appendPatch(batch, {one}, plansOf(side), {5, number, true, how, {}});
  return batch.input;
}

}  // namespace

TEST_CASE("coarser voxels keep a slope where it lies, away from the border") {
  constexpr int kSide = 24, kAway = 7;
  const learn::PreparedCase slope = caseOf(kSide, [](int i, int j, int k) { return 10 * i - 7 * j + 3 * k; });
  for (std::uint64_t number = 0; number < 12; ++number) {
    const std::vector<float> hu = coarsened(slope, kSide, number, 3);
    double worst = 0;
    for (int k = kAway; k < kSide - kAway; ++k)
      for (int j = kAway; j < kSide - kAway; ++j)
        for (int i = kAway; i < kSide - kAway; ++i) {
          const auto at = static_cast<std::size_t>(i + kSide * (j + kSide * k));
          worst = std::max(worst, std::abs(static_cast<double>(hu[at]) - (10 * i - 7 * j + 3 * k)));
        }
    CHECK(worst < 1);  // the voxels that are averaged are constant inside; half a voxel astray is 1.5 and more
  }
}

TEST_CASE("coarser voxels average noise, along one axis or all") {
  constexpr int kSide = 24;
  const core::Random random(3, 4);
  const learn::PreparedCase noisy = caseOf(kSide, [&](int i, int j, int k) {
    return 100 * random.normal(static_cast<std::uint64_t>(i + kSide * (j + kSide * k)));
  });
  int one = 0, all = 0;
  for (std::uint64_t number = 0; number < 40; ++number) {
    const std::vector<float> hu = coarsened(noisy, kSide, number, 3);
    int smoother = 0;
    for (const int step : {1, kSide, kSide * kSide}) {  // what neighbours along an axis have in common
      double product = 0, square = 0;
      for (std::size_t v = 0; v + static_cast<std::size_t>(step) < hu.size(); ++v) {
        const double a = static_cast<double>(hu[v]), b = static_cast<double>(hu[v + static_cast<std::size_t>(step)]);
        product += a * b, square += a * a;
      }
      if (product / square > 0.1) ++smoother;
    }
    one += smoother == 1 ? 1 : 0, all += smoother == 3 ? 1 : 0;
  }
  CHECK(one + all > 30);  // the others are hardly coarser
  CHECK(one > 8);
  CHECK(all > 8);
}
