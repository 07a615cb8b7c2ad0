#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "reconstruct/complete.h"
#include "reconstruct/flap.h"
#include "reconstruct/grid_cut.h"
#include "view.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

const Vector3d kAxis = Vector3d(0.9, 0.3, 0.45).normalized();
constexpr double kOuter = 55, kThick = 5, kFlap = 20, kSunken = 3;

/// Half a skull-cap, the same on both sides, open below.
double cap(const Vector3d& p, double thickness = kThick) {
  const double r = p.cwiseQuotient(Vector3d(1, 1.15, 0.95)).norm(), inner = kOuter - kThick;
  return std::max({r - inner - thickness, inner - r, -25 - p.z()});
}

/// Distance to the side of the saw cut's inner edge about the axis, negative in the flap.
double flapSide(const Vector3d& p, double radius) {
  const double along = p.dot(kAxis);
  return along > 0 ? (p - along * kAxis).norm() - radius : 1e3;
}

levelset::LevelSet shape(const std::function<double(const Vector3d&)>& f) {
  return levelset::fromFunction(f, Vector3d(-60, -70, -30), Vector3d(60, 70, 60), 0.8);
}

/// With a sunken flap in the hole; along so many degrees of its edge bone half as thick holds it.
levelset::LevelSet withFlap(double kerf_mm, double bridge_deg) {
  return shape([=](const Vector3d& p) {
    const Vector3d u = kAxis.unitOrthogonal(), w = kAxis.cross(u);
    const double turn = std::atan2(p.dot(u), p.dot(w)) * 57.29577951308232;
    const double host = std::max(cap(p), -flapSide(p, kFlap + kerf_mm)),
                 flap = std::max(cap(p + kSunken * kAxis), flapSide(p, kFlap));
    const double bridge = std::max({cap(p, kThick / 2), flapSide(p, kFlap + kerf_mm), kFlap - 4 - flapSide(p, 0),
                                    (std::abs(turn) - bridge_deg / 2) * 0.35});
    return std::min({host, flap, bridge_deg > 0 ? bridge : 1e3});
  });
}

}  // namespace

TEST_CASE("two blocks on a bridge are parted at the bridge") {
  const Eigen::Vector3i size(20, 8, 8);
  std::vector<reconstruct::Role> role(size.prod(), reconstruct::Role::Outside);
  const auto at = [&](int x, int y, int z) { return static_cast<std::size_t>((z * size[1] + y) * size[0] + x); };
  for (int z = 1; z < 7; ++z) {
    for (int y = 1; y < 7; ++y) {
      for (int x = 0; x < 20; ++x) {
        const bool bridge = x >= 8 && x < 12;
        if (bridge && (y < 3 || y > 4 || z < 2 || z > 4)) continue;
        role[at(x, y, z)] = reconstruct::Role::Inside;
      }
    }
  }
  role[at(2, 3, 3)] = reconstruct::Role::Source;
  for (int y = 1; y < 7; ++y) role[at(2, y, 4)] = reconstruct::Role::Source;
  for (int y = 1; y < 7; ++y) role[at(17, y, 4)] = reconstruct::Role::Sink;
  const auto cut = reconstruct::cutBetween(role, size);
  CHECK(cut.faces == 6);
  CHECK(cut.voxels.size() == 8 * 36);
}

TEST_CASE("a bone flap that was put back loosely isn't host: the hole is the flap and the gap around it") {
  core::setThreads(2);
  for (const double bridge_deg : {0.0, 140.0}) {
    const double kerf = 3;
    INFO(bridge_deg);
    const auto bone = withFlap(kerf, bridge_deg);
    const auto truth = shape([=](const Vector3d& p) { return std::max(cap(p), flapSide(p, kFlap + kerf)); });
    reconstruct::CompletionReport report;
    const auto piece = reconstruct::complete(bone, wideView(), {}, report);
    REQUIRE(report.flap);
    const double common = levelset::volume_mm3(levelset::intersect(piece, truth));
    const double dice = 2 * common / (levelset::volume_mm3(piece) + levelset::volume_mm3(truth));
    WARN("Dice " << dice << ", flap " << report.flap->volume_mm3 << " mm³, " << 100 * report.flap->open_share
                 << " % of its edge open");
    CHECK(dice > 0.95);
    CHECK(report.flap->volume_mm3 == Approx(M_PI * kFlap * kFlap * kThick).epsilon(0.15));
    CHECK(report.flap->centre_mm.normalized().dot(kAxis) > 0.995);
    CHECK(report.flap->open_share > (bridge_deg > 0 ? 0.4 : 0.99));
    CHECK(levelset::intersect(piece, report.flap->host).empty());
    const double flap_left = levelset::volume_mm3(levelset::intersect(
        report.flap->host,
        shape([=](const Vector3d& p) { return std::max(cap(p + kSunken * kAxis), flapSide(p, kFlap - 1)); })));
    CHECK(flap_left < 1);
  }
}

TEST_CASE("what is no flap stays: a whole bone, and one with a straight gap") {
  core::setThreads(2);
  const auto find = [](const levelset::LevelSet& bone) {
    return reconstruct::findFlap(bone, reconstruct::prepareHost(bone, wideView(), 3), 500);
  };
  CHECK_FALSE(find(shape([](const Vector3d& p) { return cap(p); })));
  CHECK_FALSE(find(shape(
      [](const Vector3d& p) { return std::max(cap(p), p.z() > 10 && p.x() > 0 ? 1.5 - std::abs(p.y()) : -1e3); })));
}
