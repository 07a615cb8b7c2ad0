#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "mesh/beams.h"
#include "mesh/bodies.h"
#include "mesh/formats.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "mesh/zip_package.h"
#include "shapes.h"
#include "slice_print/layer_viewer.h"
#include "slice_print/writers.h"

using namespace osteo;
using namespace osteo::slice_print;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("slice_print_" + std::to_string(::getpid()));
  Folder() { fs::remove_all(path), fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

Part hollowPart() {
  mesh::TriangleMesh mesh = shapes::sphere(3, {0, 0, 3}, 40, 80);
  mesh::TriangleMesh hole = shapes::sphere(1.5, {0.5, 0, 3}, 30, 60);
  const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
  mesh.vertices.insert(mesh.vertices.end(), hole.vertices.begin(), hole.vertices.end());
  for (const auto& t : hole.triangles) mesh.triangles.push_back({base + t[0], base + t[2], base + t[1]});
  return Part::ofMesh(mesh, {0, 0, 1});
}

Totals write(const Part& part, const JobWriter& writer, const Settings& settings = {.layer_mm = 0.1}) {
  Layer kept;
  return run(part, settings, writer, -1, kept);
}

JobHead headOf(const Part& part, CliEncoding encoding = CliEncoding::Binary) {
  return {.part = &part,
          .stack = stackOver(part.size_mm().z(), 0.1),
          .encoding = encoding,
          .pixel_mm = 0.05,
          .visible_layer = 2};
}

}  // namespace

TEST_CASE("A CLI job comes back from both encodings") {
  const Folder folder;
  const Part part = hollowPart();
  for (const CliEncoding encoding : {CliEncoding::Binary, CliEncoding::Ascii}) {
    const std::string path = folder / "job.cli";
    const Totals totals = write(part, cliWriter(path, headOf(part, encoding)));
    const CliJob job = readCli(path);
    CHECK(job.encoding == encoding);
    CHECK(job.version == 200);
    CHECK(job.date == "010100");
    CHECK((job.max_mm - part.size_mm()).norm() < 1e-5);
    REQUIRE(job.layers.size() == 60);
    CHECK(job.layers[11].top_mm == Approx(1.2));
    double contours = 0, hatches = 0, area = 0;
    std::int64_t lines = 0, holes = 0;
    for (const CliLayer& layer : job.layers) {
      for (const CliPolyline& line : layer.polylines) {
        REQUIRE((line.points.front() - line.points.back()).norm() == 0);
        REQUIRE((line.direction == 1) == (signedArea_mm2(line.points) > 0));
        holes += line.direction == 0;
        contours += perimeter_mm({line.points});
        area += signedArea_mm2(line.points);
      }
      lines += static_cast<std::int64_t>(layer.hatches.size());
      for (const Segment& h : layer.hatches) hatches += (h.b - h.a).norm();
    }
    CHECK(holes == 30);
    CHECK(lines == totals.hatch_lines);
    CHECK(hatches == Approx(totals.hatch_length_mm).epsilon(1e-5));
    CHECK(contours == Approx(totals.contour_length_mm).epsilon(1e-5));
    // Contours lie half a beam inside: what is lost is about the outline's length times that.
    CHECK(area * 0.1 == Approx(totals.sliced_volume_mm3 - totals.contour_length_mm * 0.05 * 0.1).epsilon(2e-3));
  }
}

TEST_CASE("Damaged CLI files are refused wherever they are cut") {
  const Folder folder;
  const Part part = Part::ofMesh(shapes::box({0, 0, 0}, {1, 1, 0.2}), {0, 0, 1});
  for (const CliEncoding encoding : {CliEncoding::Binary, CliEncoding::Ascii}) {
    write(part, cliWriter(folder / "whole.cli", headOf(part, encoding)));
    const std::string whole = core::readFile(folder / "whole.cli");
    for (std::size_t size = 0; size + 14 < whole.size(); size += 7) {
      std::ofstream(folder / "cut.cli", std::ios::binary) << whole.substr(0, size);
      REQUIRE_THROWS_AS(readCli(folder / "cut.cli"), core::Error);
    }
  }
  std::string text =
      "$$HEADERSTART\n$$ASCII\n$$UNITS/0.5\n$$HEADEREND\n$$GEOMETRYSTART\n//top//$$LAYER/3\n$$POLYLINE/"
      "1,2,2,0,0,4,nan\n$$GEOMETRYEND";
  std::ofstream(folder / "nan.cli") << text;
  CHECK_THROWS_AS(readCli(folder / "nan.cli"), core::Error);
  text.replace(text.find("nan"), 3, "2.5");
  std::ofstream(folder / "good.cli") << text;
  const CliJob job = readCli(folder / "good.cli");
  CHECK(job.layers[0].top_mm == 1.5);
  CHECK(job.layers[0].polylines[0].points[1] == Point(2, 1.25));
  CHECK(job.layers[0].polylines[0].direction == 2);
}

