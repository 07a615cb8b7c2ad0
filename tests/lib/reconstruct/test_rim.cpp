#include <catch2/catch.hpp>
#include <cmath>

#include "levelset/level_set.h"
#include "reconstruct/rim.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kRadius_mm = 40, kPit_mm = 20, kVoxel_mm = 0.5;

levelset::LevelSet ball(double radius_mm, double pit_mm) {
  return levelset::fromFunction(
      [=](const Vector3d& p) {
        const double pit = pit_mm - (p - Vector3d(0, 0, kRadius_mm)).norm();
        return pit_mm > 0 ? std::max(p.norm() - radius_mm, pit) : p.norm() - radius_mm;
      },
      Vector3d::Constant(-radius_mm - 3), Vector3d::Constant(radius_mm + 3), kVoxel_mm);
}

}  // namespace

TEST_CASE("a proposal that is too large keeps the inside of a deep pit when the rim pulls it in") {
  // The correction of 2 mm exceeds the level set's band of three voxels, beyond which it knows no distance.
  const levelset::LevelSet bone = ball(kRadius_mm, kPit_mm);
  image::Frame seen;
  seen.size = {400, 400, 400};
  seen.origin_mm = Vector3d::Constant(-200);
  const reconstruct::Host host = reconstruct::prepareHost(bone, seen, 3);
  const auto whole = reconstruct::wholeOfMesh(levelset::toMesh(ball(kRadius_mm + 2, 0)), host.closed.frame, kVoxel_mm);
  const reconstruct::PieceOptions options{.least_free_share = 0, .defect_at_mm = Vector3d(0, 0, kRadius_mm)};
  const auto piece =
      reconstruct::choose(reconstruct::findCandidates(host, whole, {host.closed.frame, seen}, options), options);
  const auto fit = reconstruct::fitRim(host, whole, piece);
  CHECK(fit.before_mm == Approx(2).margin(0.3));
  CHECK(fit.corrected.fine({0, 0, kRadius_mm}) == Approx(0).margin(0.5));
  for (const double depth : {5.0, 10.0, 15.0, 19.0})
    CHECK(fit.corrected.fine({0, 0, kRadius_mm - depth}) == Approx(-depth).margin(2));
}
