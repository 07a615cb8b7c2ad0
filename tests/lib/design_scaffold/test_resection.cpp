#include <Eigen/Geometry>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "design_scaffold/drawn_out.h"
#include "design_scaffold/labelled_solid.h"
#include "design_scaffold/resection.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using Eigen::Vector3d;

namespace {

constexpr double kPi = 3.14159265358979323846;

levelset::LevelSet shape(const std::function<double(const Vector3d&)>& f, double half_mm, double voxel_mm = 0.4) {
  return levelset::fromFunction(f, Vector3d::Constant(-half_mm), Vector3d::Constant(half_mm), voxel_mm);
}

double boxDistance(const Vector3d& p, const Vector3d& half) { return (p.cwiseAbs() - half).maxCoeff(); }

levelset::LevelSet plate() {
  return shape([](const Vector3d& p) { return boxDistance(p, {32, 32, 6}); }, 34);
}

Lesion lesionOf(const levelset::LevelSet& solid) { return {solid, levelset::toMesh(solid)}; }

Lesion ball(const Vector3d& centre, double radius_mm) {
  return lesionOf(levelset::fromFunction([&](const Vector3d& p) { return (p - centre).norm() - radius_mm; },
                                         centre - Vector3d::Constant(radius_mm + 1),
                                         centre + Vector3d::Constant(radius_mm + 1), 0.3));
}

core::Error refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const core::Error& e) {
    return e;
  }
  return {core::Exit::Ok, {}};
}

}  // namespace

TEST_CASE("a ball in a plate comes out with its margin, as long and wide as geometry says") {
  levelset::LevelSet bone = plate();
  bone.setMeta("frame_id", "f1");
  bone.setMeta("slice_gap_mm", "1.5");
  const Lesion lesion = ball({3, -2, 0}, 8);
  const Region region = regionAround(lesion, 10);
  for (const double kerf : {0.0, 1.2}) {
    const Resected cut = resect(bone, &lesion, region, kerf);
    nlohmann::json results;
    report(cut, bone, &lesion, region, 10 - kerf / 2, results);
    const auto slab = [](double r) { return kPi * (r * r * 12 - 144); };  // of a ball, 12 mm thick
    CHECK(results["resected_volume_mm3"].get<double>() == Approx(slab(18 - kerf / 2)).epsilon(0.003));
    CHECK(results["host_volume_mm3"].get<double>() == Approx(64 * 64 * 12 - slab(18 + kerf / 2)).epsilon(0.003));
    CHECK(results["cut_area_mm2"].get<double>() == Approx(2 * kPi * (18 - kerf / 2) * 12).epsilon(0.03));
    CHECK(results["margin_min_mm"].get<double>() == Approx(10 - kerf / 2).margin(0.08));
    CHECK(results["margin_max_mm"].get<double>() == Approx(10 - kerf / 2).margin(0.08));
    CHECK(results["lesion_volume_mm3"].get<double>() == Approx(4 / 3.0 * kPi * 512).epsilon(0.003));
    CHECK(results["pieces"] == 1);
    CHECK(results["host_pieces"] == 1);
    CHECK(cut.piece.frameId() == "f1");
    CHECK(cut.host.meta("slice_gap_mm") == "1.5");
  }
}

TEST_CASE("margins are true far beyond a level set's band, at any side of a lumpy lesion") {
  const Lesion lesion = lesionOf(shape(
      [](const Vector3d& p) {
        const double lump = (p - Vector3d(9, 3, 0)).norm() - 4;
        return std::min(p.cwiseQuotient(Vector3d(10, 6, 5)).norm() - 1, lump / 5);
      },
      16, 0.3));
  const levelset::LevelSet bone = shape([](const Vector3d& p) { return boxDistance(p, {34, 34, 10}); }, 36);
  const Region region = regionAround(lesion, 15);
  const Resected cut = resect(bone, &lesion, region, 0);
  nlohmann::json results;
  report(cut, bone, &lesion, region, 15, results);
  CHECK(results["margin_min_mm"].get<double>() == Approx(15).margin(0.08));
  CHECK(results["margin_max_mm"].get<double>() == Approx(15).margin(0.08));
  // Far along x the lump's ball decides: 9 + 4 + 15.
  CHECK(levelset::sample(cut.piece, {28 - 0.5, 3, 0}) < 0);
  CHECK(levelset::sample(cut.piece, {28 + 0.5, 3, 0}) > 0);
}

