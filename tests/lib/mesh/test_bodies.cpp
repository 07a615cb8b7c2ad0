#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "mesh/bodies.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "mesh/zip_package.h"

using namespace osteo;
using namespace osteo::mesh;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("mesh_bodies_" + std::to_string(::getpid()));
  Folder() { fs::remove_all(path), fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
  std::string package(const std::string& name, const std::string& model, const std::string& extra = {}) const {
    std::vector<std::pair<std::string, std::string>> files = {
        {"[Content_Types].xml",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Types "
         "xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" "
         "ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"model\" "
         "ContentType=\"application/vnd.ms-package.3dmanufacturing-3dmodel+xml\"/></Types>"},
        {"_rels/.rels",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Relationships "
         "xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship "
         "Target=\"/3D/3dmodel.model\" Id=\"rel0\" "
         "Type=\"http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel\"/></Relationships>"},
        {"3D/3dmodel.model", model}};
    if (!extra.empty()) files.emplace_back(extra, "x");
    writeZip(files, (path / name).string());
    return (path / name).string();
  }
};

constexpr const char* kTetraAmf =
    "<vertices><vertex><coordinates><x>0</x><y>0</y><z>0</z></coordinates></vertex>"
    "<vertex><coordinates><x>6</x><y>0</y><z>0</z></coordinates></vertex>"
    "<vertex><coordinates><x>0</x><y>6</y><z>0</z></coordinates></vertex>"
    "<vertex><coordinates><x>0</x><y>0</y><z>6</z></coordinates></vertex></vertices>";
constexpr const char* kTetraFaces =
    "<triangle><v1>0</v1><v2>2</v2><v3>1</v3></triangle><triangle><v1>0</v1><v2>1</v2><v3>3</v3></triangle>"
    "<triangle><v1>1</v1><v2>2</v2><v3>3</v3></triangle><triangle><v1>0</v1><v2>3</v2><v3>2</v3></triangle>";
constexpr const char* kTetra3mf =
    "<vertices><vertex x=\"0\" y=\"0\" z=\"0\"/><vertex x=\"6\" y=\"0\" z=\"0\"/><vertex x=\"0\" y=\"6\" z=\"0\"/>"
    "<vertex x=\"0\" y=\"0\" z=\"6\"/></vertices><triangles><triangle v1=\"0\" v2=\"2\" v3=\"1\"/><triangle v1=\"0\" "
    "v2=\"1\" v3=\"3\"/><triangle v1=\"1\" v2=\"2\" v3=\"3\"/><triangle v1=\"0\" v2=\"3\" v3=\"2\"/></triangles>";

std::string model(const std::string& resources, const std::string& build) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><model unit=\"millimeter\" xml:lang=\"en-US\" "
         "xmlns=\"http://schemas.microsoft.com/3dmanufacturing/core/2015/02\" "
         "xmlns:b=\"http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02\">"
         "<metadata name=\"Description\">SPACE=LPS</metadata><resources>" +
         resources + "</resources><build>" + build + "</build></model>";
}

core::Exit codeOf(const std::string& path) {
  try {
    readBodies(path);
  } catch (const core::Error& error) {
    return error.code();
  }
  return core::Exit::Ok;
}

}  // namespace

TEST_CASE("AMF: volumes are bodies with materials, constellations place them") {
  const Folder folder;
  const std::string head = "<?xml version=\"1.0\"?><amf unit=\"millimeter\"><metadata type=\"d\">SPACE=LPS</metadata>";
  const std::string materials =
      "<material id=\"7\"><metadata type=\"name\">hydroxyapatite</metadata></material>"
      "<material id=\"8\"><metadata type=\"name\">tricalcium phosphate</metadata></material>";
  const std::string object = std::string("<object id=\"1\"><metadata type=\"name\">core</metadata><mesh>") + kTetraAmf +
                             "<volume materialid=\"7\">" + kTetraFaces + "</volume><volume materialid=\"8\">" +
                             kTetraFaces + "</volume></mesh></object>";
  const auto bodies = readBodies(folder.write("two.amf", head + materials + object + "</amf>"));
  REQUIRE(bodies.size() == 2);
  CHECK(bodies[0].material == "hydroxyapatite");
  CHECK(bodies[1].material == "tricalcium phosphate");
  CHECK(bodies[0].name == "core");
  CHECK(bodies[1].mesh.vertices.size() == 4);
  CHECK(volume_mm3(bodies[1].mesh) == Approx(36));
  const std::string placed =
      "<constellation id=\"2\"><instance objectid=\"1\"><deltax>5</deltax><rz>90</rz></instance></constellation>";
  const auto moved = readBodies(folder.write("placed.amf", head + materials + object + placed + "</amf>"));
  REQUIRE(moved.size() == 2);
  CHECK(bounds(moved[0].mesh).min.isApprox(Eigen::Vector3d(-1, 0, 0)));
  CHECK(bounds(moved[0].mesh).max.isApprox(Eigen::Vector3d(5, 6, 6)));
  const std::string lost = "<constellation id=\"2\"><instance objectid=\"9\"/></constellation>";
  CHECK(codeOf(folder.write("lost.amf", head + object + lost + "</amf>")) == core::Exit::DataError);
}

