#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"
#include "segment/vessels.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

double ramp(double depth) { return std::clamp(0.5 + depth, 0.0, 1.0); }

/// A shaft of bone along z (radius 9, cortex 2.5 mm, cancellous 220 HU) and a vessel (radius 5, 320 HU) that touches
/// it.
struct Scene {
  image::CtVolume ct;
  image::LabelVolume mask;
  double vesselShare() const {
    double n = 0, all = 0;
    for (std::int64_t v = 0; v < ct.frame.voxelCount(); ++v) {
      if (depth(ct.frame.centre(v)) < 0.5) continue;
      all += 1;
      n += mask.voxels[static_cast<std::size_t>(v)];
    }
    return n / all;
  }
  static double depth(const Vector3d& p) { return 5 - std::hypot(p[0] - 14, p[1] - 2 * std::sin(p[2] / 9)); }
};

Scene scene(double noise_hu) {
  image::Frame frame;
  frame.size = {60, 44, 50};
  frame.origin_mm = {-20, -22, -25};
  Scene out{image::CtVolume(frame), image::LabelVolume(frame)};
  const core::Random random(2);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const Vector3d p = frame.centre(v);
    const double bone = 9 - p.head<2>().norm();
    double hu = 45 + (320 - 45) * ramp(Scene::depth(p));
    hu += (1000 - hu) * ramp(bone);
    hu += (220 - hu) * ramp(bone - 2.5);
    hu += noise_hu * random.normal(static_cast<std::uint64_t>(v));
    out.ct.voxels[static_cast<std::size_t>(v)] = static_cast<float>(hu);
    out.mask.voxels[static_cast<std::size_t>(v)] = hu > 150 ? 1 : 0;
  }
  return out;
}

}  // namespace

TEST_CASE("a vessel that touches bone goes, the bone with its cancellous inside stays") {
  for (const double noise_hu : {5.0, 25.0}) {
    Scene s = scene(noise_hu);
    const image::LabelVolume before = s.mask;
    CHECK(s.vesselShare() > 0.97);
    const double removed = segment::dropVessels(s.mask, s.ct, 45, noise_hu);
    CHECK(s.vesselShare() < 0.05);
    CHECK(removed == Approx(M_PI * 25 * 50).epsilon(0.2));
    double lost = 0, bone = 0;
    for (std::int64_t v = 0; v < s.ct.frame.voxelCount(); ++v) {
      if (s.ct.frame.centre(v).head<2>().norm() > 8.5) continue;
      bone += before.voxels[static_cast<std::size_t>(v)];
      lost += before.voxels[static_cast<std::size_t>(v)] - s.mask.voxels[static_cast<std::size_t>(v)];
    }
    CHECK(lost < 0.002 * bone);
  }
}
