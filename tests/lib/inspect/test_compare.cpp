#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "inspect/compare.h"
#include "inspect/describe.h"
#include "inspect/kind.h"
#include "levelset/level_set.h"
#include "lib/mesh/shapes.h"
#include "mesh/io.h"

using namespace osteo;
using namespace osteo::inspect;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

struct TempFolder {
  fs::path path = fs::temp_directory_path() / ("osteo_inspect_" + std::to_string(::getpid()));
  TempFolder() { fs::create_directories(path); }
  ~TempFolder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

image::Frame frame40() {
  image::Frame frame;
  frame.size = {40, 40, 40};
  frame.origin_mm = {-20, -20, -20};
  frame.frame_id = "f";
  return frame;
}

/// Voxels whose centre lies in a ball get the value.
image::Segmentation ball(double radius, const Eigen::Vector3d& centre, std::uint16_t value = 1) {
  image::Segmentation result{image::LabelVolume(frame40(), 0), {{value, "ball"}}};
  for (int k = 0; k < 40; ++k)
    for (int j = 0; j < 40; ++j)
      for (int i = 0; i < 40; ++i)
        if ((result.labels.frame.toWorld({double(i), double(j), double(k)}) - centre).norm() < radius)
          result.labels.at(i, j, k) = value;
  return result;
}

levelset::LevelSet ballLevelSet(double radius, double voxel_mm, double shift = 0) {
  auto result = levelset::fromFunction(
      [=](const Eigen::Vector3d& p) { return (p - Eigen::Vector3d(shift, 0, 0)).norm() - radius; },
      Eigen::Vector3d::Constant(-radius - 4), Eigen::Vector3d::Constant(radius + 4), voxel_mm);
  result.setMeta("frame_id", "f");
  return result;
}

core::Exit codeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const core::Error& e) {
    return e.code();
  }
  return core::Exit::Ok;
}

}  // namespace

TEST_CASE("cubes of ten voxels one voxel apart have Dice 0.9") {
  const TempFolder folder;
  image::Segmentation a{image::LabelVolume(frame40(), 0), {}}, b = a;
  for (int k = 10; k < 20; ++k)
    for (int j = 10; j < 20; ++j)
      for (int i = 10; i < 20; ++i) a.labels.at(i, j, k) = b.labels.at(i + 1, j, k) = 1;
  writeSegmentation(a, folder / "a.seg.nrrd");
  writeSegmentation(b, folder / "b.seg.nrrd");
  const auto verdict = compare(folder / "a.seg.nrrd", folder / "b.seg.nrrd", {});
  CHECK_FALSE(verdict.equal());
  const auto scores = verdict.measures.begin().value();
  CHECK(scores["dice"].get<double>() == Approx(0.9).epsilon(1e-12));
  CHECK(scores["iou"].get<double>() == Approx(0.81818).epsilon(1e-5));
  CHECK(scores["hd95_mm"].get<double>() == Approx(1));
  CHECK(scores["surface_dice"].get<double>() == 1);
  // Of 488 surface voxels of each, those of four sides lie on the other's but for one row of 36.
  const auto strict = compare(folder / "a.seg.nrrd", folder / "b.seg.nrrd", {.surface_tolerance_mm = 0.5});
  CHECK(strict.measures.begin().value()["surface_dice"].get<double>() == Approx(324.0 / 488));
  CHECK(scores["volume_a_mm3"].get<double>() == Approx(1000));
  CHECK(compare(folder / "a.seg.nrrd", folder / "b.seg.nrrd", {.tolerance = 0.11}).equal());
  CHECK(compare(folder / "a.seg.nrrd", folder / "b.seg.nrrd", {.min_dice = 0.89, .max_hd95_mm = 1}).equal());
  CHECK_FALSE(compare(folder / "a.seg.nrrd", folder / "b.seg.nrrd", {.min_dice = 0.91}).equal());
  CHECK_FALSE(compare(folder / "a.seg.nrrd", folder / "b.seg.nrrd", {.max_hd95_mm = 0.9}).equal());
}

TEST_CASE("what is found beyond the second file costs precision, what is missed of it sensitivity") {
  const TempFolder folder;
  image::Segmentation large{image::LabelVolume(frame40(), 0), {}}, small = large;
  for (int k = 10; k < 20; ++k)
    for (int j = 10; j < 20; ++j)
      for (int i = 10; i < 20; ++i) {
        large.labels.at(i, j, k) = 1;
        if (i > 10 && i < 19 && j > 10 && j < 19 && k > 10 && k < 19) small.labels.at(i, j, k) = 1;
      }
  writeSegmentation(large, folder / "large.seg.nrrd");
  writeSegmentation(small, folder / "small.seg.nrrd");
  const auto scores = compare(folder / "large.seg.nrrd", folder / "small.seg.nrrd", {}).measures.begin().value();
  CHECK(scores["precision"].get<double>() == Approx(0.512));
  CHECK(scores["sensitivity"].get<double>() == 1);
}