TEST_CASE("Short commands and alignment of other programs are understood") {
  const Folder folder;
  std::string bytes = "$$HEADERSTART$$BINARY$$ALIGN$$UNITS/0.01$$VERSION/200$$LAYERS/1$$HEADEREND";
  const auto put = [&bytes](auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto align = [&bytes] {
    while (bytes.size() % 4) bytes += '\0';
  };
  align(), put(std::uint16_t{128}), align(), put(std::uint16_t{7}), align();
  put(std::uint16_t{131}), align();
  for (const int v : {1, 1, 0, 0, 100, 50}) put(static_cast<std::uint16_t>(v));
  std::ofstream(folder / "short.cli", std::ios::binary) << bytes;
  const CliJob job = readCli(folder / "short.cli");
  REQUIRE(job.layers.size() == 1);
  CHECK(job.layers[0].top_mm == Approx(0.07));
  REQUIRE(job.layers[0].hatches.size() == 1);
  CHECK(job.layers[0].hatches[0].b.isApprox(Point(1, 0.5)));
}

TEST_CASE("Masks cover the outline's area") {
  const Rings rings = {shapes::circle(4, {5.013, 5.027}, 500), shapes::circle(1, {5.3, 4.9}, 500, true)};
  const Eigen::Vector2i size = maskSize_px({10.02, 9.98, 1}, 0.05);
  CHECK(size == Eigen::Vector2i(201, 200));
  const auto pixels = mask(rings, size, 0.05);
  double covered = 0;
  for (const auto p : pixels) covered += p / 255.0;
  CHECK(covered * 0.05 * 0.05 == Approx(area_mm2(rings)).epsilon(5e-4));
  CHECK(pixels[0] == 0);
  // Rows run downwards: a spot in the machine's upper half lies in the upper half of the picture.
  const auto spot = mask({{{1, 8}, {2, 8}, {2, 9}, {1, 9}}}, size, 0.05);
  CHECK(spot[(200 - 1 - 170) * 201 + 30] == 255);
  CHECK(spot[170 * 201 + 30] == 0);
}

TEST_CASE("All formats are written, and written the same twice") {
  const Folder folder;
  const Part part = hollowPart();
  std::map<std::string, std::string> first;
  for (int round = 0; round < 2; ++round) {
    fs::create_directories(folder / "masks");
    const JobHead head = headOf(part);
    write(part, svgWriter(folder / "job.svg", head));
    write(part, threeMfWriter(folder / "job.3mf", head));
    write(part, stlWriter(folder / "part.stl", head));
    write(part, pngWriter(folder / "masks", head));
    for (const char* name : {"job.svg", "job.3mf", "part.stl", "masks"}) {
      const std::string hash = core::sha256File(folder / name);
      if (round == 1) CHECK(first[name] == hash);
      first[name] = hash;
    }
  }
  CHECK(std::distance(fs::directory_iterator(folder / "masks"), fs::directory_iterator()) == 60);
  const std::string svg = core::readFile(folder / "job.svg");
  CHECK(svg.find("id=\"layer_00060\"") != svg.npos);
  CHECK(svg.find("id=\"layer_00003\" data-top-mm=\"0.30000\">") != svg.npos);
  const mesh::TriangleMesh stl = mesh::readMesh(folder / "part.stl");
  CHECK(mesh::volume_mm3(stl) == Approx(part.volume_mm3()).epsilon(1e-5));
  CHECK(mesh::bounds(stl).min.norm() < 1e-6);
  // lib3mf's strict reader parses the slice stack with the mesh.
  const mesh::RawMesh packed = mesh::read3mf(core::readFile(folder / "job.3mf"), "job.3mf", true);
  CHECK(mesh::volume_mm3(packed.mesh) == Approx(part.volume_mm3()).epsilon(1e-5));
}

TEST_CASE("Bodies and materials come back from AMF and from a 3MF that lib3mf takes strictly") {
  const Folder folder;
  std::vector<Solid> solids(2);
  solids[0].mesh = shapes::box({0, 0, 0}, {2, 2, 2}), solids[0].material = "HA & \"TCP\" <1:1>",
  solids[0].name = "core";
  solids[1].mesh = shapes::box({2, 0, 0}, {4, 2, 1}), solids[1].material = "gel";
  const Part part = Part::ofSolids(std::move(solids), {0, 0, 1});
  JobHead head = headOf(part);
  write(part, amfWriter(folder / "two.amf", head));
  write(part, threeMfWriter(folder / "two.3mf", head));
  CHECK_NOTHROW(mesh::read3mf(core::readFile(folder / "two.3mf"), "two.3mf", true));
  for (const char* name : {"two.amf", "two.3mf"}) {
    const auto bodies = mesh::readBodies(folder / name);
    REQUIRE(bodies.size() == 2);
    CHECK(bodies[0].material == "HA & \"TCP\" <1:1>");
    CHECK(bodies[0].name == "core");
    CHECK(bodies[1].material == "gel");
    CHECK(mesh::volume_mm3(bodies[0].mesh) == Approx(8));
    CHECK(mesh::volume_mm3(bodies[1].mesh) == Approx(4));
  }
  const std::string model = mesh::unzipEntry(core::readFile(folder / "two.3mf"), "two.3mf", ".model");
  const auto count = [&](const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = model.find(what); at != model.npos; at = model.find(what, at + 1)) ++found;
    return found;
  };
  CHECK(count("<s:slicestack ") == 2);
  CHECK(count("<s:slice ztop") == 40);  // 20 layers of each body, empty ones too
  CHECK(count("<s:polygon ") == 20 + 10);
}

