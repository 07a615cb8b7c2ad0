#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <map>
#include <pugixml.hpp>

#include "mesh/formats.h"
#include "mesh/zip_package.h"

namespace osteo::mesh {
namespace {

double unit_mm(const std::string& unit, const std::string& path) {
  static const std::map<std::string, double> kUnits = {{"", 1.0},       {"millimeter", 1.0}, {"inch", 25.4},
                                                       {"feet", 304.8}, {"foot", 304.8},     {"meter", 1000.0},
                                                       {"micron", 1e-3}};
  const auto it = kUnits.find(unit);
  if (it == kUnits.end()) unfit(path, "the AMF has an unknown unit", "\"" + unit.substr(0, 20) + "\"");
  return it->second;
}

double number(const pugi::xml_node& parent, const char* name, const std::string& path) {
  double value;
  TextCursor text(parent.child_value(name));
  if (!text.number(value)) unfit(path, fmt::format("the AMF lacks a number: {} of {}", name, parent.name()));
  return value;
}

void readObject(const pugi::xml_node& object, double scale, TriangleMesh& mesh, const std::string& path) {
  const auto base = static_cast<double>(mesh.vertices.size());
  const auto body = object.child("mesh");
  for (const auto& vertex : body.child("vertices").children("vertex")) {
    const auto at = vertex.child("coordinates");
    mesh.vertices.emplace_back(scale * number(at, "x", path), scale * number(at, "y", path),
                               scale * number(at, "z", path));
  }
  for (const auto& volume : body.children("volume"))
    for (const auto& triangle : volume.children("triangle")) {
      Triangle t;
      const char* const kNames[] = {"v1", "v2", "v3"};
      for (int v = 0; v < 3; ++v) {
        const double index = number(triangle, kNames[v], path);
        if (index < 0 || index != std::floor(index) || base + index >= static_cast<double>(mesh.vertices.size()))
          unfit(path, "a triangle names a vertex that is not there", fmt::format("{}", index));
        t[v] = static_cast<std::uint32_t>(base + index);
      }
      mesh.triangles.push_back(t);
    }
}

}  // namespace

RawMesh readAmf(const std::string& bytes, const std::string& path) {
  pugi::xml_document document;
  const std::string unpacked = looksZipped(bytes) ? unzipEntry(bytes, path, ".amf") : std::string();
  const std::string& text = unpacked.empty() ? bytes : unpacked;
  const auto result = document.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_embed_pcdata);
  if (!result) unfit(path, "the AMF is no well-formed XML", result.description());
  const auto amf = document.child("amf");
  if (!amf) unfit(path, "this is no AMF file: it has no <amf> element");
  RawMesh raw;
  const double scale = unit_mm(amf.attribute("unit").value(), path);
  for (const auto& data : amf.children("metadata")) raw.note += std::string(data.child_value()) + "\n";
  for (const auto& object : amf.children("object")) readObject(object, scale, raw.mesh, path);
  return raw;
}

std::string amfBytes(const TriangleMesh& mesh) {
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<amf unit=\"millimeter\" version=\"1.1\">\n"
                 "<metadata type=\"description\">osteoforge {}</metadata>\n<object id=\"0\"><mesh>\n<vertices>\n",
                 spaceTag(mesh.frame_id));
  for (const auto& v : mesh.vertices)
    fmt::format_to(to, "<vertex><coordinates><x>{}</x><y>{}</y><z>{}</z></coordinates></vertex>\n",
                   static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2]));
  fmt::format_to(to, "</vertices>\n<volume>\n");
  for (const auto& t : mesh.triangles)
    fmt::format_to(to, "<triangle><v1>{}</v1><v2>{}</v2><v3>{}</v3></triangle>\n", t[0], t[1], t[2]);
  fmt::format_to(to, "</volume>\n</mesh></object>\n</amf>\n");
  return fmt::to_string(out);
}

}  // namespace osteo::mesh