TEST_CASE("3MF: build items and components are bodies with base materials") {
  const Folder folder;
  const std::string resources =
      std::string(
          "<basematerials id=\"1\"><base name=\"Ti64\" displaycolor=\"#FFFFFF\"/><base name=\"PEEK\" "
          "displaycolor=\"#000000\"/></basematerials><object id=\"2\" name=\"stem\" pid=\"1\" pindex=\"1\" "
          "type=\"model\"><mesh>") +
      kTetra3mf + "</mesh></object><object id=\"3\" type=\"model\"><components><component objectid=\"2\" " +
      "transform=\"1 0 0 0 1 0 0 0 1 10 0 0\"/></components></object>";
  const auto bodies = readBodies(folder.package(
      "two.3mf",
      model(resources, "<item objectid=\"2\"/><item objectid=\"3\" transform=\"2 0 0 0 2 0 0 0 2 0 0 1\"/>")));
  REQUIRE(bodies.size() == 2);
  CHECK(bodies[0].name == "stem");
  CHECK(bodies[0].material == "PEEK");
  CHECK(volume_mm3(bodies[0].mesh) == Approx(36));
  CHECK(volume_mm3(bodies[1].mesh) == Approx(8 * 36));
  CHECK(bounds(bodies[1].mesh).min.isApprox(Eigen::Vector3d(20, 0, 1)));
}

TEST_CASE("3MF: a beam lattice comes with radii, caps and its clipping mesh") {
  const Folder folder;
  const std::string clip = std::string("<object id=\"2\" type=\"model\"><mesh>") + kTetra3mf + "</mesh></object>";
  const std::string lattice =
      "<object id=\"3\" type=\"model\"><mesh><vertices><vertex x=\"0\" y=\"0\" z=\"0\"/><vertex x=\"0\" y=\"0\" "
      "z=\"10\"/></vertices><triangles/><b:beamlattice radius=\"1\" minlength=\"0.01\" cap=\"butt\" "
      "clippingmode=\"inside\" clippingmesh=\"2\"><b:beams><b:beam v1=\"0\" v2=\"1\" r1=\"0.5\" r2=\"0.25\" "
      "cap2=\"hemisphere\"/></b:beams></b:beamlattice></mesh></object>";
  const auto bodies = readBodies(folder.package("beams.3mf", model(clip + lattice, "<item objectid=\"3\"/>")));
  REQUIRE(bodies.size() == 1);
  CHECK(bodies[0].mesh.triangles.empty());
  REQUIRE(bodies[0].beams.beams.size() == 1);
  const Beam& beam = bodies[0].beams.beams[0];
  CHECK(beam.radius_mm[0] == Approx(0.5));
  CHECK(beam.radius_mm[1] == Approx(0.25));
  CHECK(beam.cap[0] == BeamCap::Butt);
  CHECK(beam.cap[1] == BeamCap::Hemisphere);
  CHECK(bodies[0].clipping == BeamClip::Inside);
  CHECK(volume_mm3(bodies[0].clip) == Approx(36));
}

TEST_CASE("entity bombs and names that leave the package are refused") {
  const Folder folder;
  const std::string bomb =
      "<?xml version=\"1.0\"?><!DOCTYPE amf [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
  const std::string amf = std::string("<amf><object id=\"1\"><mesh>") + kTetraAmf + "<volume>" + kTetraFaces +
                          "</volume></mesh></object></amf>";
  CHECK(codeOf(folder.write("good.amf", amf)) == core::Exit::Ok);
  CHECK(codeOf(folder.write("bomb.amf", bomb + amf)) == core::Exit::DataError);
  CHECK_THROWS_AS(readMesh(folder.write("bomb.amf", bomb + amf)), core::Error);
  const std::string object = std::string("<object id=\"2\" type=\"model\"><mesh>") + kTetra3mf + "</mesh></object>";
  const std::string good = model(object, "<item objectid=\"2\"/>");
  std::string bad = good;
  bad.insert(bad.find("<model"), "<!DOCTYPE model [<!ENTITY a \"b\">]>");
  CHECK(codeOf(folder.package("good.3mf", good)) == core::Exit::Ok);
  CHECK(codeOf(folder.package("bomb.3mf", bad)) == core::Exit::DataError);
  for (const char* name : {"../../evil.txt", "/etc/evil", "a/../../evil", "C:evil", "..\\evil"})
    CHECK(codeOf(folder.package("evil.3mf", good, name)) == core::Exit::DataError);
}
