#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "mesh/zip_package.h"
#include "slice_print/writers.h"
#include "slice_print/xml_text.h"

namespace osteo::slice_print {

namespace {

constexpr const char* kContentTypes =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Types "
    "xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
    "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
    "<Default Extension=\"model\" ContentType=\"application/vnd.ms-package.3dmanufacturing-3dmodel+xml\"/></Types>\n";
constexpr const char* kRelationships =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship "
    "Target=\"/3D/3dmodel.model\" Id=\"rel0\" Type=\"http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel\"/>"
    "</Relationships>\n";
constexpr const char* kStart =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<model unit=\"millimeter\" xml:lang=\"en-US\" "
    "xmlns=\"http://schemas.microsoft.com/3dmanufacturing/core/2015/02\" "
    "xmlns:s=\"http://schemas.microsoft.com/3dmanufacturing/slice/2015/07\"{}>\n"
    "<metadata name=\"Description\">osteoforge slice-print: machine frame, build direction +z</metadata>\n"
    "<resources>\n";
constexpr const char* kBeamExtension =
    " xmlns:b=\"http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02\" requiredextensions=\"b\"";
constexpr double kTolerance_mm = 1e-3;

// Polygons close by returning to their first vertex; an empty layer is an empty slice.
std::string sliceXml(const Rings& outline, double top_mm) {
  std::string text = fmt::format("<s:slice ztop=\"{:.5f}\">", top_mm);
  const auto to = std::back_inserter(text);
  const Rings rings = simplified(outline, kTolerance_mm);
  if (!rings.empty()) text += "<s:vertices>";
  for (const Ring& ring : rings) {
    for (const Point& p : ring) fmt::format_to(to, "<s:vertex x=\"{:.4f}\" y=\"{:.4f}\"/>", p.x(), p.y());
  }
  if (!rings.empty()) text += "</s:vertices>\n";
  std::size_t first = 0;
  for (const Ring& ring : rings) {
    fmt::format_to(to, "<s:polygon startv=\"{}\">", first);
    for (std::size_t n = 1; n <= ring.size(); ++n)
      fmt::format_to(to, "<s:segment v2=\"{}\"/>", first + n % ring.size());
    text += "</s:polygon>\n";
    first += ring.size();
  }
  return text + "</s:slice>\n";
}

// Resources are numbered: 1 is the first body's slice stack, 2 its object, 3 and 4 the next body's; base materials
// follow.
int stackId(int body) { return 2 * body + 1; }
int objectId(int body) { return 2 * body + 2; }

// Base materials of the bodies, one each; empty when no body has one.
std::string materialsXml(const Part& part) {
  std::string text = fmt::format("<basematerials id=\"{}\">", stackId(part.bodies()));
  bool any = false;
  for (int body = 0; body < part.bodies(); ++body) {
    any = any || !part.material(body).empty();
    const std::string& name = part.material(body);
    text += fmt::format("<base name=\"{}\" displaycolor=\"#C8C8C8\"/>", name.empty() ? "unnamed" : escaped(name));
  }
  return any ? text + "</basematerials>\n" : std::string();
}

const char* nameOf(mesh::BeamCap cap) {
  return cap == mesh::BeamCap::Sphere ? "sphere" : cap == mesh::BeamCap::Hemisphere ? "hemisphere" : "butt";
}

// Beams between vertices that follow the mesh's own (3MF beam lattice extension 1.0).
void appendBeams(std::string& text, const mesh::BeamLattice& lattice, std::size_t first) {
  const auto to = std::back_inserter(text);
  text += "<b:beamlattice radius=\"1\" minlength=\"0.0001\" cap=\"sphere\"><b:beams>\n";
  for (const mesh::Beam& beam : lattice.beams) {
    fmt::format_to(to, "<b:beam v1=\"{}\" v2=\"{}\" r1=\"{}\" r2=\"{}\" cap1=\"{}\" cap2=\"{}\"/>\n",
                   first + beam.node[0], first + beam.node[1], static_cast<float>(beam.radius_mm[0]),
                   static_cast<float>(beam.radius_mm[1]), nameOf(beam.cap[0]), nameOf(beam.cap[1]));
  }
  text += "</b:beams></b:beamlattice>\n";
}

void appendMesh(std::string& text, const Part& part, int body, bool with_material) {
  const auto to = std::back_inserter(text);
  const mesh::BeamLattice* lattice = part.lattice(body);
  const mesh::TriangleMesh mesh = part.machineMesh(body, lattice == nullptr);
  const std::string& name = part.name(body);
  fmt::format_to(to, "</s:slicestack>\n<object id=\"{}\" type=\"model\" name=\"{}\" s:slicestackid=\"{}\" ",
                 objectId(body), name.empty() ? "part" : escaped(name), stackId(body));
  if (with_material) fmt::format_to(to, "pid=\"{}\" pindex=\"{}\" ", stackId(part.bodies()), body);
  text += "s:meshresolution=\"fullres\"><mesh>\n<vertices>\n";
  const auto vertex = [&to](const Eigen::Vector3d& v) {
    fmt::format_to(to, "<vertex x=\"{}\" y=\"{}\" z=\"{}\"/>\n", static_cast<float>(v[0]), static_cast<float>(v[1]),
                   static_cast<float>(v[2]));
  };
  std::for_each(mesh.vertices.begin(), mesh.vertices.end(), vertex);
  if (lattice) std::for_each(lattice->nodes.begin(), lattice->nodes.end(), vertex);
  text += "</vertices>\n<triangles>\n";
  for (const mesh::Triangle& t : mesh.triangles) {
    fmt::format_to(to, "<triangle v1=\"{}\" v2=\"{}\" v3=\"{}\"/>\n", t[0], t[1], t[2]);
  }
  text += "</triangles>\n";
  if (lattice) appendBeams(text, *lattice, mesh.vertices.size());
  text += "</mesh></object>\n";
}

constexpr char kNextBody = '\x1e';  // between the bodies' slices of a layer; no XML holds it

std::string slicesXml(const Layer& layer) {
  if (layer.bodies.empty()) return sliceXml(layer.slice, layer.top_mm);
  std::string text;
  for (const Rings& body : layer.bodies) text += sliceXml(body, layer.top_mm) + kNextBody;
  return text;
}

std::string modelXml(const Part& part, std::vector<std::string>& stacks) {
  bool any_beams = false;
  for (int body = 0; body < part.bodies(); ++body) any_beams = any_beams || part.lattice(body) != nullptr;
  std::string model = fmt::format(fmt::runtime(kStart), any_beams ? kBeamExtension : "");
  const std::string materials = materialsXml(part);
  model += materials;
  for (int body = 0; body < part.bodies(); ++body) {
    model += fmt::format("<s:slicestack id=\"{}\" zbottom=\"0\">\n", stackId(body)) + stacks[body];
    stacks[body] = {};
    appendMesh(model, part, body, !materials.empty());
  }
  model += "</resources>\n<build>";
  for (int body = 0; body < part.bodies(); ++body) model += fmt::format("<item objectid=\"{}\"/>", objectId(body));
  return model + "</build>\n</model>\n";
}

}  // namespace

JobWriter threeMfWriter(const std::string& path, const JobHead& head) {
  auto stacks = std::make_shared<std::vector<std::string>>(static_cast<std::size_t>(head.part->bodies()));
  const auto append = [stacks](const std::string& xml) {
    std::size_t from = 0;
    for (std::string& stack : *stacks) {
      const std::size_t to = std::min(xml.find(kNextBody, from), xml.size());
      stack.append(xml, from, to - from);
      from = std::min(to + 1, xml.size());
    }
  };
  return {slicesXml, append, [stacks, path, part = head.part] {
            mesh::writeZip({{"[Content_Types].xml", kContentTypes},
                            {"_rels/.rels", kRelationships},
                            {"3D/3dmodel.model", modelXml(*part, *stacks)}},
                           path);
          }};
}

}  // namespace osteo::slice_print
