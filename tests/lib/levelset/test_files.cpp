#include <openvdb/io/File.h>
#include <openvdb/io/Stream.h>

#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "levelset/components.h"
#include "levelset/grid.h"
#include "levelset/level_set.h"
#include "levelset/vdb_file.h"

using namespace osteo;
using Eigen::Vector3d;
namespace fs = std::filesystem;

namespace {

levelset::LevelSet balls(const std::vector<std::pair<Vector3d, double>>& list, double voxel) {
  return levelset::fromFunction(
      [&](const Vector3d& p) {
        double d = 1e9;
        for (const auto& [centre, radius] : list) d = std::min(d, (p - centre).norm() - radius);
        return d;
      },
      Vector3d::Constant(-15), Vector3d::Constant(15), voxel);
}

struct Folder {
  std::string path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "osteo_levelset_XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("a VDB file keeps the level set, and its bytes depend on content only") {
  const Folder folder;
  auto ls = balls({{{0, 0, 0}, 8}}, 0.5);
  ls.setMeta("frame_id", "abc");
  core::setThreads(1);
  levelset::writeVdb(ls, folder.path + "/a.vdb", "bone");
  core::setThreads(2);
  levelset::writeVdb(balls({{{0, 0, 0}, 8}}, 0.5), folder.path + "/c.vdb", "bone");
  levelset::writeVdb(ls, folder.path + "/b.vdb", "bone");
  CHECK(core::sha256File(folder.path + "/a.vdb") == core::sha256File(folder.path + "/b.vdb"));
  CHECK(core::sha256File(folder.path + "/a.vdb") != core::sha256File(folder.path + "/c.vdb"));
  const auto again = levelset::readVdb(folder.path + "/a.vdb");
  CHECK(again.frameId() == "abc");
  CHECK(again.meta("space") == "LPS");
  CHECK(again.activeVoxels() == ls.activeVoxels());
  CHECK(levelset::volume_mm3(again) == levelset::volume_mm3(ls));
}

TEST_CASE("damaged VDB files are refused") {
  const Folder folder;
  levelset::writeVdb(balls({{{0, 0, 0}, 8}}, 0.5), folder.path + "/a.vdb", "bone");
  const std::string bytes = core::readFile(folder.path + "/a.vdb");
  const auto refused = [&](const std::string& content) {
    core::writeFile(folder.path + "/bad.vdb", content);
    try {
      levelset::readVdb(folder.path + "/bad.vdb");
      return false;
    } catch (const core::Error& e) {
      return e.code() == core::Exit::DataError;
    }
  };
  CHECK(refused(""));
  CHECK(refused("VDB?"));
  CHECK(refused(std::string(5000, 'x')));
  for (int tenth = 0; tenth < 10; ++tenth) CHECK(refused(bytes.substr(0, bytes.size() * tenth / 10)));
  CHECK(refused(bytes.substr(0, bytes.size() - 1)));
  try {
    levelset::readVdb(folder.path + "/none.vdb");
    FAIL();
  } catch (const core::Error& e) {
    CHECK(e.code() == core::Exit::NoInput);
  }
}

TEST_CASE("level sets of other programs are read, however they are packed") {
  const Folder folder;
  const auto ball = balls({{{0, 0, 0}, 8}}, 0.5);
  const double volume = levelset::volume_mm3(ball);
  for (const bool half : {false, true})
    for (const std::uint32_t packing : {0U, 1U, 2U, 3U, 4U, 6U}) {
      CAPTURE(half, packing);
      const auto grid = openvdb::gridPtrCast<openvdb::FloatGrid>(ball.grid().vdb->copyGrid());
      grid->setSaveFloatAsHalf(half);
      openvdb::io::File file(folder.path + "/a.vdb");
      file.setCompression(packing);
      file.write({grid});
      CHECK(levelset::volume_mm3(levelset::readVdb(folder.path + "/a.vdb")) == Approx(volume).epsilon(1e-3));
      std::ofstream stream(folder.path + "/b.vdb", std::ios::binary);
      openvdb::io::Stream archive(stream);
      archive.setCompression(packing);
      archive.write({grid});
      stream.close();
      CHECK(levelset::volume_mm3(levelset::readVdb(folder.path + "/b.vdb")) == Approx(volume).epsilon(1e-3));
    }
}

TEST_CASE("a field of a VDB file is read densely, and spreads into voxels without a value") {
  levelset::initializeVdb();
  const std::string path = "test_field.vdb";
  const auto write = [&](openvdb::GridClass kind, float last) {
    auto grid = openvdb::FloatGrid::create(0.0F);
    grid->setTransform(openvdb::math::Transform::createLinearTransform(0.5));
    grid->setGridClass(kind);
    grid->insertMeta("space", openvdb::StringMetadata("LPS"));
    grid->insertMeta("frame_id", openvdb::StringMetadata("ct"));
    for (int i = -2; i <= 2; ++i) grid->tree().setValueOn(openvdb::Coord(i, 0, 7), 10.0F + static_cast<float>(i));
    grid->tree().setValueOn(openvdb::Coord(2, 1, 7), last);
    levelset::writeGrids({grid}, path);
  };
  write(openvdb::GRID_UNKNOWN, 20.0F);
  const auto field = levelset::readVdbField(path);
  REQUIRE(field);
  CHECK(field->frame.size == Eigen::Vector3i(5, 2, 1));
  CHECK(field->frame.frame_id == "ct");
  CHECK((field->frame.toWorld(Vector3d::Zero()) - Vector3d(-1, 0, 3.5)).norm() < 1e-12);
  for (int i = 0; i < 5; ++i) CHECK(field->at(i, 0, 0) == 8.0F + static_cast<float>(i));
  CHECK(field->at(4, 1, 0) == 20.0F);
  for (int i = 0; i < 3; ++i) CHECK(field->at(i, 1, 0) == 8.0F + static_cast<float>(i));
  CHECK(field->at(3, 1, 0) == 0.5F * (11.0F + 20.0F));
  write(openvdb::GRID_LEVEL_SET, 20.0F);
  CHECK_FALSE(levelset::readVdbField(path));
  write(openvdb::GRID_UNKNOWN, std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_AS(levelset::readVdbField(path), core::Error);
  fs::remove(path);
}

TEST_CASE("pieces are found, removed and cavities filled") {
  const auto three = balls({{{-8, 0, 0}, 5}, {{7, 0, 0}, 4}, {{0, 10, 0}, 1.5}}, 0.5);
  int removed = 0;
  const auto largest = levelset::largestComponent(three, &removed);
  CHECK(removed == 2);
  CHECK(levelset::volume_mm3(largest) == Approx(4.0 / 3 * 3.14159265 * 125).epsilon(5e-3));
  const auto ball = balls({{{0, 0, 0}, 12}}, 0.5), hole = balls({{{1, 2, 0}, 5}}, 0.5);
  double filled = 0;
  const auto full = levelset::fillCavities(levelset::subtract(ball, hole), &filled);
  CHECK(filled == Approx(4.0 / 3 * 3.14159265 * 125).epsilon(0.03));
  CHECK(levelset::volume_mm3(full) == Approx(levelset::volume_mm3(ball)).epsilon(1e-4));
}