TEST_CASE("a masked region is left out of the score") {
  const TempFolder folder;
  auto truth = ball(10, {0, 0, 0}), found = truth;
  image::Segmentation mask{image::LabelVolume(frame40(), 0), {}};
  for (int k = 0; k < 40; ++k)
    for (int j = 0; j < 40; ++j)
      for (int i = 0; i < 6; ++i)
        found.labels.at(i, j, k) = mask.labels.at(i, j, k) = 1;  // a slab that belongs elsewhere
  writeSegmentation(truth, folder / "t.seg.nrrd");
  writeSegmentation(found, folder / "f.seg.nrrd");
  writeSegmentation(mask, folder / "m.seg.nrrd");
  CHECK_FALSE(compare(folder / "t.seg.nrrd", folder / "f.seg.nrrd", {.label = "1"}).equal());
  CHECK(compare(folder / "t.seg.nrrd", folder / "f.seg.nrrd", {.label = "1", .mask = folder / "m.seg.nrrd"}).equal());
}

TEST_CASE("a level set is scored on the voxels of labels, shifted ones lose") {
  const TempFolder folder;
  writeSegmentation(ball(12, {0, 0, 0}, 4), folder / "piece.seg.nrrd");
  writeVdb(ballLevelSet(12, 0.5), folder / "good.vdb", "good");
  writeVdb(ballLevelSet(12, 0.5, 4), folder / "shifted.vdb", "shifted");
  const Criteria criteria{.min_dice = 0.99, .max_hd95_mm = 0.5};
  const auto good = compare(folder / "piece.seg.nrrd", folder / "good.vdb", criteria);
  CHECK(good.equal());
  CHECK(good.measures["solid"]["volume_b_mm3"].get<double>() ==
        Approx(good.measures["solid"]["volume_a_mm3"].get<double>()).epsilon(0.01));
  CHECK(compare(folder / "good.vdb", folder / "piece.seg.nrrd", criteria).equal());
  const auto shifted = compare(folder / "piece.seg.nrrd", folder / "shifted.vdb", criteria);
  CHECK(shifted.differences.size() == 2);
  // Two balls r apart by d share 1 − 3d/4r + d³/16r³ of their volume.
  CHECK(shifted.measures["solid"]["dice"].get<double>() == Approx(1 - 3 * 4 / 48.0 + 64 / (16.0 * 1728)).margin(0.01));
  CHECK(shifted.measures["solid"]["hd95_mm"].get<double>() == Approx(4).margin(1));
  writeMesh(levelset::toMesh(ballLevelSet(12, 0.5)), folder / "good.stl");
  CHECK(compare(folder / "piece.seg.nrrd", folder / "good.stl", criteria).equal());
  CHECK(compare(folder / "piece.seg.nrrd", folder / "good.vdb", {.label = "ball", .min_dice = 0.99}).equal());
  CHECK(codeOf([&] { compare(folder / "piece.seg.nrrd", folder / "good.vdb", {.label = "femur"}); }) ==
        core::Exit::DataError);
}

TEST_CASE("level sets differ by the largest difference of their distance") {
  const TempFolder folder;
  writeVdb(ballLevelSet(10, 0.5), folder / "a.vdb", "a");
  writeVdb(ballLevelSet(10.2, 0.5), folder / "b.vdb", "b");
  CHECK(compare(folder / "a.vdb", folder / "a.vdb", {}).equal());
  const auto verdict = compare(folder / "a.vdb", folder / "b.vdb", {.tolerance = 0.15});
  CHECK_FALSE(verdict.equal());
  CHECK(verdict.measures["max_difference_mm"].get<double>() == Approx(0.2).margin(0.03));
  CHECK(verdict.measures["dice"].get<double>() == Approx(2 / (1 + std::pow(1.02, 3))).margin(0.003));
  CHECK(compare(folder / "a.vdb", folder / "b.vdb", {.tolerance = 0.25}).equal());
  CHECK(compare(folder / "a.vdb", folder / "b.vdb", {.min_dice = 0.95, .max_hd95_mm = 0.25}).equal());
  writeMesh(levelset::toMesh(ballLevelSet(10.2, 0.5)), folder / "b.stl");
  CHECK(compare(folder / "a.vdb", folder / "b.stl", {.tolerance = 0.25}).equal());
  CHECK_FALSE(compare(folder / "a.vdb", folder / "b.stl", {.tolerance = 0.15}).equal());
}

