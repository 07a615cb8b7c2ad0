#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "core/random.h"
#include "segment/instances.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

double ramp(double depth) { return std::clamp(0.5 + depth, 0.0, 1.0); }

/// A scan whose HU follow from the depth below the nearest bone surface (mm, negative outside): cortex of 2 mm and
/// cancellous bone in soft tissue, edges of one voxel of 1 mm.
template <class Depth>
image::CtVolume scan(const Eigen::Vector3i& size, double noise_hu, const Depth& depth) {
  image::Frame frame;
  frame.size = size;
  frame.origin_mm = -(size.cast<double>() - Vector3d::Ones()) / 2;
  image::CtVolume ct(frame);
  const core::Random random(9);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const double d = depth(frame.centre(v));
    double hu = 40 + (900 - 40) * ramp(d);
    hu += (250 - hu) * ramp(d - 2);
    ct.voxels[static_cast<std::size_t>(v)] =
        static_cast<float>(hu + noise_hu * random.normal(static_cast<std::uint64_t>(v)));
  }
  return ct;
}

/// What a threshold with closing makes of such a scan: everything above 150 HU, and the gap bridged.
template <class Inside>
image::LabelVolume mask(const image::CtVolume& ct, const Inside& inside) {
  image::LabelVolume out(ct.frame);
  for (std::size_t v = 0; v < out.voxels.size(); ++v) {
    out.voxels[v] = ct.voxels[v] > 150 || inside(ct.frame.centre(static_cast<std::int64_t>(v))) ? 1 : 0;
  }
  return out;
}

/// Two blocks that face each other over a joint space of `gap` mm at z = 0.
double blocks(const Vector3d& p, double gap) {
  const double side = std::min(12 - std::abs(p[0]), 10 - std::abs(p[1]));
  return std::min(side, std::min(std::abs(p[2]) - gap / 2, 22 - std::abs(p[2])));
}

}  // namespace

TEST_CASE("bones that a narrow joint space parts are two") {
  for (const double noise_hu : {8.0, 20.0}) {
    const auto ct = scan({40, 36, 60}, noise_hu, [](const Vector3d& p) { return blocks(p, 2); });
    const auto dense = mask(ct, [](const Vector3d&) { return false; });
    const auto whole = mask(ct, [](const Vector3d& p) { return blocks(p, 0) > 0; });
    const auto bones = segment::separateBones({dense, whole}, ct, {.soft_hu = 40, .noise_hu = noise_hu});
    REQUIRE(bones.list.size() == 2);
    CHECK(bones.list[0].centre_mm[2] * bones.list[1].centre_mm[2] < -90);
    CHECK(bones.list[0].volume_mm3 == Approx(bones.list[1].volume_mm3).epsilon(0.05));
    CHECK(bones.labels.at(20, 18, 15) != bones.labels.at(20, 18, 45));
    CHECK_FALSE(bones.list[0].cut_off);
  }
}

TEST_CASE("a neck, a thin spot and a marrow space part nothing") {
  // A waisted bone, like a femoral neck.
  const auto neck = [](const Vector3d& p) {
    return 7 + 5 * std::pow(std::sin(p[2] / 12), 2) - std::hypot(p[0], p[1]) - std::max(0.0, std::abs(p[2]) - 24);
  };
  // A plate with a groove that leaves half of it.
  const auto plate = [](const Vector3d& p) {
    const double half = std::abs(p[0]) < 4 ? 1.5 : 3;
    return std::min(half - std::abs(p[2]), std::min(17 - std::abs(p[0]), 15 - std::abs(p[1])));
  };
  const auto count = [](const auto& depth) {
    const auto ct = scan({40, 36, 60}, 10, depth);
    const auto dense = mask(ct, [](const Vector3d&) { return false; });
    const auto whole = mask(ct, [&](const Vector3d& p) { return depth(p) > 0; });
    return segment::separateBones({dense, whole}, ct, {.soft_hu = 40, .noise_hu = 10}).list.size();
  };
  CHECK(count(neck) == 1);
  CHECK(count(plate) == 1);
}

TEST_CASE("every voxel of bone belongs to one, whatever the number of threads") {
  const auto ct = scan({40, 36, 60}, 30, [](const Vector3d& p) { return blocks(p, 1.5); });
  const auto dense = mask(ct, [](const Vector3d&) { return false; });
  const auto whole = mask(ct, [](const Vector3d& p) { return blocks(p, 0) > 0; });
  const int before = core::threads();
  core::setThreads(1);
  const auto one = segment::separateBones({dense, whole}, ct, {.soft_hu = 40, .noise_hu = 30});
  core::setThreads(2);
  const auto two = segment::separateBones({dense, whole}, ct, {.soft_hu = 40, .noise_hu = 30});
  core::setThreads(before);
  CHECK(one.labels.voxels == two.labels.voxels);
  double volume = 0;
  for (const auto& bone : one.list) volume += bone.volume_mm3;
  double voxels = 0, astray = 0;
  for (std::size_t v = 0; v < whole.voxels.size(); ++v) {
    voxels += whole.voxels[v];
    astray += (whole.voxels[v] != 0) != (one.labels.voxels[v] != 0);
  }
  CHECK(volume == Approx(voxels));
  CHECK(astray == 0);
}
