#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"
#include "segment/cortex_level.h"

using namespace osteo;

namespace {

constexpr double kAir_hu = -1000, kSoft_hu = 40, kMarrow_hu = 250, kFull_hu = 1500;

/// Air, 12 mm of soft tissue, a plate of cortex and marrow, one below the other and a little askew.
struct Layers {
  image::CtVolume ct;
  image::LabelVolume whole, dense;
  Layers(double plate_mm, double sigma_mm, double noise_hu) {
    image::Frame frame;
    frame.size = {60, 60, 48};
    ct = image::CtVolume(frame), whole = image::LabelVolume(frame), dense = image::LabelVolume(frame);
    const core::Random random(4, 9);
    const Eigen::Vector3d up = Eigen::Vector3d(0.09, 0.05, 1).normalized();
    const auto past = [&](double mm) { return 0.5 * std::erfc(-mm / (std::sqrt(2) * sigma_mm)); };
    for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
      const auto at = static_cast<std::size_t>(v);
      const double depth = 38 - frame.centre(v).dot(up);
      const double hu = kAir_hu + (kSoft_hu - kAir_hu) * past(depth) + (kFull_hu - kSoft_hu) * past(depth - 12) -
                        (kFull_hu - kMarrow_hu) * past(depth - 12 - plate_mm);
      ct.voxels[at] = static_cast<float>(hu + noise_hu * random.normal(at));
      whole.voxels[at] = depth > 11.7 ? 1 : 0;
      dense.voxels[at] = whole.voxels[at] && hu > 500 && depth < 18 ? 1 : 0;
    }
  }
};

}  // namespace

TEST_CASE("the point spread is read off the edge of the skin") {
  for (const double sigma_mm : {0.5, 0.7, 1.0}) {
    for (const double noise_hu : {0.0, 30.0})
      CHECK(segment::pointSpread_mm(Layers(2, sigma_mm, noise_hu).ct) == Approx(sigma_mm).epsilon(0.15));
  }
  Layers without_air(2, 0.7, 0);
  for (float& hu : without_air.ct.voxels) hu = std::max(hu, 0.0F);
  CHECK(segment::pointSpread_mm(without_air.ct) == 0);
}

TEST_CASE("full cortex is told where no voxel holds it alone") {
  for (const double noise_hu : {0.0, 25.0}) {
    const Layers thin(1.6, 0.8, noise_hu);
    const float brightest = *std::max_element(thin.ct.voxels.begin(), thin.ct.voxels.end());
    if (noise_hu == 0) CHECK(brightest < 1150);  // what the densest voxels would say
    CHECK(segment::fullCortex(thin.whole, thin.dense, thin.ct, kSoft_hu).hu == Approx(kFull_hu).epsilon(0.12));
  }
  const Layers thick(5, 0.8, 0);
  CHECK(segment::fullCortex(thick.whole, thick.dense, thick.ct, kSoft_hu).hu == Approx(kFull_hu).epsilon(0.02));
}

TEST_CASE("without an edge of the skin the densest voxels tell full cortex") {
  Layers thin(1.6, 0.8, 0);
  for (float& hu : thin.ct.voxels) hu = std::max(hu, 0.0F);
  CHECK(segment::fullCortex(thin.whole, thin.dense, thin.ct, kSoft_hu).hu < 1150);
}
