#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "lib/mesh/shapes.h"
#include "mesh/formats.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "mesh/ply_table.h"
#include "mesh/zip_package.h"

using namespace osteo;
using namespace osteo::mesh;
namespace fs = std::filesystem;

namespace {

struct TempFolder {
  fs::path path = fs::temp_directory_path() / ("osteo_mesh_" + std::to_string(::getpid()));
  TempFolder() { fs::create_directories(path); }
  ~TempFolder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

core::Exit codeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const core::Error& e) {
    return e.code();
  }
  return core::Exit::Ok;
}

/// Reads bytes as a file of that ending; any outcome but a mesh or an Error fails the test by crashing or throwing.
core::Exit readBytes(const TempFolder& folder, const std::string& bytes, const std::string& ending) {
  const std::string path = folder / ("mutant" + ending);
  core::writeFile(path, bytes);
  return codeOf([&] { readMesh(path); });
}

const char* const kEndings[] = {".stl", ".ply", ".obj", ".amf", ".3mf"};

}  // namespace

TEST_CASE("every format gives the mesh and its frame back") {
  const TempFolder folder;
  auto mesh = test::sphere(12.5, 12, {-30.25, 7, 110});
  mesh.frame_id = "1.2.826.0.1.3680043.8.498.45787841905188114249328204441471.99999";
  for (const std::string ending : kEndings) {
    INFO(ending);
    const auto path = folder / ("mesh" + ending);
    writeMesh(mesh, path);
    const auto back = readMesh(path);
    CHECK(back.frame_id == mesh.frame_id);
    CHECK(back.triangles.size() == mesh.triangles.size());
    CHECK(back.vertices.size() == mesh.vertices.size());
    CHECK(topology(back).closed());
    CHECK(volume_mm3(back) == Approx(volume_mm3(mesh)).epsilon(1e-6));
    CHECK((bounds(back).min - bounds(mesh).min).norm() < 1e-5);
    writeMesh(back, folder / ("again" + ending));
    if (ending != ".stl") CHECK(core::readFile(folder / ("again" + ending)) == core::readFile(path));
  }
}

TEST_CASE("a PLY carries values at its vertices and is still a mesh") {
  const TempFolder folder;
  auto mesh = test::sphere(3, 8, {1, 2, 3});
  mesh.frame_id = "abc";
  VertexField height{"height_mm", {}}, seen{"seen", std::vector<float>(mesh.vertices.size(), 1)};
  for (const auto& v : mesh.vertices) height.values.push_back(static_cast<float>(v.z()));
  const auto path = folder / "fields.ply";
  writePly(mesh, {height, seen}, path);
  const auto back = readMesh(path);
  CHECK(back.frame_id == "abc");
  CHECK(back.triangles == mesh.triangles);
  const auto table = parsePly(core::readFile(path), path);
  const auto* column = table.element("vertex")->column("height_mm");
  REQUIRE(column != nullptr);
  for (std::size_t v = 0; v < mesh.vertices.size(); ++v) CHECK((*column)[v] == height.values[v]);
  CHECK(table.element("vertex")->column("seen")->front() == 1);
  writePly(mesh, {}, path);
  writeMesh(mesh, folder / "plain.ply");
  CHECK(core::readFile(path) == core::readFile(folder / "plain.ply"));
  seen.values.pop_back();
  CHECK(codeOf([&] { writePly(mesh, {seen}, path); }) == core::Exit::Software);
  CHECK(codeOf([&] { writePly(mesh, {height, height}, path); }) == core::Exit::Software);
  height.name = "two words";
  CHECK(codeOf([&] { writePly(mesh, {height}, path); }) == core::Exit::Software);
}

TEST_CASE("a long or odd frame_id is refused, not cut") {
  const TempFolder folder;
  auto mesh = test::cube(1, {0, 0, 0});
  mesh.frame_id = std::string(65, 'x');
  CHECK(codeOf([&] { writeMesh(mesh, folder / "m.stl"); }) == core::Exit::DataError);
  mesh.frame_id = "two words";
  CHECK(codeOf([&] { writeMesh(mesh, folder / "m.ply"); }) == core::Exit::DataError);
}

TEST_CASE("an ASCII STL is read and welded, RAS is turned into LPS") {
  const TempFolder folder;
  const auto cube = test::cube(2, {1, 2, 3});
  std::string text = "solid part SPACE=RAS FRAME=abc\r\n";
  for (const auto& t : cube.triangles) {
    text += "  facet normal 0 0 0\r\n outer loop\r\n";
    for (const auto v : t) {
      const auto& p = cube.vertices[v];
      text += " VERTEX " + std::to_string(p[0]) + " " + std::to_string(p[1]) + " +" + std::to_string(p[2]) + "\r\n";
    }
    text += " endloop\r\n endfacet\r\n";
  }
  const auto path = folder / "ascii.stl";
  core::writeFile(path, text + "endsolid part\r\n");
  const auto mesh = readMesh(path);
  CHECK(mesh.vertices.size() == 8);
  CHECK(mesh.frame_id == "abc");
  CHECK(volume_mm3(mesh) == Approx(8));
  CHECK(bounds(mesh).min.isApprox(Eigen::Vector3d(-3, -4, 3)));
  CHECK(readBytes(folder, text, ".stl") == core::Exit::DataError);  // no endsolid
  CHECK(readBytes(folder, text.substr(0, 400) + "vertex nan 0 0\nendsolid", ".stl") == core::Exit::DataError);
}