TEST_CASE("volumes differ by HU, on another grid or frame at once") {
  const TempFolder folder;
  image::CtVolume a(frame40(), 100), b = a;
  b.at(3, 4, 5) = 107;
  writeVolume(a, folder / "a.nrrd");
  writeVolume(b, folder / "b.nrrd");
  CHECK(compare(folder / "a.nrrd", folder / "b.nrrd", {.tolerance = 7}).equal());
  const auto verdict = compare(folder / "a.nrrd", folder / "b.nrrd", {.tolerance = 6.9});
  CHECK_FALSE(verdict.equal());
  CHECK(verdict.measures["max_difference_hu"] == 7.0);
  CHECK(verdict.measures["rms_difference_hu"].get<double>() == Approx(7 / std::sqrt(64000.0)));
  b.frame.origin_mm[0] += 0.5;
  writeVolume(b, folder / "c.nrrd");
  CHECK_FALSE(compare(folder / "a.nrrd", folder / "c.nrrd", {.tolerance = 1000}).equal());
  a.frame.frame_id = "other";
  writeVolume(a, folder / "d.nrrd");
  const auto other = compare(folder / "d.nrrd", folder / "b.nrrd", {.tolerance = 1000});
  CHECK(other.differences.at(0).find("frame_id") == 0);
  CHECK(codeOf([&] { compare(folder / "a.nrrd", folder / "b.nrrd", {.min_dice = 0.5}); }) == core::Exit::Usage);
}

TEST_CASE("meshes differ by the distance of their surfaces, not by their triangles") {
  const TempFolder folder;
  writeMesh(test::sphere(10, 60, {0, 0, 0}), folder / "a.stl");
  writeMesh(test::sphere(10, 70, {0, 0, 0}), folder / "b.ply");
  writeMesh(test::sphere(10.5, 60, {0, 0, 0}), folder / "c.obj");
  CHECK(compare(folder / "a.stl", folder / "a.stl", {}).equal());
  CHECK(compare(folder / "a.stl", folder / "b.ply", {.tolerance = 0.02}).equal());
  CHECK_FALSE(compare(folder / "a.stl", folder / "c.obj", {.tolerance = 0.45}).equal());
  CHECK(compare(folder / "a.stl", folder / "c.obj", {.tolerance = 0.55}).equal());
  auto inside_out = test::sphere(10, 60, {0, 0, 0});
  for (auto& t : inside_out.triangles) std::swap(t[0], t[1]);
  writeMesh(inside_out, folder / "d.stl");
  CHECK_FALSE(compare(folder / "a.stl", folder / "d.stl", {.tolerance = 1}).equal());
}

TEST_CASE("JSON: the execution block is passed over, numbers have a relative tolerance") {
  const json a = {{"x", 1.0}, {"n", {1, 2, 3}}, {"execution", {{"wall_s", 1}}}, {"s", "t"}};
  json b = a;
  b["execution"]["wall_s"] = 99;
  CHECK(compareJson(a, b, 0).equal());
  b["x"] = 1.001;
  CHECK_FALSE(compareJson(a, b, 0.0009).equal());
  CHECK(compareJson(a, b, 0.0011).equal());
  b["n"] = {1, 2};
  b["extra"] = nullptr;
  b.erase("s");
  const auto verdict = compareJson(a, b, 0.01);
  CHECK(verdict.differences.size() == 3);
  CHECK(compareJson({{"v", 0}}, {{"v", 0.0}}, 0).equal());
  CHECK_FALSE(compareJson({{"v", 0}}, {{"v", "0"}}, 1).equal());
  CHECK_FALSE(compareJson({{"v", {{"execution", 1}}}}, {{"v", {{"execution", 2}}}}, 0).equal());
}

TEST_CASE("clouds, other files and kinds") {
  const TempFolder folder;
  mesh::PointCloud cloud{.points = {{0, 0, 0}, {1, 2, 3}}, .normals = {}, .labels = {1, 2}, .hu = {}, .frame_id = {}};
  mesh::writePointCloud(cloud, folder / "a.ply");
  cloud.points[1].x() += 0.5;
  mesh::writePointCloud(cloud, folder / "b.ply");
  CHECK_FALSE(compare(folder / "a.ply", folder / "b.ply", {.tolerance = 0.4}).equal());
  CHECK(compare(folder / "a.ply", folder / "b.ply", {.tolerance = 0.6}).equal());
  core::writeFile(folder / "a.txt", "one");
  core::writeFile(folder / "b.txt", "two");
  CHECK(compare(folder / "a.txt", folder / "a.txt", {}).equal());
  CHECK_FALSE(compare(folder / "a.txt", folder / "b.txt", {.tolerance = 100}).equal());
  CHECK_FALSE(compare(folder / "a.txt", folder / "a.ply", {}).equal());
  CHECK(codeOf([&] { compare(folder / "a.txt", folder / "none", {}); }) == core::Exit::NoInput);
}

