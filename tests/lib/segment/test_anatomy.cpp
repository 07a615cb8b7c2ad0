#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "segment/anatomy.h"
#include "segment/hip_joints.h"
#include "segment/instances.h"
#include "segment/spine.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

double ramp(double depth) { return std::clamp(0.5 + depth / 2, 0.0, 1.0); }

/// A scan in soft tissue of 40 HU on voxels of 2 mm; bone(p) tells how deep p lies in bone (mm, negative outside):
/// cortex of 2.5 mm of 900 HU about spongy bone of 250 HU.
template <class Bone>
image::CtVolume scan(const Eigen::Vector3i& size, const Vector3d& origin_mm, const Bone& bone) {
  image::Frame frame;
  frame.size = size;
  frame.spacing_mm.setConstant(2);
  frame.origin_mm = origin_mm;
  image::CtVolume ct(frame);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const double d = bone(frame.centre(v));
    double hu = 40 + (900 - 40) * ramp(d);
    hu += (250 - hu) * ramp(d - 2.5);
    ct.voxels[static_cast<std::size_t>(v)] = static_cast<float>(hu);
  }
  return ct;
}

template <class Inside>
image::LabelVolume mask(const image::Frame& frame, const Inside& inside) {
  image::LabelVolume out(frame);
  for (std::size_t v = 0; v < out.voxels.size(); ++v)
    out.voxels[v] = inside(frame.centre(static_cast<std::int64_t>(v))) ? 1 : 0;
  return out;
}

double box(const Vector3d& p, const Vector3d& centre, const Vector3d& half) {
  return (half - (p - centre).cwiseAbs()).minCoeff();
}

constexpr double kPitch_mm = 34, kDisc_mm = 8;

/// A body in front of the canal, walls at its sides and behind it; `height` about 0.
double vertebra(const Vector3d& p, double half_height_mm) {
  const double z = half_height_mm - std::abs(p[2]);
  const double body = 20 - std::hypot(p[0], (p[1] + 24) * 1.2);
  const double ring = std::min(std::hypot(p[0], p[1]) - 8, 16 - std::hypot(p[0] * 0.9, p[1] - 2));
  return std::min(std::max(body, ring), z);
}

/// Vertebrae one above the other with their discs between; below `sacrum_mm` no discs, but wings at the sides.
double column(const Vector3d& p, double sacrum_mm) {
  if (p[2] < sacrum_mm - kDisc_mm / 2) {
    const double wings = box(p, {0, -14, sacrum_mm - 50}, {52, 13, 46});
    const double canal = std::hypot(p[0], p[1]) - 8;
    return std::min({std::max(vertebra({p[0], p[1], 0}, 100), wings), sacrum_mm - kDisc_mm / 2 - p[2], canal});
  }
  const double over = p[2] - sacrum_mm, middle = (std::floor(over / kPitch_mm) + 0.5) * kPitch_mm;
  return vertebra({p[0], p[1], over - middle}, (kPitch_mm - kDisc_mm) / 2);
}

segment::Coarse coarse(const image::CtVolume& ct, const image::LabelVolume& whole) {
  return segment::coarsen(whole, ct, 40);
}

segment::Bones bonesOf(const image::CtVolume& ct, const image::LabelVolume& whole, bool anatomy = true) {
  const auto dense =
      mask(ct.frame, [&](const Vector3d& p) { return image::sampleLinear(ct, ct.frame.toIndex(p), 40) > 150; });
  return segment::separateBones({dense, whole}, ct, {.anatomy = anatomy});
}

const segment::Bone* named(const segment::Bones& bones, const std::string& name) {
  for (const auto& bone : bones.list) {
    if (bone.identity.name == name) return &bone;
  }
  return nullptr;
}

/// The hip joint at the origin, its hip bone to the right of it: a socket around the ball's upper inner half, and a
/// plate upwards; the ball has a neck down and to the left.
double hip(const Vector3d& p, double gap_mm) {
  const double far = p.norm();
  const Vector3d neck(0.8, 0, -0.6);
  const double along = p.dot(neck);
  const double femur = std::max(22 - far, std::min(12 - (p - along * neck).norm(), std::min(along, 60 - along)));
  const double socket = std::min({far - 22 - gap_mm, 30 + gap_mm - far, -along / 1.2 + 4, 40 - std::abs(p[1])});
  const double wing = std::min(box(p, {-14, 0, 48}, {9, 24, 20}), far - 22 - gap_mm);
  return std::max(femur, std::max(socket, wing));
}

}  // namespace

