#include <Eigen/Geometry>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "design_scaffold/fixation.h"
#include "design_scaffold/plan.h"
#include "levelset/components.h"
#include "mesh/measures.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using Eigen::Vector3d;
using Kind = FixationSpec::Kind;

namespace {

struct Case {
  levelset::LevelSet defect, host;
};

constexpr double kOuter = 53, kHole = 20;

/// The upper half of a bowl of bone, with a round hole on its top.
Case calvarium(double thickness, double voxel = 0.6) {
  const auto shell = [=](const Vector3d& p) {
    return std::max(std::abs(p.norm() - kOuter + 0.5 * thickness) - 0.5 * thickness, 5 - p.z());
  };
  const auto hole = [](const Vector3d& p) { return std::hypot(p.x(), p.y()) - kHole; };
  const Vector3d low(-56, -56, 0), high(56, 56, 56);
  return {levelset::fromFunction([&](const Vector3d& p) { return std::max(shell(p), hole(p)); }, low, high, voxel),
          levelset::fromFunction([&](const Vector3d& p) { return std::max(shell(p), -hole(p)); }, low, high, voxel)};
}

/// Least distance of an axis from the wall of the hole in a skull of 6 mm.
double fromWall(const Screw& screw) {
  const double low = std::sqrt(47.0 * 47 - kHole * kHole), high = std::sqrt(kOuter * kOuter - kHole * kHole);
  double least = INFINITY;
  for (int n = 0; n <= 100; ++n) {
    const Vector3d p = screw.head() + 0.01 * n * screw.length_mm * screw.direction;
    least = std::min(least, std::hypot(std::hypot(p.x(), p.y()) - kHole, p.z() - std::clamp(p.z(), low, high)));
  }
  return least;
}

constexpr double kRadius = 14, kGap = 60;

/// A shaft along z with a gap around the origin; canal 0: solid.
Case shaft(double canal, double length = 90) {
  const auto bone = [=](const Vector3d& p) {
    const double r = std::hypot(p.x(), p.y());
    return std::max({r - kRadius, canal > 0 ? canal - r : -kRadius, std::abs(p.z()) - length - 0.5 * kGap});
  };
  const auto gap = [](const Vector3d& p) { return std::abs(p.z()) - 0.5 * kGap; };
  const Vector3d high(kRadius + 3, kRadius + 3, length + 0.5 * kGap + 3);
  return {levelset::fromFunction([&](const Vector3d& p) { return std::max(bone(p), gap(p)); }, -high, high, 0.7),
          levelset::fromFunction([&](const Vector3d& p) { return std::max(bone(p), -gap(p)); }, -high, high, 0.7)};
}

FixationSpec longBone(Kind kind) {
  FixationSpec spec;
  spec.kind = kind;
  spec.screws = 3;
  spec.thickness_mm = 4;
  spec.width_mm = kind == Kind::Nail ? 10 : 14;
  spec.screw_mm = 5;
  spec.head_mm = 8;
  spec.spacing_mm = 15;
  spec.edge_mm = 8;
  spec.least_bone_mm = 6;
  spec.longest_mm = 60;
  spec.bicortical = true;
  return spec;
}

/// Least distance of two axes by brute force.
double apart(const Screw& a, const Screw& b) {
  double least = INFINITY;
  for (int i = 0; i <= 100; ++i)
    for (int j = 0; j <= 100; ++j)
      least = std::min(
          least,
          (a.head() + 0.01 * i * a.length_mm * a.direction - b.head() - 0.01 * j * b.length_mm * b.direction).norm());
  return least;
}

double leastApart(const std::vector<Screw>& screws) {
  double least = INFINITY;
  for (std::size_t a = 0; a < screws.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) least = std::min(least, apart(screws[a], screws[b]));
  return least;
}

/// What the failure of a fixation says.
std::string complaint(const FixationSite& site, const FixationSpec& spec, core::Exit code = core::Exit::DataError) {
  nlohmann::json results;
  try {
    fixate(site, spec, results);
  } catch (const core::Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  FAIL("no failure");
  return "";
}

const std::vector<KeepOut> kNone;

}  // namespace

TEST_CASE("flanges stand evenly around a hole in a skull, each screw square to the bone and short of its inside") {
  const Case skull = calvarium(6);
  FixationSpec spec;
  nlohmann::json results;
  const Fixation made = fixate({skull.defect, skull.host, kNone}, spec, results);
  REQUIRE(made.screws.size() == 4);
  CHECK_FALSE(made.bed);
  std::vector<double> angles;
  for (const Screw& screw : made.screws) {
    CHECK(screw.entry_mm.norm() == Approx(kOuter).margin(0.1));
    CHECK(-screw.direction.dot(screw.entry_mm.normalized()) > 0.999);
    CHECK(screw.tip().norm() > kOuter - 6 + 0.3);
    CHECK(screw.bone_mm == Approx(kOuter - screw.tip().norm()).margin(0.3));
    CHECK(screw.bone_mm >= spec.least_bone_mm);
    // The level set rounds the wall's edges by up to half a voxel.
    CHECK(screw.edge_mm == Approx(fromWall(screw)).margin(0.35));
    CHECK(screw.edge_mm >= spec.edge_mm + 0.5 * spec.head_mm - 0.1);
    CHECK(std::fmod(screw.length_mm, 0.5) == Approx(0).margin(1e-9));
    angles.push_back(std::atan2(screw.entry_mm.y(), screw.entry_mm.x()));
  }
  std::sort(angles.begin(), angles.end());
  for (std::size_t n = 1; n < 4; ++n) CHECK(angles[n] - angles[n - 1] == Approx(M_PI / 2).margin(0.15));
  CHECK(leastApart(made.screws) >= spec.spacing_mm);
  CHECK(results["fixation"]["screws"].size() == 4);
  CHECK(results["fixation"]["plate_volume_mm3"] > 100);
}

TEST_CASE("a flange lies on the bone, at the gap, and is one with the implant") {
  const Case skull = calvarium(6);
  FixationSpec spec;
  nlohmann::json results;
  const Fixation made = fixate({skull.defect, skull.host, kNone}, spec, results);
  int above = 0;
  for (const Vector3d& p : levelset::toMesh(made.solid).vertices) {
    const double height = p.norm() - kOuter;
    CHECK(height < 0.3 + spec.thickness_mm + 0.15);
    if (std::hypot(p.x(), p.y()) < kHole + 1) continue;
    CHECK(height > 0.3 - 0.15);
    above += height > 0.3 + spec.thickness_mm - 0.15 ? 1 : 0;
  }
  CHECK(above > 100);
  const levelset::LevelSet both = levelset::unite(skull.defect, levelset::subtract(made.solid, made.holes));
  const levelset::Components pieces(both, levelset::Components::Side::Inside);
  CHECK(pieces.pieces().size() == 1);
  // Beside the rim it reaches into the defect below its outer surface.
  CHECK(levelset::volume_mm3(levelset::intersect(skull.defect, made.solid)) > 4 * 20);
  for (const Screw& screw : made.screws) {
    for (const double share : {0.0, 0.5, 1.0})
      CHECK(levelset::sample(made.holes, screw.head() + share * screw.standing_mm * screw.direction) < 0);
    // The countersink is as wide as the head at the top, the shaft wider than the thread by 0.1 all around.
    const Vector3d side = screw.direction.unitOrthogonal();
    CHECK(levelset::sample(made.holes, screw.head() + 0.45 * spec.head_mm * side) < 0.05);
    CHECK(levelset::sample(made.holes, screw.entry_mm + (0.5 * spec.screw_mm + 0.1) * side) == Approx(0).margin(0.08));
  }
}

TEST_CASE("no screw comes near a keep-out, and one that leaves no room is named") {
  const Case skull = calvarium(6);
  const auto sector = [](double half) {
    return levelset::fromFunction([=](const Vector3d& p) { return (p - Vector3d(0, 30, 42)).norm() - half; },
                                  Vector3d(-60, -60, -20), Vector3d(60, 90, 100), 1.0);
  };
  const std::vector<KeepOut> one{{"sagittal_sinus", sector(10), 2.0}};
  nlohmann::json results;
  FixationSpec spec;
  spec.screws = 5;
  const Fixation made = fixate({skull.defect, skull.host, one}, spec, results);
  REQUIRE(made.screws.size() == 5);
  for (const Screw& screw : made.screws)
    for (int n = 0; n <= 20; ++n) {
      const Vector3d p = screw.head() + n / 20.0 * screw.length_mm * screw.direction;
      CHECK((p - Vector3d(0, 30, 42)).norm() >= 10 + 2 + 0.5 * screw.diameter_mm - 0.1);
    }
  CHECK(results["fixation"]["places_refused"]["keep-out sagittal_sinus"] > 10);
  const std::vector<KeepOut> all{{"sagittal_sinus", sector(60), 2.0}};
  CHECK_THAT(complaint({skull.defect, skull.host, all}, spec),
             Catch::Contains("only 0 of 5 screws") && Catch::Contains("ruled out by the keep-out sagittal_sinus"));
}

TEST_CASE("bone too thin for its screws is refused with the reason, and held through both tables") {
  const Case skull = calvarium(3);
  FixationSpec spec;
  CHECK_THAT(complaint({skull.defect, skull.host, kNone}, spec),
             Catch::Contains("ruled out by the bone stock") && Catch::Contains("--screw-bone-mm"));
  spec.bicortical = true;
  spec.least_bone_mm = 2.5;
  nlohmann::json results;
  for (const Screw& screw : fixate({skull.defect, skull.host, kNone}, spec, results).screws) {
    CHECK(screw.cortices == 2);
    CHECK(screw.tip().norm() < kOuter - 3 - 0.4);
    CHECK(screw.tip().norm() > kOuter - 3 - 1.2);
    CHECK(screw.bone_mm == Approx(3).margin(0.3));
  }
}

TEST_CASE("a plate joins both stumps of a shaft with bicortical screws on the wanted side") {
  const Case bone = shaft(7);
  const FixationSpec spec = longBone(Kind::Plate);
  nlohmann::json results;
  const Fixation made = fixate({bone.defect, bone.host, kNone, Vector3d::UnitX()}, spec, results);
  REQUIRE(made.screws.size() == 6);
  int upper = 0;
  for (const Screw& screw : made.screws) {
    upper += screw.entry_mm.z() > 0 ? 1 : 0;
    CHECK(screw.cortices == 2);
    CHECK(screw.entry_mm.x() > 0.95 * kRadius);
    CHECK(screw.tip().x() < -kRadius - 0.4);
    CHECK(screw.tip().x() > -kRadius - 1.2);
    CHECK(screw.bone_mm == Approx(2 * (kRadius - 7)).margin(0.7));
    CHECK(std::abs(screw.entry_mm.z()) - 0.5 * kGap >= spec.edge_mm + 0.5 * spec.head_mm - 0.2);
    CHECK(screw.edge_mm == Approx(std::abs(screw.entry_mm.z()) - 0.5 * kGap).margin(0.3));
  }
  CHECK(upper == 3);
  CHECK(leastApart(made.screws) >= spec.spacing_mm - 1e-6);
  // Over bone it lies on the gap; over the defect it is rooted in it.
  CHECK(levelset::sample(made.solid, Vector3d(kRadius + 2, 0, 40)) < 0);
  CHECK(levelset::sample(made.solid, Vector3d(kRadius + 0.1, 0, 40)) > 0);
  CHECK(levelset::sample(made.solid, Vector3d(kRadius - 1, 0, 0)) < 0);
  CHECK(levelset::sample(made.solid, Vector3d(-kRadius - 2, 0, 40)) > 0);
  const levelset::Components pieces(made.solid, levelset::Components::Side::Inside);
  CHECK(pieces.pieces().size() == 1);
}

TEST_CASE("a wish along the bone's axis leaves the plate's side to its straightness") {
  const Case bone = shaft(0, 50);
  nlohmann::json results;
  FixationSpec spec = longBone(Kind::Plate);
  spec.screws = 2;
  CHECK(fixate({bone.defect, bone.host, kNone, Vector3d::UnitZ()}, spec, results).screws.size() == 4);
}

TEST_CASE("a plate longer than the bone is refused") {
  const Case bone = shaft(0, 35);
  CHECK_THAT(complaint({bone.defect, bone.host, kNone, Vector3d::UnitX()}, longBone(Kind::Plate)),
             Catch::Contains("the plate is longer than the bone") && Catch::Contains("50 mm of bone"));
  const Case skull = calvarium(6);
  CHECK_THAT(complaint({skull.defect, skull.host, kNone}, longBone(Kind::Plate)),
             Catch::Contains("doesn't part the bone in two"));
}

TEST_CASE("a nail runs along the axis of both stumps in a bed, locked across both cortices") {
  const Case bone = shaft(0);
  const FixationSpec spec = longBone(Kind::Nail);
  nlohmann::json results;
  const Fixation made = fixate({bone.defect, bone.host, kNone, Vector3d::UnitY()}, spec, results);
  REQUIRE(made.screws.size() == 6);
  REQUIRE(made.bed);
  for (const Screw& screw : made.screws) {
    CHECK(screw.entry_mm.y() == Approx(kRadius).margin(0.1));
    CHECK(std::abs(screw.direction.z()) < 0.02);
    CHECK(screw.tip().y() < -kRadius - 0.4);
    CHECK(screw.bone_mm == Approx(2 * kRadius - spec.width_mm).margin(0.5));
    CHECK(levelset::sample(made.holes, Vector3d(0, 0, screw.entry_mm.z())) < 0);
  }
  CHECK(leastApart(made.screws) >= spec.spacing_mm - 1e-6);
  for (const double z : {-60.0, 0.0, 60.0}) {
    CHECK(levelset::sample(made.solid, Vector3d(4.9, 0, z)) == Approx(-0.1).margin(0.1));
    CHECK(levelset::sample(*made.bed, Vector3d(4.9, 0, z)) == Approx(-0.4).margin(0.1));
  }
  FixationSpec thick = spec;
  thick.width_mm = 27;
  CHECK_THAT(complaint({bone.defect, bone.host, kNone, Vector3d::UnitY()}, thick),
             Catch::Contains("wall around the nail"));
}

TEST_CASE("wishes that can't be made are told apart from bones that can't hold them") {
  const Case bone = shaft(0);
  FixationSpec spec = longBone(Kind::Plate);
  spec.thickness_mm = 1;
  CHECK_THAT(complaint({bone.defect, bone.host, kNone}, spec, core::Exit::Config),
             Catch::Contains("sink deeper than the plate is thick"));
  spec = longBone(Kind::Plate);
  spec.longest_mm = 20;
  CHECK_THAT(complaint({bone.defect, bone.host, kNone, Vector3d::UnitX()}, spec),
             Catch::Contains("ruled out by the longest screw") && Catch::Contains("--screw-longest-mm"));
}

TEST_CASE("a CT tells the density along the screws") {
  const Case bone = shaft(7);
  image::Frame frame;
  frame.size = {40, 40, 250};
  frame.origin_mm = Vector3d(-20, -20, -125);
  image::CtVolume ct(frame, -100);
  for (std::int64_t n = 0; n < frame.voxelCount(); ++n)
    if (frame.centre(n).z() > 0) ct.voxels[static_cast<std::size_t>(n)] = 1200;
  nlohmann::json results;
  const Fixation made =
      fixate({bone.defect, bone.host, kNone, Vector3d::UnitX(), 0.3, &ct}, longBone(Kind::Plate), results);
  for (const Screw& screw : made.screws) CHECK(screw.mean_hu.value() == Approx(screw.entry_mm.z() > 0 ? 1200 : -100));
}

TEST_CASE("one thread and two place the same screws and make the same plate") {
  const Case skull = calvarium(6, 0.8);
  std::string records[2];
  std::vector<Vector3d> vertices[2];
  for (const int threads : {1, 2}) {
    core::setThreads(threads);
    nlohmann::json results;
    FixationSpec spec;
    spec.screws = 3;
    vertices[threads - 1] = levelset::toMesh(fixate({skull.defect, skull.host, kNone}, spec, results).solid).vertices;
    records[threads - 1] = results.dump();
  }
  core::setThreads(core::availableThreads());
  CHECK(records[0] == records[1]);
  CHECK(vertices[0] == vertices[1]);
}

TEST_CASE("a plan comes back as it was written, and what is none is refused") {
  const Case skull = calvarium(6, 0.8);
  Plan plan;
  plan.frame_id = "ct-1";
  plan.implant_file = "scaffold.stl";
  plan.implant_sha256 = core::sha256("x", 1);
  plan.insertion = -Vector3d::UnitZ();
  Screw screw;
  screw.name = "screw_1";
  screw.entry_mm = {1, 2, 53};
  screw.direction = -Vector3d::UnitZ();
  screw.length_mm = 5.5;
  screw.standing_mm = 1.3;
  screw.diameter_mm = 1.6;
  screw.mean_hu = 900;
  plan.screws = {screw};
  plan.landmarks = planLandmarks(skull.defect, &skull.host, Vector3d::UnitZ(), plan.screws);
  CHECK(plan.landmarks.at("rim_left").x() == Approx(kHole).margin(1.5));
  CHECK(plan.landmarks.at("rim_anterior").y() == Approx(-kHole).margin(1.5));
  CHECK(std::hypot(plan.landmarks.at("implant_centre").x(), plan.landmarks.at("implant_centre").y()) < 0.1);
  CHECK(plan.landmarks.at("screw_1_entry") == screw.entry_mm);

  const std::string path = (std::filesystem::temp_directory_path() / "osteo_test_plan.json").string();
  writePlan(path, plan);
  const Plan back = readPlan(path);
  CHECK(back.frame_id == plan.frame_id);
  CHECK(back.implant_sha256 == plan.implant_sha256);
  CHECK(back.pose == plan.pose);
  CHECK(back.insertion.value() == plan.insertion.value());
  REQUIRE(back.screws.size() == 1);
  CHECK(back.screws[0].tip() == screw.tip());
  CHECK(back.landmarks == plan.landmarks);

  const nlohmann::json good = nlohmann::json::parse(core::readFile(path));
  const auto refused = [&](const char* where, const nlohmann::json& value, const char* says) {
    nlohmann::json bad = good;
    bad[nlohmann::json::json_pointer(where)] = value;
    core::writeFile(path, bad.dump());
    CHECK_THROWS_WITH(readPlan(path), Catch::Contains(says));
  };
  refused("/space", "RAS", "space");
  refused("/pose/0/0", 2, "the pose isn't rigid");
  refused("/screws/0/direction/0", 1, "the direction of screw_1 is no unit vector");
  refused("/screws/0/length_mm", -3, "length_mm");
  refused("/implant/sha256", "abc", "sha256");
  std::filesystem::remove(path);
}
