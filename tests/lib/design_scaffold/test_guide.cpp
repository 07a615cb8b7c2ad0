#include <Eigen/Geometry>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "design_scaffold/guide.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using Eigen::Vector3d;

namespace {

constexpr double kPi = 3.14159265358979323846;

Lesion ball(const Vector3d& centre, double radius_mm) {
  const levelset::LevelSet solid = levelset::fromFunction(
      [&](const Vector3d& p) { return (p - centre).norm() - radius_mm; }, centre - Vector3d::Constant(radius_mm + 1),
      centre + Vector3d::Constant(radius_mm + 1), 0.3);
  return {solid, levelset::toMesh(solid)};
}

/// A piece of shaft along z with a closed marrow canal.
levelset::LevelSet shaft() {
  return levelset::fromFunction(
      [](const Vector3d& p) {
        const double out = std::hypot(p.x(), p.y());
        return std::max({out - 14, std::min(6 - out, 36 - std::abs(p.z())), std::abs(p.z()) - 40});
      },
      {-16, -16, -42}, {16, 16, 42}, 0.4);
}

void checkPrintable(const nlohmann::json& r, const GuideShape& shape) {
  INFO(r.dump());
  CHECK(r["closed"] == true);
  CHECK(r["components"] == 1);
  CHECK(r["overlap_mm3"] == 0);
  CHECK(r["gap_min_mm"].get<double>() > shape.gap_mm - 0.1);
  CHECK(r["gap_p50_mm"].get<double>() == Approx(shape.gap_mm).margin(0.05));
  CHECK(r["lift_off_clearance_min_mm"].get<double>() > shape.gap_mm - 0.1);
  CHECK(r["cutting_face_off_max_mm"].get<double>() < 0.1);
  CHECK(r["pin_holes"].size() == 2);
}

}  // namespace

TEST_CASE("on a plate the guide is a ring of the wanted size whose face continues the cut") {
  const levelset::LevelSet bone =
      levelset::fromFunction([](const Vector3d& p) { return (p.cwiseAbs() - Vector3d(40, 40, 6)).maxCoeff(); },
                             {-42, -42, -8}, {42, 42, 8}, 0.4);
  const Lesion lesion = ball({0, 0, 0}, 8);
  const Region region = regionAround(lesion, 10);
  const GuideShape shape{.access = Vector3d(0, 0, 1)};
  nlohmann::json r;
  const Guide guide = makeGuide(bone, region, shape, r);
  checkPrintable(r, shape);
  // Between the spheres of 18 and 26 mm, from 6.2 to 10.2 mm above the middle, less two holes.
  CHECK(r["volume_mm3"].get<double>() == Approx(kPi * (26 * 26 - 18 * 18) * 4 - 2 * kPi * 4).epsilon(0.01));
  CHECK(r["cutting_face_area_mm2"].get<double>() == Approx(2 * kPi * 18 * 3).epsilon(0.1));
  CHECK(r["bars"] == 0);
  CHECK(r["outline_guided_share"].get<double>() == Approx(0.5).margin(0.05));  // the other half is underneath
  CHECK((guide.holes[0].point_mm - guide.holes[1].point_mm).norm() > 35);
  for (const PinHole& hole : guide.holes) CHECK(levelset::sample(guide.solid, hole.point_mm) > 0.6);
}

TEST_CASE("across a shaft the guide is one piece with a face at either cut, and lifts off") {
  const levelset::LevelSet bone = shaft();
  const Region region =
      regionOf({{{Vector3d(0, 0, -12), Vector3d(0, 0, -1)}, {Vector3d(0, 0, 12), Vector3d(0, 0, 1)}}}, bone);
  const GuideShape shape{.thickness_mm = 3, .kerf_mm = 1, .access = Vector3d(1, 0.2, 0)};
  nlohmann::json r;
  const Guide guide = makeGuide(bone, region, shape, r);
  checkPrintable(r, shape);
  CHECK(r["bars"] == 2);
  CHECK(r["outline_guided_share"].get<double>() == Approx(160 / 360.0).margin(0.05));
  const Vector3d out = guide.access;
  for (const double side : {-1.0, 1.0}) {
    CHECK(levelset::sample(guide.solid, 15.7 * out + Vector3d(0, 0, side * 12.9)) < 0);  // just beyond half the kerf
    CHECK(levelset::sample(guide.solid, 15.7 * out + Vector3d(0, 0, side * 12.1)) > 0);
    CHECK(levelset::sample(guide.solid, 15.7 * out + Vector3d(0, 0, side * 20.1)) < 0);
    CHECK(levelset::sample(guide.solid, 15.7 * out + Vector3d(0, 0, side * 20.9)) > 0);
    CHECK(guide.holes[side < 0 ? 0 : 1].point_mm.z() * guide.holes[0].point_mm.z() * side < 0);  // one on either
  }
  CHECK(levelset::sample(guide.solid, -15.7 * out + Vector3d(0, 0, 16)) > 0);  // nothing behind
}

TEST_CASE("the way in is found: over a lesion under the surface, and from any side of a shaft") {
  const levelset::LevelSet bone = shaft();
  const Lesion lesion = ball({0, 11, 0}, 4);
  const Region around = regionAround(lesion, 5);
  nlohmann::json r;
  CHECK(makeGuide(bone, around, {}, r).access.y() > 0.98);
  CHECK(r["outline_guided_share"].get<double>() > 0.95);
  CHECK(r["components"] == 1);
  const Region across = regionOf({planesAcross(bone, lesion.surface, 5)}, bone);
  r.clear();
  CHECK(std::abs(makeGuide(bone, across, {}, r).access.z()) < 0.3);
  CHECK(r["outline_guided_share"].get<double>() > 0.4);
}

TEST_CASE("a guide is the same on any number of threads, and one that can't be made is refused") {
  const levelset::LevelSet bone = shaft();
  const Lesion lesion = ball({0, 11, 0}, 4);
  const Region region = regionAround(lesion, 5);
  std::vector<double> volumes;
  for (const int threads : {1, 2}) {
    core::setThreads(threads);
    nlohmann::json r;
    volumes.push_back(mesh::volume_mm3(makeGuide(bone, region, {}, r).mesh));
  }
  CHECK(volumes[0] == volumes[1]);
  nlohmann::json r;
  CHECK_THROWS_AS(makeGuide(bone, region, {.access = Vector3d(0, -1, 0)}, r), core::Error);
}
