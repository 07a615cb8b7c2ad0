#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "core/parallel.h"
#include "segment/holes.h"
#include "segment/marrow.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kSoft_hu = 40, kWall_hu = 1200;
using Inside = std::function<bool(const Vector3d&)>;

/// Walls in soft tissue on 1 mm voxels, origin in the middle of the first two axes and of the third unless `cut`, where
/// the image begins at z = 0.
struct Scene {
  image::LabelVolume dense;
  image::CtVolume ct;
  Scene(const Inside& wall, const Inside& marrow, double marrow_hu, bool cut = false) {
    image::Frame frame;
    frame.size = {60, 60, cut ? 30 : 60};
    frame.origin_mm = {-29.5, -29.5, cut ? 0.5 : -29.5};
    dense = image::LabelVolume(frame);
    ct = image::CtVolume(frame, static_cast<float>(kSoft_hu));
    for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
      const auto at = static_cast<std::size_t>(v);
      const Vector3d p = frame.centre(v);
      if (marrow(p)) ct.voxels[at] = static_cast<float>(marrow_hu);
      if (!wall(p)) continue;
      dense.voxels[at] = 1;
      ct.voxels[at] = kWall_hu;
    }
  }
  image::LabelVolume whole() const { return segment::wholeBone(dense, ct, {.soft_hu = kSoft_hu}); }
};

/// Share of the voxels in which `where` holds that are set.
double shareIn(const image::LabelVolume& mask, const Inside& where) {
  double all = 0, found = 0;
  for (std::int64_t v = 0; v < mask.frame.voxelCount(); ++v) {
    if (!where(mask.frame.centre(v))) continue;
    all += 1;
    found += mask.voxels[static_cast<std::size_t>(v)];
  }
  return found / all;
}

/// Voxels that are set where `where` does not hold.
double outside(const image::LabelVolume& mask, const Inside& where) {
  double found = 0;
  for (std::int64_t v = 0; v < mask.frame.voxelCount(); ++v) {
    found += mask.voxels[static_cast<std::size_t>(v)] && !where(mask.frame.centre(v)) ? 1 : 0;
  }
  return found;
}

bool inShell(const Vector3d& p) { return p.norm() > 13 && p.norm() < 16; }
bool inBall(const Vector3d& p) { return p.norm() < 13; }

}  // namespace

TEST_CASE("the marrow of a closed shell is bone, whatever it holds but air; nothing outside is") {
  for (const double marrow_hu : {-80.0, 40.0, 200.0}) {
    const Scene scene(inShell, inBall, marrow_hu);
    const image::LabelVolume whole = scene.whole();
    CHECK(shareIn(whole, [](const Vector3d& p) { return p.norm() < 16; }) == 1);
    CHECK(outside(whole, [](const Vector3d& p) { return p.norm() < 16; }) == 0);
  }
  const Scene air(inShell, inBall, -1000);
  CHECK(shareIn(air.whole(), inBall) == 0);
}

TEST_CASE("a foramen leaves the marrow closed") {
  const auto wall = [](const Vector3d& p) { return inShell(p) && (p[2] < 0 || std::hypot(p[0], p[1]) > 2.5); };
  const image::LabelVolume whole = Scene(wall, inBall, 20).whole();
  CHECK(shareIn(whole, inBall) == 1);
  CHECK(outside(whole, [](const Vector3d& p) { return p.norm() < 16; }) < 20);
}

TEST_CASE("a body that the image cuts off at half its height is filled up to the border") {
  const auto wall = [](const Vector3d& p) {
    const double r = std::hypot(p[0], p[1]);
    // Its side has a gap wider than what is bridged, as the back wall of a vertebra may have.
    return p[2] < 18 && r < 18 && (p[2] > 16 || r > 16) && !(p[2] < 16 && p[0] > 0 && std::abs(p[1]) < 5);
  };
  const auto marrow = [](const Vector3d& p) { return p[2] < 16 && std::hypot(p[0], p[1]) < 16; };
  const image::LabelVolume whole = Scene(wall, marrow, 90, true).whole();
  CHECK(shareIn(whole, [](const Vector3d& p) { return p[2] < 16 && std::hypot(p[0], p[1]) < 12; }) > 0.95);
  CHECK(outside(whole, [](const Vector3d& p) { return p[2] < 18 && std::hypot(p[0], p[1]) < 18; }) < 100);
}

TEST_CASE("soft tissue between two plates further apart than what is bridged stays out") {
  const auto plates = [](const Vector3d& p) { return std::hypot(p[0], p[1]) < 18 && std::abs(std::abs(p[2]) - 6) < 1; };
  const image::LabelVolume whole = Scene(plates, plates, kWall_hu).whole();
  CHECK(shareIn(whole, [](const Vector3d& p) { return std::abs(p[2]) < 5; }) == 0);
}

TEST_CASE("what is dense stays, whatever surrounds it, and threads don't matter") {
  const auto speck = [](const Vector3d& p) { return inShell(p) || (p - Vector3d(22, 0, 0)).norm() < 2; };
  const Scene scene(speck, inBall, 60);
  core::setThreads(1);
  const image::LabelVolume one = scene.whole();
  core::setThreads(3);
  const image::LabelVolume three = scene.whole();
  core::setThreads(core::availableThreads());
  CHECK(one.voxels == three.voxels);
  for (std::size_t v = 0; v < one.voxels.size(); ++v) {
    if (scene.dense.voxels[v] && !one.voxels[v]) FAIL("a dense voxel was lost");
  }
}

TEST_CASE("votes: closed holes, holes that one side of the image cuts, and none for wide ones or ones that two cut") {
  image::Frame frame;
  frame.size = {30, 30, 1};
  image::LabelVolume mask(frame);
  const image::CtVolume ct(frame, 40.0f);
  const auto ring = [&](int i0, int j0, int i1, int j1) {
    for (int j = j0; j <= j1; ++j) {
      for (int i = i0; i <= i1; ++i) {
        if ((i == i0 || i == i1 || j == j0 || j == j1) && mask.contains(i, j, 0)) mask.at(i, j, 0) = 1;
      }
    }
  };
  ring(2, 2, 8, 8);      // closed
  ring(-1, 12, 4, 16);   // cut: 3 of an outline of 14
  ring(-1, 20, 1, 28);   // cut flat: 7 of 16
  ring(12, -1, 18, 3);   // cut wide: 5 of 16
  ring(12, 12, 28, 28);  // closed, radius 11
  const auto votes = segment::castVotes(mask, ct, 8);
  const auto at = [&](int i, int j) { return votes[static_cast<std::size_t>(ct.index(i, j, 0))]; };
  CHECK(at(5, 5) == segment::kClosedVote);
  CHECK(at(1, 14) == segment::kCutVote);
  CHECK(at(0, 24) == 0);
  CHECK(at(15, 1) == segment::kCutVote);
  const auto open_at = [&](int i, int j) {
    mask.at(i, j, 0) = 0;
    return segment::castVotes(mask, ct, 8)[static_cast<std::size_t>(ct.index(15, 1, 0))];
  };
  CHECK(open_at(15, 3) == 0);
  CHECK(at(20, 20) == 0);
  CHECK(at(8, 10) == 0);  // open
}