TEST_CASE("a binary STL that begins with solid is binary") {
  const TempFolder folder;
  const auto path = folder / "b.stl";
  writeMesh(test::cube(1, {0, 0, 0}), path);
  auto bytes = core::readFile(path);
  std::memcpy(bytes.data(), "solid facet", 11);
  core::writeFile(path, bytes);
  CHECK(readMesh(path).triangles.size() == 12);
}

TEST_CASE("an STL in another space is refused") {
  const TempFolder folder;
  const auto path = folder / "b.stl";
  writeMesh(test::cube(1, {0, 0, 0}), path);
  auto bytes = core::readFile(path);
  std::memcpy(bytes.data() + bytes.find("LPS"), "XYZ", 3);
  CHECK(readBytes(folder, bytes, ".stl") == core::Exit::DataError);
}

TEST_CASE("OBJ: polygons, slashes, indices from the end") {
  const TempFolder folder;
  const auto path = folder / "m.obj";
  core::writeFile(path, "# SPACE=LPS\nv 0 0 0\nv 2 0 0 1 0 0\nv 2 2 0\nv 0 2 0\nvn 0 0 1\nf 1/1/1 2//1 3/1 -1\n");
  const auto mesh = readMesh(path);
  CHECK(mesh.triangles.size() == 2);
  CHECK(area_mm2(mesh) == Approx(4));
  core::writeFile(path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 0\n");
  CHECK(codeOf([&] { readMesh(path); }) == core::Exit::DataError);
  core::writeFile(path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n");
  CHECK(codeOf([&] { readMesh(path); }) == core::Exit::DataError);
}

TEST_CASE("PLY: ASCII, big endian, quads and unknown columns") {
  const TempFolder folder;
  const auto path = folder / "m.ply";
  core::writeFile(
      path,
      "ply\nformat ascii 1.0\ncomment SPACE=LPS FRAME=q\nelement vertex 4\nproperty double x\nproperty double y\n"
      "property double z\nproperty uchar red\nelement face 1\nproperty list uchar int vertex_indices\n"
      "end_header\n0 0 0 9\n3 0 0 9\n3 3 0 9\n0 3 0 9\n4 0 1 2 3\n");
  CHECK(area_mm2(readMesh(path)) == Approx(9));
  CHECK(readMesh(path).frame_id == "q");
  std::string big =
      "ply\nformat binary_big_endian 1.0\ncomment SPACE=LPS\nelement vertex 3\nproperty short x\nproperty short y\n"
      "property short z\nelement face 1\nproperty list uchar ushort vertex_index\nend_header\n";
  for (const int v : {0, 0, 0, 300, 0, 0, 0, 2, 0}) big += {static_cast<char>(v >> 8), static_cast<char>(v & 255)};
  big += std::string("\3\0\0\0\1\0\2", 7);
  core::writeFile(path, big);
  CHECK(area_mm2(readMesh(path)) == Approx(300));
}

TEST_CASE("AMF: zipped, several objects, inches") {
  const TempFolder folder;
  const std::string object =
      "<mesh><vertices><vertex><coordinates><x>0</x><y>0</y><z>0</z></coordinates></vertex>"
      "<vertex><coordinates><x>1</x><y>0</y><z>0</z></coordinates></vertex>"
      "<vertex><coordinates><x>0</x><y>1</y><z>0</z></coordinates></vertex></vertices>"
      "<volume><triangle><v1>0</v1><v2>1</v2><v3>2</v3></triangle></volume></mesh>";
  const std::string xml =
      "<?xml version=\"1.0\"?><amf unit=\"inch\"><metadata type=\"x\">SPACE=LPS</metadata><object id=\"1\">" + object +
      "</object><object id=\"2\">" + object + "</object></amf>";
  const auto path = folder / "m.amf";
  core::writeFile(path, xml);
  CHECK(area_mm2(readMesh(path)) == Approx(25.4 * 25.4));
  const auto zipped = folder / "z.amf";
  writeZip({{"z.amf", xml}}, zipped);
  CHECK(area_mm2(readMesh(zipped)) == Approx(25.4 * 25.4));
}

TEST_CASE("the same mesh gives the same bytes two seconds later") {
  const TempFolder folder;
  const auto mesh = test::sphere(5, 8, {0, 0, 0});
  writeMesh(mesh, folder / "a.3mf");
  ::sleep(2);  // the resolution of a ZIP's clock
  writeMesh(mesh, folder / "b.3mf");
  CHECK(core::readFile(folder / "a.3mf") == core::readFile(folder / "b.3mf"));
}

TEST_CASE("lib3mf's strict reader accepts our 3MF") {
  const TempFolder folder;
  writeMesh(test::torus(10, 3, 20, 12), folder / "t.3mf");
  CHECK(read3mf(core::readFile(folder / "t.3mf"), "t.3mf", true).mesh.triangles.size() == 480);
}

TEST_CASE("point clouds keep what they carry") {
  const TempFolder folder;
  PointCloud cloud;
  for (int i = 0; i < 100; ++i) {
    cloud.points.push_back({0.5 * i, -1.0 * i, 3});
    cloud.normals.push_back({0, 0, 1});
    cloud.labels.push_back(static_cast<std::uint16_t>(i * 600));
    cloud.hu.push_back(static_cast<float>(i - 50));
  }
  cloud.frame_id = "f1";
  writePointCloud(cloud, folder / "c.ply");
  const auto back = readPointCloud(folder / "c.ply");
  CHECK(back.points == cloud.points);
  CHECK(back.normals == cloud.normals);
  CHECK(back.labels == cloud.labels);
  CHECK(back.hu == cloud.hu);
  CHECK(back.frame_id == "f1");
  CHECK(codeOf([&] { readMesh(folder / "c.ply"); }) == core::Exit::DataError);
  writePointCloud({.points = {{1, 2, 3}}}, folder / "p.ply");
  CHECK(readPointCloud(folder / "p.ply").labels.empty());
}

TEST_CASE("missing, empty and truncated files end with their codes") {
  const TempFolder folder;
  const auto mesh = test::sphere(5, 10, {0, 0, 0});
  for (const std::string ending : kEndings) {
    INFO(ending);
    CHECK(codeOf([&] { readMesh(folder / ("none" + ending)); }) == core::Exit::NoInput);
    CHECK(readBytes(folder, "", ending) == core::Exit::DataError);
    CHECK(readBytes(folder, "hello", ending) == core::Exit::DataError);
    writeMesh(mesh, folder / ("m" + ending));
    const auto bytes = core::readFile(folder / ("m" + ending));
    if (ending == ".obj") continue;  // a text without an end: a cut at a line's end can't be seen
    for (const double part : {0.1, 0.5, 0.9, 0.999})
      CHECK(readBytes(folder, bytes.substr(0, static_cast<std::size_t>(part * bytes.size())), ending) ==
            core::Exit::DataError);
  }
}

TEST_CASE("counts far beyond the data are refused before memory is taken") {
  const TempFolder folder;
  std::string stl(84, '\0');
  std::memset(stl.data() + 80, 0xff, 4);
  CHECK(readBytes(folder, stl, ".stl") == core::Exit::DataError);
  for (const std::string count : {"4000000000", "18446744073709551615", "99999999999999999999999", "-1"}) {
    INFO(count);
    const std::string head = "ply\nformat binary_little_endian 1.0\nelement vertex " + count + "\n";
    CHECK(readBytes(folder, head + "property float x\nproperty float y\nproperty float z\nend_header\nxyz", ".ply") ==
          core::Exit::DataError);
    CHECK(readBytes(folder, head + "end_header\n", ".ply") == core::Exit::DataError);
  }
  const std::string list =
      "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nelement face 1\n"
      "property list double int vertex_indices\nend_header\n0 0 0\n1e15 0 0 0\n";
  CHECK(readBytes(folder, list, ".ply") == core::Exit::DataError);
}

TEST_CASE("NaN and infinite coordinates are refused in every binary format") {
  const TempFolder folder;
  auto mesh = test::cube(1, {0, 0, 0});
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    mesh.vertices[3][1] = bad;
    for (const std::string ending : kEndings) {
      INFO(ending);
      writeMesh(mesh, folder / ("n" + ending));
      CHECK(codeOf([&] { readMesh(folder / ("n" + ending)); }) == core::Exit::DataError);
    }
  }
}

TEST_CASE("mutated files end in a mesh or in a DataError, never otherwise") {
  const TempFolder folder;
  const auto mesh = test::sphere(5, 4, {1, 2, 3});
  for (const std::string ending : kEndings) {
    INFO(ending);
    writeMesh(mesh, folder / ("m" + ending));
    const auto bytes = core::readFile(folder / ("m" + ending));
    const core::Random random(7);
    const int rounds = ending == ".3mf" ? 150 : 400;
    std::uint64_t k = 0;
    for (int round = 0; round < rounds; ++round) {
      auto mutant = bytes;
      const int changes = 1 + static_cast<int>(random.uniform(k++) * 6);
      for (int c = 0; c < changes; ++c, k += 2)
        mutant[static_cast<std::size_t>(random.uniform(k + 1) * static_cast<double>(mutant.size()))] =
            static_cast<char>(random.uniform(k + 2) * 256);
      if (random.uniform(k++) < 0.3)
        mutant.resize(static_cast<std::size_t>(random.uniform(k++) * static_cast<double>(mutant.size())));
      const auto code = readBytes(folder, mutant, ending);
      INFO("round " << round);
      CHECK((code == core::Exit::Ok || code == core::Exit::DataError));
    }
  }
}
