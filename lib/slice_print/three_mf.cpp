#include <fmt/format.h>

#include <iterator>
#include <memory>

#include "mesh/zip_package.h"
#include "slice_print/writers.h"

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
    "xmlns:s=\"http://schemas.microsoft.com/3dmanufacturing/slice/2015/07\">\n"
    "<metadata name=\"Description\">osteoforge slice-print: machine frame, build direction +z</metadata>\n"
    "<resources>\n<s:slicestack id=\"1\" zbottom=\"0\">\n";
constexpr double kTolerance_mm = 1e-3;

// Polygons close by returning to their first vertex; an empty layer is an empty slice.
std::string sliceXml(const Layer& layer) {
  std::string text = fmt::format("<s:slice ztop=\"{:.5f}\">", layer.top_mm);
  const auto to = std::back_inserter(text);
  const Rings rings = simplified(layer.slice, kTolerance_mm);
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

void appendMesh(std::string& text, const mesh::TriangleMesh& mesh) {
  const auto to = std::back_inserter(text);
  text +=
      "</s:slicestack>\n<object id=\"2\" type=\"model\" name=\"part\" s:slicestackid=\"1\" "
      "s:meshresolution=\"fullres\">"
      "<mesh>\n<vertices>\n";
  for (const Eigen::Vector3d& v : mesh.vertices) {
    fmt::format_to(to, "<vertex x=\"{}\" y=\"{}\" z=\"{}\"/>\n", static_cast<float>(v[0]), static_cast<float>(v[1]),
                   static_cast<float>(v[2]));
  }
  text += "</vertices>\n<triangles>\n";
  for (const mesh::Triangle& t : mesh.triangles) {
    fmt::format_to(to, "<triangle v1=\"{}\" v2=\"{}\" v3=\"{}\"/>\n", t[0], t[1], t[2]);
  }
  text += "</triangles>\n</mesh></object>\n</resources>\n<build><item objectid=\"2\"/></build>\n</model>\n";
}

}  // namespace

JobWriter threeMfWriter(const std::string& path, const JobHead& head) {
  auto model = std::make_shared<std::string>(kStart);
  return {sliceXml, [model](const std::string& xml) { *model += xml; },
          [model, path, part = head.part] {
            appendMesh(*model, part->machineMesh());
            mesh::writeZip({{"[Content_Types].xml", kContentTypes},
                            {"_rels/.rels", kRelationships},
                            {"3D/3dmodel.model", std::move(*model)}},
                           path);
          }};
}

}  // namespace osteo::slice_print
