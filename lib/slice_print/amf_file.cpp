#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/files.h"
#include "slice_print/writers.h"
#include "slice_print/xml_text.h"

namespace osteo::slice_print {

namespace {

std::string nameElement(const std::string& name) {
  return name.empty() ? "" : "<metadata type=\"name\">" + escaped(name) + "</metadata>\n";
}

void addObject(std::string& text, int id, const Part& part, int material) {
  const auto to = std::back_inserter(text);
  const mesh::TriangleMesh mesh = part.machineMesh(id);
  fmt::format_to(to, "<object id=\"{}\">\n{}<mesh>\n<vertices>\n", id, nameElement(part.name(id)));
  for (const Eigen::Vector3d& v : mesh.vertices) {
    fmt::format_to(to, "<vertex><coordinates><x>{}</x><y>{}</y><z>{}</z></coordinates></vertex>\n",
                   static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2]));
  }
  text += "</vertices>\n<volume";
  if (material > 0) fmt::format_to(to, " materialid=\"{}\"", material);
  text += ">\n";
  for (const mesh::Triangle& t : mesh.triangles)
    fmt::format_to(to, "<triangle><v1>{}</v1><v2>{}</v2><v3>{}</v3></triangle>\n", t[0], t[1], t[2]);
  text += "</volume>\n</mesh>\n</object>\n";
}

}  // namespace

JobWriter amfWriter(const std::string& path, const JobHead& head) {
  const Part& part = *head.part;
  std::string text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<amf unit=\"millimeter\" version=\"1.1\">\n"
      "<metadata type=\"description\">osteoforge slice-print: machine frame, build direction +z</metadata>\n";
  std::vector<std::string> materials;
  std::vector<int> ids;
  for (int body = 0; body < part.bodies(); ++body) {
    const std::string& name = part.material(body);
    const auto found = std::find(materials.begin(), materials.end(), name);
    ids.push_back(name.empty() ? 0 : static_cast<int>(found - materials.begin()) + 1);
    if (name.empty() || found != materials.end()) continue;
    materials.push_back(name);
    fmt::format_to(std::back_inserter(text), "<material id=\"{}\">{}</material>\n", materials.size(),
                   nameElement(name));
  }
  for (int body = 0; body < part.bodies(); ++body) addObject(text, body, part, ids[body]);
  core::writeFile(path, text + "</amf>\n");
  return {[](const Layer&) { return std::string(); }, [](const std::string&) {}, [] {}};
}

}  // namespace osteo::slice_print
