#include <Eigen/Geometry>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "design_scaffold/anatomical_model.h"
#include "levelset/components.h"
#include "mesh/measures.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using Eigen::Vector3d;

namespace {

levelset::LevelSet ball(const Vector3d& centre, double radius_mm, double voxel_mm = 0.5) {
  return levelset::fromFunction([&](const Vector3d& p) { return (p - centre).norm() - radius_mm; },
                                centre - Vector3d::Constant(radius_mm + 1), centre + Vector3d::Constant(radius_mm + 1),
                                voxel_mm);
}

constexpr double kBall = 4.18879020478639;  // of volume to cubed radius

int closedCavities(const levelset::LevelSet& model) {
  int count = 0;
  for (const auto& piece : levelset::Components(model, levelset::Components::Side::Outside).pieces())
    count += !piece.reaches_border;
  return count;
}

}  // namespace

TEST_CASE("a solid model is the bone without its closed cavities") {
  const levelset::LevelSet bone = levelset::subtract(ball({0, 0, 0}, 15), ball({1, 2, 0}, 6));
  nlohmann::json r;
  const AnatomicalModel made = anatomicalModel(bone, nullptr, {}, {}, r);
  CHECK(r["volume_mm3"].get<double>() == Approx(kBall * 3375).epsilon(0.01));
  CHECK(r["cavities_filled_mm3"].get<double>() == Approx(kBall * 216).epsilon(0.02));
  CHECK(r["deviation_max_mm"].get<double>() < 0.05);
  CHECK(r["closed"] == true);
  CHECK(r["components"] == 1);
  CHECK_FALSE(made.plug);
}

TEST_CASE("a hollow model has its wall and two holes that drain it") {
  const levelset::LevelSet bone = ball({0, 0, 0}, 15);
  nlohmann::json r;
  const AnatomicalModel made = anatomicalModel(bone, nullptr, {}, {.wall_mm = 3, .drain_mm = 4}, r);
  CHECK(closedCavities(made.model) == 0);
  CHECK(r["components"] == 1);
  CHECK(r["drain_holes"].size() == 2);
  const double wall = kBall * (3375 - 1728), drain = 3.14159 * 4 * 3;
  CHECK(r["volume_mm3"].get<double>() == Approx(wall - 2 * drain).epsilon(0.01));
  CHECK(levelset::sample(made.model, {0, 0, 0}) > 0);
}

TEST_CASE("the defect plugs in with its gap, and both grow with the scale and leave the frame") {
  levelset::LevelSet bone = ball({0, 0, 0}, 15);
  bone.setMeta("frame_id", "f1");
  const levelset::LevelSet defect = ball({14, 0, 0}, 6);
  nlohmann::json r, doubled;
  const AnatomicalModel made = anatomicalModel(bone, &defect, {}, {.gap_mm = 0.4}, r);
  REQUIRE(made.plug);
  CHECK(made.model.frameId() == "f1");
  CHECK(levelset::sample(made.model, {9, 0, 0}) > 0);
  CHECK(levelset::sample(made.model, {7.4, 0, 0}) < 0);
  CHECK(levelset::sample(*made.plug, {8 + 0.2, 0, 0}) > 0);
  CHECK(levelset::sample(*made.plug, {8 + 0.6, 0, 0}) < 0);
  const AnatomicalModel twice = anatomicalModel(bone, &defect, {}, {.gap_mm = 0.4, .scale = 2}, doubled);
  CHECK(mesh::volume_mm3(levelset::toMesh(twice.model)) == Approx(8 * r["volume_mm3"].get<double>()).epsilon(1e-3));
  CHECK(levelset::sample(*twice.plug, {17.2, 0, 0}) < 0);
  CHECK(twice.model.frameId() != "f1");
}

TEST_CASE("soft tissue beside the bone becomes an open cage that struts hold") {
  const levelset::LevelSet bone = ball({0, 0, 0}, 12);
  const std::vector<SoftTissue> soft{{"vessel", ball({30, 0, 0}, 10)}};
  nlohmann::json r;
  const AnatomicalModel made = anatomicalModel(bone, nullptr, soft, {}, r);
  CHECK(r["components"] == 1);
  CHECK(r["loose_parts_removed"] == 0);
  CHECK(closedCavities(made.model) == 0);
  CHECK(r["soft_tissues"][0]["struts"].get<int>() >= 2);
  CHECK(levelset::sample(made.model, {30, 0, 0}) > 0);    // hollow
  CHECK(levelset::sample(made.model, {39.5, 0, 0}) < 0);  // two ribs meet at the far end
  CHECK(r["soft_tissues"][0]["cage_volume_mm3"].get<double>() < 0.35 * kBall * 1000);
  const std::vector<SoftTissue> far{{"far", ball({150, 0, 0}, 10)}};
  CHECK_THROWS_AS(anatomicalModel(bone, nullptr, far, {}, r), core::Error);
}