TEST_CASE("Beams come back from a 3MF that lib3mf takes strictly, turned and scaled with their part") {
  const Folder folder;
  Solid solid;
  solid.mesh = shapes::box({4, 0, 0}, {6, 2, 2});
  solid.lattice = {{{0, 0, 0}, {0, 0, 10}},
                   {{.node = {0, 1}, .radius_mm = {0.5, 0.25}, .cap = {mesh::BeamCap::Butt, mesh::BeamCap::Sphere}}}};
  solid.beams = mesh::triangulated(solid.lattice);
  const Part part = Part::ofSolids({solid}, {1, 0, 0}, Eigen::Vector3d::Constant(2));
  REQUIRE(part.lattice(0));
  write(part, threeMfWriter(folder / "beams.3mf", headOf(part)));
  CHECK_NOTHROW(mesh::read3mf(core::readFile(folder / "beams.3mf"), "beams.3mf", true));
  const auto bodies = mesh::readBodies(folder / "beams.3mf");
  REQUIRE(bodies.size() == 1);
  CHECK(mesh::volume_mm3(bodies[0].mesh) == Approx(8 * 8));
  REQUIRE(bodies[0].beams.beams.size() == 1);
  const mesh::Beam& beam = bodies[0].beams.beams[0];
  CHECK(beam.radius_mm[0] == Approx(1));
  CHECK(beam.radius_mm[1] == Approx(0.5));
  CHECK(beam.cap[0] == mesh::BeamCap::Butt);
  CHECK(beam.cap[1] == mesh::BeamCap::Sphere);
  const auto& nodes = bodies[0].beams.nodes;
  CHECK((nodes[beam.node[1]] - nodes[beam.node[0]]).norm() == Approx(20));
  CHECK(nodes[beam.node[1]].z() == Approx(nodes[beam.node[0]].z()).margin(1e-5));  // across the build direction
  // Scaled unevenly, beams are no longer round: triangles tell their shape.
  CHECK(Part::ofSolids({solid}, {1, 0, 0}, {1, 1, 1.2}).lattice(0) == nullptr);
}

TEST_CASE("The viewer's page leaves layers out where it would become too large, and says so") {
  const Folder folder;
  const Part part = Part::ofMesh(shapes::box({0, 0, 0}, {10, 10, 4}), {0, 0, 1});
  const Stack stack = stackOver(4, 0.1);
  const auto page = [&](std::size_t hatches) {
    const JobWriter writer = withViewer(shapes::discard(), folder / "page.html", part, stack);
    Layer layer;
    layer.slice = {{{0, 0}, {10, 0}, {10, 10}, {0, 10}}};
    layer.hatches.assign(hatches, {{0, 1}, {10, 1}});
    for (layer.index = 0; layer.index < stack.layers; ++layer.index) writer.append(writer.encode(layer));
    writer.finish();
    const std::string text = core::readFile(folder / "page.html");
    std::size_t rows = 0;
    for (std::size_t at = text.find("{row: "); at != text.npos; at = text.find("{row: ", at + 1)) ++rows;
    CHECK(text.size() < 30'000'000);
    CHECK((text.find("One layer of 4 is shown") != text.npos) == (rows < 40));
    return rows;
  };
  CHECK(page(10) == 40);
  CHECK(page(200'000) == 10);  // 2.1 MB a layer
}
