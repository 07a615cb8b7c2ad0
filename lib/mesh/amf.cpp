#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
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

using Names = std::map<std::string, std::string>;  // of materials, by id

std::string nameOf(const pugi::xml_node& node) {
  for (const auto& data : node.children("metadata")) {
    if (std::string(data.attribute("type").value()) == "name") return data.child_value();
  }
  return {};
}

Triangle corners(const pugi::xml_node& triangle, std::size_t vertices, const std::string& path) {
  Triangle t;
  const char* const kNames[] = {"v1", "v2", "v3"};
  for (int v = 0; v < 3; ++v) {
    const double index = number(triangle, kNames[v], path);
    if (index < 0 || index != std::floor(index) || index >= static_cast<double>(vertices))
      unfit(path, "a triangle names a vertex that is not there", fmt::format("{}", index));
    t[v] = static_cast<std::uint32_t>(index);
  }
  return t;
}

std::vector<Eigen::Vector3d> verticesOf(const pugi::xml_node& object, double scale, const std::string& path) {
  std::vector<Eigen::Vector3d> vertices;
  for (const auto& vertex : object.child("mesh").child("vertices").children("vertex")) {
    const auto at = vertex.child("coordinates");
    vertices.emplace_back(scale * number(at, "x", path), scale * number(at, "y", path), scale * number(at, "z", path));
  }
  return vertices;
}

void readObject(const pugi::xml_node& object, double scale, TriangleMesh& mesh, const std::string& path) {
  const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
  const std::vector<Eigen::Vector3d> vertices = verticesOf(object, scale, path);
  mesh.vertices.insert(mesh.vertices.end(), vertices.begin(), vertices.end());
  for (const auto& volume : object.child("mesh").children("volume"))
    for (const auto& triangle : volume.children("triangle")) {
      const Triangle t = corners(triangle, vertices.size(), path);
      mesh.triangles.push_back({base + t[0], base + t[1], base + t[2]});
    }
}

// The volumes of an object, each with the vertices that it uses.
std::vector<Body> bodiesOf(const pugi::xml_node& object, double scale, const Names& materials,
                           const std::string& path) {
  const std::vector<Eigen::Vector3d> vertices = verticesOf(object, scale, path);
  std::vector<Body> bodies;
  for (const auto& volume : object.child("mesh").children("volume")) {
    Body body{.name = nameOf(volume).empty() ? nameOf(object) : nameOf(volume)};
    const char* id = volume.attribute("materialid") ? volume.attribute("materialid").value()
                                                    : object.attribute("materialid").value();
    const auto material = materials.find(id);
    body.material = material != materials.end() ? material->second : id;
    constexpr std::uint32_t kUnused = 0xffffffff;
    std::vector<std::uint32_t> place(vertices.size(), kUnused);
    for (const auto& triangle : volume.children("triangle")) {
      Triangle t = corners(triangle, vertices.size(), path);
      for (std::uint32_t& v : t) {
        if (place[v] == kUnused) {
          place[v] = static_cast<std::uint32_t>(body.mesh.vertices.size());
          body.mesh.vertices.push_back(vertices[v]);
        }
        v = place[v];
      }
      body.mesh.triangles.push_back(t);
    }
    if (!body.mesh.triangles.empty()) bodies.push_back(std::move(body));
  }
  return bodies;
}

// An instance of a constellation: turned about x, then y, then z (degrees), then moved.
struct Instance {
  std::string object;
  Eigen::Matrix3d turn = Eigen::Matrix3d::Identity();
  Eigen::Vector3d shift_mm = Eigen::Vector3d::Zero();
};

std::vector<Instance> instancesOf(const pugi::xml_node& amf, double scale, const std::string& path) {
  std::vector<Instance> instances;
  for (const auto& constellation : amf.children("constellation")) {
    for (const auto& node : constellation.children("instance")) {
      const auto value = [&](const char* name) { return node.child(name) ? number(node, name, path) : 0.0; };
      const auto about = [&](const char* name, const Eigen::Vector3d& axis) {
        return Eigen::AngleAxisd(value(name) * M_PI / 180, axis);
      };
      Instance instance{.object = node.attribute("objectid").value()};
      instance.turn = (about("rz", Eigen::Vector3d::UnitZ()) * about("ry", Eigen::Vector3d::UnitY()) *
                       about("rx", Eigen::Vector3d::UnitX()))
                          .toRotationMatrix();
      instance.shift_mm = scale * Eigen::Vector3d(value("deltax"), value("deltay"), value("deltaz"));
      instances.push_back(instance);
    }
  }
  return instances;
}

// Calls use(amf element) on the parsed document.
template <class Use>
void withDocument(const std::string& bytes, const std::string& path, const Use& use) {
  pugi::xml_document document;
  const std::string unpacked = looksZipped(bytes) ? unzipEntry(bytes, path, ".amf") : std::string();
  const std::string& text = unpacked.empty() ? bytes : unpacked;
  requirePlainXml(text, path);
  const auto result = document.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_embed_pcdata);
  if (!result) unfit(path, "the AMF is no well-formed XML", result.description());
  const auto amf = document.child("amf");
  if (!amf) unfit(path, "this is no AMF file: it has no <amf> element");
  use(amf);
}

std::string noteOf(const pugi::xml_node& amf) {
  std::string note;
  for (const auto& data : amf.children("metadata")) note += std::string(data.child_value()) + "\n";
  return note;
}

}  // namespace

RawMesh readAmf(const std::string& bytes, const std::string& path) {
  RawMesh raw;
  withDocument(bytes, path, [&](const pugi::xml_node& amf) {
    const double scale = unit_mm(amf.attribute("unit").value(), path);
    raw.note = noteOf(amf);
    for (const auto& object : amf.children("object")) readObject(object, scale, raw.mesh, path);
  });
  return raw;
}

std::vector<Body> readAmfBodies(const std::string& bytes, const std::string& path, std::string& note) {
  std::vector<Body> bodies;
  withDocument(bytes, path, [&](const pugi::xml_node& amf) {
    const double scale = unit_mm(amf.attribute("unit").value(), path);
    note = noteOf(amf);
    Names materials;
    for (const auto& material : amf.children("material"))
      materials[material.attribute("id").value()] = nameOf(material);
    std::map<std::string, std::vector<Body>> objects;
    for (const auto& object : amf.children("object")) {
      std::vector<Body> own = bodiesOf(object, scale, materials, path);
      if (!amf.child("constellation")) std::move(own.begin(), own.end(), std::back_inserter(bodies));
      objects[object.attribute("id").value()] = std::move(own);
    }
    for (const Instance& instance : instancesOf(amf, scale, path)) {
      const auto found = objects.find(instance.object);
      if (found == objects.end()) unfit(path, "a constellation names no object of the file", instance.object);
      for (Body body : found->second) {
        for (Eigen::Vector3d& v : body.mesh.vertices) v = instance.turn * v + instance.shift_mm;
        bodies.push_back(std::move(body));
      }
    }
  });
  return bodies;
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