TEST_CASE("cuts across a bent shaft stand at right angles to it where the lesion lies, at the margin from its ends") {
  // A quarter of a ring of 120 mm, 12 mm thick: the axis turns all the way, the lesion sits 20° from its lower end.
  const auto ring = [](const Vector3d& p) {
    const double torus = std::hypot(std::hypot(p.x(), p.y()) - 120, p.z()) - 12;
    return std::max({torus, -p.x(), -p.y()});
  };
  const levelset::LevelSet bone = levelset::fromFunction(ring, {-4, -4, -16}, {136, 136, 16}, 0.8);
  const double turn = 35 * kPi / 180;
  const Vector3d at(120 * std::cos(turn), 120 * std::sin(turn), 4), tangent(-std::sin(turn), std::cos(turn), 0);
  const Lesion lesion = ball(at, 6);
  const PlaneCut cut = planesAcross(bone, lesion.surface, 10);
  REQUIRE(cut.size() == 2);
  CHECK(cut[0].normal.dot(cut[1].normal) == Approx(-1));
  CHECK(std::acos(std::min(1.0, std::abs(cut[0].normal.dot(tangent)))) * 180 / kPi < 1);
  for (const CutPlane& plane : cut) CHECK(plane.normal.dot(plane.point_mm - at) == Approx(16).margin(0.1));
  const Region region = regionOf({cut}, bone);
  const Resected made = resect(bone, &lesion, region, 0);
  nlohmann::json results;
  report(made, bone, &lesion, region, 10, results);
  CHECK(results["pieces"] == 1);
  CHECK(results["host_pieces"] == 2);
  CHECK(results["margin_min_mm"].get<double>() == Approx(10).margin(0.1));
  CHECK(results["cut_area_mm2"].get<double>() == Approx(2 * kPi * 144).epsilon(0.03));
  CHECK(results["resections"][0]["planes"].size() == 2);
}

TEST_CASE("planes take out what they bound, together, and what a file says wrongly is refused") {
  const std::string path = "/tmp/osteo-planes-test.json";
  const auto plane = [](const std::string& point, const std::string& normal) {
    return R"({"point_mm": )" + point + R"(, "normal": )" + normal + "}";
  };
  const auto put = [&](const std::string& planes) {
    core::writeFile(path, R"({"space": "LPS", "frame_id": "f1", "resections": [{"planes": [)" + planes + "]}]}");
  };
  put(plane("[0, 0, 0]", "[0, 0, 3]") + "," + plane("[10, 0, 0]", "[1, 0, 0]"));
  const PlanesFile planes = readPlanes(path);
  CHECK(planes.frame_id == "f1");
  const levelset::LevelSet bone = plate();
  const Resected cut = resect(bone, nullptr, regionOf(planes.cuts, bone), 0);
  CHECK(levelset::volume_mm3(cut.piece) == Approx(42.0 * 64 * 6).epsilon(0.003));
  CHECK(levelset::volume_mm3(cut.piece) + levelset::volume_mm3(cut.host) == Approx(64.0 * 64 * 12).epsilon(0.003));
  for (const std::string& bad :
       {plane("[0, 0, 0]", "[0, 0, 0]"), plane("[0, 0]", "[0, 0, 1]"), plane("[0, NaN, 0]", "[0, 0, 1]"),
        plane("[0, 0, 1e999]", "[0, 0, 1]"), std::string()}) {
    put(bad);
    CHECK(refusal([&] { readPlanes(path); }).code() == core::Exit::Config);
  }
}