TEST_CASE("describe knows frame, statistics and provenance") {
  const TempFolder folder;
  const auto labels = folder / "l.seg.nrrd";
  writeSegmentation(ball(10, {0, 0, 0}, 4), labels);
  auto description = describe(labels);
  CHECK(description["kind"] == "label volume");
  CHECK(description["frame"]["frame_id"] == "f");
  const auto& label = description["statistics"]["labels"].at(0);
  CHECK(label["value"] == 4);
  CHECK(label["name"] == "ball");
  CHECK(label["volume_mm3"].get<double>() == Approx(4.0 / 3 * M_PI * 1000).epsilon(0.02));
  CHECK(description["provenance"].is_null());

  json record = {
      {"instrument", {{"name", "osteoforge segment"}, {"version", "9"}}},
      {"object", {{{"name", "ct.nrrd"}, {"sha256", "00"}}}},
      {"result",
       {{{"name", "other.vdb"}, {"sha256", "11"}}, {{"name", "l.seg.nrrd"}, {"sha256", core::sha256File(labels)}}}}};
  core::writeFile(folder / "other.vdb.json", record.dump());
  description = describe(labels);
  CHECK(description["provenance"]["tool"] == "osteoforge segment");
  CHECK(description["provenance"]["record"] == "other.vdb.json");
  CHECK(description["provenance"]["inputs"][0]["name"] == "ct.nrrd");
  CHECK(description["provenance"]["sha256_matches_record"] == true);
  writeSegmentation(ball(9, {0, 0, 0}, 4), labels);
  CHECK(describe(labels)["provenance"]["sha256_matches_record"] == false);
  CHECK(describe(folder / "other.vdb.json")["kind"] == "run record");
  CHECK(asText(description).find("  frame_id: f\n") != std::string::npos);
}

TEST_CASE("describe: volume, level set, mesh and print job") {
  const TempFolder folder;
  image::CtVolume ct(frame40(), -1000);
  ct.at(0, 0, 0) = 500;
  writeVolume(ct, folder / "ct.nrrd");
  const auto volume = describe(folder / "ct.nrrd");
  CHECK(volume["kind"] == "volume");
  CHECK(volume["statistics"]["max_hu"] == 500.0);
  CHECK(volume["statistics"]["median_hu"] == -1000.0);
  CHECK(volume["statistics"]["mean_hu"].get<double>() == Approx(-1000 + 1500 / 64000.0));
  writeVdb(ballLevelSet(10, 0.5), folder / "b.vdb", "b");
  const auto level_set = describe(folder / "b.vdb");
  CHECK(level_set["frame"]["voxel_mm"] == 0.5);
  CHECK(level_set["statistics"]["volume_mm3"].get<double>() == Approx(4.0 / 3 * M_PI * 1000).epsilon(0.005));
  CHECK(level_set["statistics"]["area_mm2"].get<double>() == Approx(4 * M_PI * 100).epsilon(0.01));
  writeMesh(test::cube(10, {0, 0, 0}), folder / "c.3mf");
  const auto mesh = describe(folder / "c.3mf");
  CHECK(mesh["statistics"]["closed"] == true);
  CHECK(mesh["statistics"]["volume_mm3"].get<double>() == Approx(1000));
  core::writeFile(folder / "j.cli", "$$HEADERSTART\n$$ASCII\n$$UNITS/0.001\n$$LAYERS/7\n$$HEADEREND\n$$GEOMETRYSTART");
  const auto job = describe(folder / "j.cli");
  CHECK(job["statistics"]["LAYERS"] == "7");
  CHECK(job["statistics"]["ASCII"] == true);
  CHECK(job["statistics"].size() == 3);
  for (const char* name : {"j.cli", "j.svg", "j.json", "j.png", "j.vdb", "j.nrrd", "j.ply"}) {
    core::writeFile(folder / name, "nonsense");
    INFO(name);
    CHECK(codeOf([&] { describe(folder / name); }) == core::Exit::DataError);
  }
}
