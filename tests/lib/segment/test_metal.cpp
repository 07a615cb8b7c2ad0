#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "core/random.h"
#include "segment/metal.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kMuscle_hu = 45, kCortex_hu = 1000, kTitanium_hu = 8940;

/// Muscle of some noise with a block of bone for z < 0, and what `share` (0 to 1) of a voxel is metal of `metal_hu`;
/// values end at `ceiling_hu`. streaks_hu: amplitude of bands across the slices that hold metal.
struct Recipe {
  double spacing_mm = 1, metal_hu = kTitanium_hu, ceiling_hu = 3071, streaks_hu = 0, bone_mm = 12;
};
template <class Share>
image::CtVolume scan(const Recipe& recipe, const Share& share) {
  image::Frame frame;
  frame.spacing_mm = Vector3d::Constant(recipe.spacing_mm);
  frame.size = (Vector3d(120, 120, 40) / recipe.spacing_mm).cast<int>();
  frame.origin_mm = -0.5 * frame.spacing_mm.cwiseProduct((frame.size.array() - 1).cast<double>().matrix());
  image::CtVolume ct(frame);
  const core::Random random(3);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const Vector3d p = frame.centre(v);
    const bool bone = std::abs(p[0]) < recipe.bone_mm && std::abs(p[1]) < recipe.bone_mm;
    double hu = (bone ? kCortex_hu : kMuscle_hu) + 10 * random.normal(static_cast<std::uint64_t>(v));
    if (std::abs(p[2]) < 8 && !bone)
      hu += recipe.streaks_hu * std::exp(-p.norm() / 40) * std::sin(8 * std::atan2(p[1], p[0]) + p.norm());
    const double metal = share(p);
    ct.voxels[static_cast<std::size_t>(v)] =
        static_cast<float>(std::min(recipe.ceiling_hu, hu + metal * (recipe.metal_hu - hu)));
  }
  return ct;
}

/// Share of metal in a ball with a blurred edge (standard deviation in mm).
auto ball(double radius_mm, double sigma_mm) {
  return [=](const Vector3d& p) { return 0.5 * std::erfc((p.norm() - radius_mm) / sigma_mm / std::sqrt(2.0)); };
}

segment::MetalFound find(const image::CtVolume& ct, double metal_hu = 0) {
  return segment::findMetal(ct, image::LabelVolume(ct.frame, 1), {.metal_hu = metal_hu, .soft_hu = kMuscle_hu});
}

double volume_mm3(const segment::MetalFound& found) {
  double n = 0;
  for (const auto m : found.mask.voxels) n += m;
  return found.mask.voxels.empty() ? 0 : n * found.mask.frame.voxelVolume_mm3();
}

constexpr double ballVolume(double r) { return 4.0 / 3 * M_PI * r * r * r; }

}  // namespace

TEST_CASE("the metal's surface lies half way to its own level, or where a clipped scan's levels point to") {
  for (const double radius_mm : {4.0, 7.0}) {
    for (const double ceiling_hu : {3071.0, 20000.0}) {
      const auto found = find(scan({.ceiling_hu = ceiling_hu}, ball(radius_mm, 0.9)));
      CAPTURE(radius_mm, ceiling_hu);
      CHECK(volume_mm3(found) == Approx(ballVolume(radius_mm)).epsilon(0.12));
      CHECK(found.ceiling_hu == (ceiling_hu < 4000 ? ceiling_hu : 0));
      REQUIRE(found.parts.size() == 1);
      CHECK(found.parts[0].metal);
      CHECK(found.parts[0].site == "bone");
      CHECK(found.parts[0].centre_mm.norm() < 0.3);
    }
  }
}

TEST_CASE("what is small or blurred is metal where streaks come from it") {
  // A wire's bend of 1.6 mm in a clipped scan, and a screw that 2.5 mm voxels blur below 2500 HU.
  const auto wire = ball(1.6, 0.4), blurred = ball(3.6, 2.2);
  for (const double streaks_hu : {0.0, 90.0}) {
    const auto small = find(scan({.streaks_hu = streaks_hu}, wire));
    REQUIRE(small.parts.size() == 1);
    CHECK(small.parts[0].metal == (streaks_hu > 0));
    CHECK(small.parts[0].why == (streaks_hu > 0 ? "streaks" : "no streaks"));
    CHECK((small.parts[0].streak_ratio > 1.3) == (streaks_hu > 0));
    const auto coarse =
        find(scan({.spacing_mm = 2.5, .metal_hu = 2500, .streaks_hu = 3 * streaks_hu, .bone_mm = 6}, blurred));
    REQUIRE(coarse.parts.size() == 1);
    CAPTURE(coarse.parts[0].streak_ratio, coarse.parts[0].peak_hu);
    CHECK(coarse.parts[0].peak_hu < 2500);
    CHECK(coarse.parts[0].metal == (streaks_hu > 0));
  }
}

TEST_CASE("enamel, a scan's own ceiling below metal, and what lies outside the patient are no metal") {
  // A cap of 2 mm, 2900 HU: more than 60 mm³ lie above 2500 HU, but no ball of 1.2 mm fits.
  const auto cap = [](const Vector3d& p) { return std::abs(p.norm() - 7) < 1 && p[2] > 0 ? 1.0 : 0.0; };
  CHECK(find(scan({.metal_hu = 2900}, cap)).mask.voxels.empty());
  CHECK(find(scan({.metal_hu = 2900, .ceiling_hu = 1500}, ball(6, 0.8))).parts.empty());
  const auto ct = scan({}, ball(6, 0.8));
  const auto outside = segment::findMetal(ct, image::LabelVolume(ct.frame), {.soft_hu = kMuscle_hu});
  CHECK(outside.mask.voxels.empty());
  REQUIRE(outside.parts.size() == 1);
  CHECK(outside.parts[0].why == "outside the patient");
}

TEST_CASE("a threshold that is given is kept to") {
  const auto ct = scan({.metal_hu = 2200, .ceiling_hu = 20000}, ball(6, 0.8));
  CHECK(find(ct).mask.voxels.empty());
  // With the voxel of partial volume about it, above 1050 HU.
  CHECK(volume_mm3(find(ct, 1500)) > ballVolume(5.9));
  CHECK(volume_mm3(find(ct, 1500)) < ballVolume(7.1));
}

TEST_CASE("metal is the same for any thread count, and its bloom is no bone") {
  const auto ct = scan({}, ball(6, 1));
  const int before = core::threads();
  core::setThreads(1);
  const auto one = find(ct).mask.voxels;
  core::setThreads(2);
  const auto two = find(ct);
  core::setThreads(before);
  CHECK(one == two.mask.voxels);
  image::LabelVolume bone(ct.frame);  // a rim of bloom about metal whose other half lies in bone
  for (std::int64_t v = 0; v < ct.frame.voxelCount(); ++v) {
    const Vector3d p = ct.frame.centre(v);
    bone.voxels[static_cast<std::size_t>(v)] = p[0] < 0 || p.norm() < 8 ? 1 : 0;
  }
  segment::dropBloom(bone, two.mask);
  CHECK(bone.at(60 + 7, 60, 20) == 0);
  CHECK(bone.at(60 - 7, 60, 20) == 1);
  CHECK(bone.at(20, 60, 20) == 1);
}