TEST_CASE("resections that make no sense are refused with their reason") {
  const levelset::LevelSet bone = plate();
  const auto says = [](const core::Error& e, const char* what) {
    INFO(e.what());
    return e.code() == core::Exit::DataError && std::string(e.what()).find(what) != std::string::npos;
  };
  const Lesion far = ball({0, 0, 30}, 6), in = ball({0, 0, 0}, 6);
  CHECK(says(refusal([&] { resect(bone, &far, regionAround(far, 40), 0); }), "outside the bone"));
  CHECK(says(refusal([&] { resect(bone, &in, regionAround(in, 60), 0); }), "whole bone"));
  const Region beside = regionOf({{{Vector3d(0, 0, 20), Vector3d(0, 0, -1)}}}, bone);
  CHECK(says(refusal([&] { resect(bone, nullptr, beside, 0); }), "misses the bone"));
  const levelset::LevelSet two = shape(
      [](const Vector3d& p) {
        return std::min(boxDistance(p, {20, 20, 4}), boxDistance(p - Vector3d(0, 0, 12), {20, 20, 4}));
      },
      24);
  CHECK(says(refusal([&] { resect(two, &in, regionAround(in, 8), 0); }), "2 bones"));
  CHECK_NOTHROW(resect(two, &in, regionAround(in, 1), 0));
  levelset::LevelSet framed = plate();
  framed.setMeta("frame_id", "f1");
  Lesion other = ball({0, 0, 0}, 6);
  other.solid.setMeta("frame_id", "f2");
  CHECK(says(refusal([&] { resect(framed, &other, regionAround(other, 5), 0); }), "frame"));
}

TEST_CASE("a label becomes a solid of its own size, and a name that is not there lists those that are") {
  image::Segmentation labels;
  image::Frame frame;
  frame.size = {40, 40, 30};
  frame.spacing_mm = {0.8, 0.8, 1.2};
  frame.origin_mm = {-16, -16, -17};
  labels.labels = image::LabelVolume(frame);
  for (std::int64_t n = 0; n < frame.voxelCount(); ++n)
    if (frame.centre(n).norm() < 10) labels.labels.voxels[static_cast<std::size_t>(n)] = 7;
  labels.labels.at(0, 0, 0) = 1;
  labels.names = {{7, "tumour"}, {1, "cortical"}};
  CHECK(labelNamed(labels, "tumour") == 7);
  CHECK(labelNamed(labels, "7") == 7);
  CHECK(levelset::volume_mm3(solidOfLabel(labels, 7, 0.4)) == Approx(4000 * kPi / 3).epsilon(0.01));
  for (const char* name : {"lesion", ""})
    CHECK(std::string(refusal([&] { labelNamed(labels, name); }).what()).find("1 cortical, 7 tumour") !=
          std::string::npos);
}

TEST_CASE("a lesion drawn out is the capsule that it sweeps, grown by the margin") {
  const levelset::LevelSet bone = plate();
  const Vector3d access = Vector3d(0.3, 0, 1).normalized(), centre(3, -2, -1);
  const Region region = regionDrawnOut(ball(centre, 3), 4, bone, access);
  REQUIRE(region.access);
  double off = 0;
  for (int n = 0; n < 2000; ++n) {
    const Vector3d p(-20 + 0.021 * n, 15 * std::sin(0.7 * n), 6 * std::sin(1.3 * n));  // all over the plate
    const Vector3d from = p - centre;
    const double capsule = (from - std::max(0.0, from.dot(access)) * access).norm() - 7;
    if (std::abs(capsule) < 6) off = std::max(off, std::abs(region.distance_mm(p) - capsule));
  }
  CHECK(off < 0.06);
  const Lesion lesion = ball(centre, 3);
  nlohmann::json results;
  report(resect(bone, &lesion, region, 0), bone, &lesion, region, 4, results);
  CHECK(results["margin_min_mm"].get<double>() == Approx(4).margin(0.06));
  CHECK(Vector3d(results["access"][0], results["access"][1], results["access"][2]).dot(access) == Approx(1));
}

TEST_CASE("a lesion leaves a bone where least of it is in the way") {
  const levelset::LevelSet bone = plate();
  CHECK(leastBoneWayOut(ball({0, 0, 3}, 2), 1, bone).z() > 0.99);
  CHECK(leastBoneWayOut(ball({5, 2, -3}, 2), 1, bone).z() < -0.99);
  CHECK(leastBoneWayOut(ball({28, 0, 0}, 2), 2, bone).x() > 0.95);
}