TEST_CASE("the canal is followed and the discs are found, also where bone bridges them") {
  const auto bridged = [](const Vector3d& p) {
    const double bridge =
        std::min(5 - std::abs(p[0] - 8), 4 - std::abs(p[1] + 38));  // osteophyte in front of all discs
    return std::max(column(p, -1000), bridge);
  };
  const auto ct = scan({70, 50, 100}, {-70, -60, 0}, bridged);
  const auto whole = mask(ct.frame, [&](const Vector3d& p) { return bridged(p) > 0; });
  const auto found = segment::findColumn(coarse(ct, whole));
  REQUIRE_FALSE(found.empty());
  CHECK(found.score > 0.6);
  for (std::size_t s = 10; s + 10 < found.canal_mm.size(); ++s)
    CHECK(std::hypot(found.canal_mm[s][0], found.canal_mm[s][1]) < 5);
  CHECK(found.sacrum_disc == -1);
  REQUIRE(found.discs.size() >= 4);
  for (const auto& disc : found.discs) {
    const double z = found.canal_mm[static_cast<std::size_t>(disc.at)][2] + 1000;
    CHECK(std::abs(std::remainder(z, kPitch_mm)) < 2.5);
  }
}

TEST_CASE("vertebrae are counted from the sacrum, and from the top where none is in view") {
  for (const double sacrum : {60.0, -1000.0}) {
    const auto bone = [&](const Vector3d& p) { return column(p, sacrum); };
    const auto ct = scan({70, 50, 100}, {-70, -60, 0}, bone);
    // The whole-bone mask has bridged the discs.
    const auto whole = mask(
        ct.frame, [&](const Vector3d& p) { return bone(p) > 0 || (20 - std::hypot(p[0], (p[1] + 24) * 1.2) > 0); });
    const auto bones = bonesOf(ct, whole);
    if (sacrum < 0) {
      CHECK(named(bones, "vertebra L5") == nullptr);
      CHECK(named(bones, "sacrum") == nullptr);
      CHECK(named(bones, "vertebra 1") != nullptr);
      REQUIRE(named(bones, "vertebra 3") != nullptr);
      CHECK(named(bones, "vertebra 2")->centre_mm[2] > named(bones, "vertebra 3")->centre_mm[2]);
      continue;
    }
    const auto *l5 = named(bones, "vertebra L5"), *l4 = named(bones, "vertebra L4"), *below = named(bones, "sacrum");
    REQUIRE(l5);
    REQUIRE(l4);
    REQUIRE(below);
    CHECK(l5->centre_mm[2] == Approx(sacrum + kPitch_mm / 2).margin(3));
    CHECK(l4->centre_mm[2] == Approx(sacrum + 1.5 * kPitch_mm).margin(3));
    CHECK(below->centre_mm[2] < sacrum);
    CHECK(l5->identity.how.find("if five") != std::string::npos);
    CHECK(l5->identity.score > 0.4);
  }
}

TEST_CASE("a fused column is not cut") {
  const auto fused = [](const Vector3d& p) { return vertebra({p[0], p[1], 0}, 300); };
  const auto ct = scan({70, 50, 90}, {-70, -60, 0}, fused);
  const auto whole = mask(ct.frame, [&](const Vector3d& p) { return fused(p) > 0; });
  CHECK(segment::findColumn(coarse(ct, whole)).discs.empty());
  CHECK(bonesOf(ct, whole).list.size() == 1);
}

