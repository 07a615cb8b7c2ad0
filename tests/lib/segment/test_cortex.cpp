#include <catch2/catch.hpp>
#include <cmath>

#include "segment/steps.h"

using namespace osteo;

namespace {

constexpr double kSoft_hu = 40, kSpongy_hu = 300, kFull_hu = 1500, kBlur_mm = 0.8;

/// Of a step from 0 to 1 at 0, blurred.
double step(double x_mm) { return 0.5 * std::erfc(-x_mm / (std::sqrt(2) * kBlur_mm)); }

/// Bone below z = 0 under a cortex that is `mm` thick where x < 24 mm, 5 mm thick beyond; voxels of 1 mm.
struct Slab {
  image::CtVolume ct;
  image::LabelVolume whole;
  explicit Slab(double mm) {
    image::Frame frame;
    frame.size = {40, 24, 32};
    frame.origin_mm = {0.5, 0.5, -19.3};
    ct = image::CtVolume(frame), whole = image::LabelVolume(frame);
    for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
      const Eigen::Vector3d p = frame.centre(v);
      const double depth = -p[2], thick = p[0] < 24 ? mm : 5;
      const double hu = kSoft_hu + (kFull_hu - kSoft_hu) * step(depth) - (kFull_hu - kSpongy_hu) * step(depth - thick);
      ct.voxels[static_cast<std::size_t>(v)] = static_cast<float>(hu);
      // A low threshold's bone: what the blur lifts counts too.
      whole.voxels[static_cast<std::size_t>(v)] = depth > -0.8 ? 1 : 0;
    }
  }
  /// Cortical voxels of a column, on the mean over the thin part.
  double thickness_mm(const image::LabelVolume& cortical) const {
    double sum = 0;
    for (int k = 0; k < 32; ++k) {
      for (int j = 4; j < 20; ++j) {
        for (int i = 4; i < 18; ++i) sum += cortical.at(i, j, k);
      }
    }
    return sum / (16 * 14);
  }
};

}  // namespace

TEST_CASE("blurred cortex is as thick as it is, to the nearest voxel") {
  for (const double mm : {1.0, 2.0, 3.0, 4.0}) {
    const Slab slab(mm);
    const auto cortical = segment::findCortex(slab.whole, slab.ct, {.soft_hu = kSoft_hu, .split_hu = 600}).mask;
    CHECK(slab.thickness_mm(cortical) == Approx(mm));
    for (std::size_t v = 0; v < cortical.voxels.size(); ++v) {
      if (cortical.voxels[v] && !slab.whole.voxels[v]) FAIL("cortex outside the bone");
    }
  }
}

TEST_CASE("what merely covers cortex is peeled off, the cortex and what no cortex backs stay") {
  Slab slab(3);
  const auto cortical = segment::findCortex(slab.whole, slab.ct, {.soft_hu = kSoft_hu, .split_hu = 600}).mask;
  const image::LabelVolume before = slab.whole;
  segment::peelOffCortex(slab.whole, cortical, slab.ct, kSoft_hu);
  for (std::int64_t v = 0; v < before.frame.voxelCount(); ++v) {
    const auto at = static_cast<std::size_t>(v);
    if (cortical.voxels[at] && !slab.whole.voxels[at]) FAIL("cortex was peeled off");
    // The layer at 0.7 mm outside is mostly soft; the one at 0.3 mm deep and what lies below are bone.
    if (before.frame.centre(v)[2] < 0 && !slab.whole.voxels[at]) FAIL("bone was peeled off");
  }
  CHECK(before.at(10, 10, 20) == 1);
  CHECK(slab.whole.at(10, 10, 20) == 0);
  const image::LabelVolume none(before.frame);
  image::LabelVolume whole = before;
  segment::peelOffCortex(whole, none, slab.ct, kSoft_hu);
  CHECK(whole.voxels == before.voxels);
}