TEST_CASE("femora are parted from hip bones in their sockets and named by their side") {
  for (const double gap : {5.0, 3.5}) {
    const auto bone = [&](const Vector3d& p) {
      const Vector3d left(p[0] - 85, p[1], p[2] - 60), right(-p[0] - 85, p[1], p[2] - 60);
      return std::max(hip(left, gap), hip(right, gap));
    };
    const auto ct = scan({136, 32, 66}, {-135, -31, 0}, bone);
    const auto whole = mask(ct.frame, [&](const Vector3d& p) {
      const Vector3d at(std::abs(p[0]) - 85, p[1], p[2] - 60);
      return bone(p) > 0 || (at.norm() < 26 + gap && hip(at, 0) > 0);  // the joint space is bridged
    });
    const auto heads = segment::findFemoralHeads(coarse(ct, whole));
    REQUIRE(heads.size() == 2);
    CHECK((heads[0].centre_mm - Vector3d(85, 0, 60)).norm() < 5);
    CHECK((heads[1].centre_mm - Vector3d(-85, 0, 60)).norm() < 5);
    CHECK(heads[0].radius_mm == Approx(22).margin(3));
    const auto bones = bonesOf(ct, whole);
    const auto *femur = named(bones, "femur left"), *hip_bone = named(bones, "hip bone left");
    REQUIRE(femur);
    REQUIRE(hip_bone);
    REQUIRE(named(bones, "femur right"));
    REQUIRE(named(bones, "hip bone right"));
    CHECK(femur->centre_mm[0] > 85);
    CHECK(hip_bone->centre_mm[2] > 80);
    CHECK(named(bones, "femur right")->centre_mm[0] < -85);
    // Each voxel of ball and plate has its own.
    const auto at = [&](const Vector3d& p) {
      const Eigen::Vector3i i = ct.frame.toIndex(p).array().round().cast<int>();
      return bones.labels.at(i[0], i[1], i[2]);
    };
    CHECK(at({85, 0, 60 + 16}) == femur->label);
    CHECK(at({85 + 40, 0, 60 - 30}) == femur->label);
    CHECK(at({85, 0, 60 + 26 + gap}) == hip_bone->label);
    CHECK(at({85 - 26 - gap, 0, 60}) == hip_bone->label);
  }
}

TEST_CASE("no anatomy is seen in other shapes, and the bones stay what they were") {
  // Two blocks, a tube and a ball.
  const auto bone = [](const Vector3d& p) {
    const double ball = 24 - (p - Vector3d(40, 0, 40)).norm();
    const double tube = std::min(std::hypot(p[0] + 40, p[1]) - 7, 14 - std::hypot(p[0] + 40, p[1]));
    return std::max({ball, tube, box(p, {0, 0, 130}, {40, 20, 14})});
  };
  const auto ct = scan({70, 40, 80}, {-70, -40, 0}, bone);
  const auto whole = mask(ct.frame, [&](const Vector3d& p) { return bone(p) > 0; });
  const auto with = bonesOf(ct, whole), without = bonesOf(ct, whole, false);
  CHECK(with.labels.voxels == without.labels.voxels);
  for (const auto& one : with.list) CHECK(one.identity.name.empty());
}

TEST_CASE("anatomy gives equal bytes for any number of threads, and tilted grids the same names") {
  const auto bone = [&](const Vector3d& p) { return column(p, 60); };
  const auto ct = scan({70, 50, 100}, {-70, -60, 0}, bone);
  const auto whole = mask(ct.frame, [&](const Vector3d& p) { return bone(p) > 0; });
  const int before = core::threads();
  core::setThreads(1);
  const auto one = bonesOf(ct, whole);
  core::setThreads(2);
  const auto two = bonesOf(ct, whole);
  core::setThreads(before);
  CHECK(one.labels.voxels == two.labels.voxels);
  // The same patient with the axes of the grid turned round: x to the right, z down.
  auto turned = ct;
  turned.frame.direction = Vector3d(-1, 1, -1).asDiagonal();
  turned.frame.origin_mm = ct.frame.toWorld({ct.frame.size[0] - 1.0, 0, ct.frame.size[2] - 1.0});
  for (std::int64_t v = 0; v < ct.frame.voxelCount(); ++v)
    turned.voxels[static_cast<std::size_t>(v)] =
        image::sampleLinear(ct, ct.frame.toIndex(turned.frame.centre(v)).array().round().matrix(), 40);
  const auto other = bonesOf(turned, mask(turned.frame, [&](const Vector3d& p) { return bone(p) > 0; }));
  for (const std::string name : {"sacrum", "vertebra L5", "vertebra L4"}) {
    REQUIRE(named(one, name));
    REQUIRE(named(other, name));
    CHECK((named(one, name)->centre_mm - named(other, name)->centre_mm).norm() < 2);
  }
}
