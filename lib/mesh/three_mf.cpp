#include <fmt/format.h>

#include <iterator>
#include <memory>

#include "core/error.h"
#include "mesh/formats.h"
#include "mesh/three_mf_handles.h"
#include "mesh/zip_package.h"

namespace osteo::mesh {
namespace {

using Handle = Handle3mf;

void appendMesh(NMR::PLib3MFBase* object, double scale, TriangleMesh& mesh, const std::string& path) {
  DWORD vertex_count = 0, triangle_count = 0;
  require3mf(NMR::lib3mf_meshobject_getvertexcount(object, &vertex_count), object, path);
  require3mf(NMR::lib3mf_meshobject_gettrianglecount(object, &triangle_count), object, path);
  if (vertex_count == 0 || triangle_count == 0) return;
  std::vector<NMR::MODELMESHVERTEX> vertices(vertex_count);
  std::vector<NMR::MODELMESHTRIANGLE> triangles(triangle_count);
  require3mf(NMR::lib3mf_meshobject_getvertices(object, vertices.data(), vertex_count, nullptr), object, path);
  require3mf(NMR::lib3mf_meshobject_gettriangleindices(object, triangles.data(), triangle_count, nullptr), object,
             path);
  const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
  for (const auto& v : vertices)
    mesh.vertices.emplace_back(scale * v.m_fPosition[0], scale * v.m_fPosition[1], scale * v.m_fPosition[2]);
  for (const auto& t : triangles)
    mesh.triangles.push_back({base + t.m_nIndices[0], base + t.m_nIndices[1], base + t.m_nIndices[2]});
}

constexpr const char* kContentTypes =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
    "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
    "<Default Extension=\"model\" ContentType=\"application/vnd.ms-package.3dmanufacturing-3dmodel+xml\"/></Types>\n";
constexpr const char* kRelationships =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
    "<Relationship Target=\"/3D/3dmodel.model\" Id=\"rel0\" "
    "Type=\"http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel\"/></Relationships>\n";

std::string modelXml(const TriangleMesh& mesh) {
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<model unit=\"millimeter\" xml:lang=\"en-US\" "
                 "xmlns=\"http://schemas.microsoft.com/3dmanufacturing/core/2015/02\">\n"
                 "<metadata name=\"Description\">osteoforge {}</metadata>\n"
                 "<resources><object id=\"1\" type=\"model\"><mesh>\n<vertices>\n",
                 spaceTag(mesh.frame_id));
  for (const auto& v : mesh.vertices)
    fmt::format_to(to, "<vertex x=\"{}\" y=\"{}\" z=\"{}\"/>\n", static_cast<float>(v[0]), static_cast<float>(v[1]),
                   static_cast<float>(v[2]));
  fmt::format_to(to, "</vertices>\n<triangles>\n");
  for (const auto& t : mesh.triangles)
    fmt::format_to(to, "<triangle v1=\"{}\" v2=\"{}\" v3=\"{}\"/>\n", t[0], t[1], t[2]);
  fmt::format_to(to, "</triangles>\n</mesh></object></resources>\n<build><item objectid=\"1\"/></build>\n</model>\n");
  return fmt::to_string(out);
}

}  // namespace

void require3mf(LIB3MFRESULT code, NMR::PLib3MFBase* owner, const std::string& path) {
  if (code == LIB3MF_OK) return;
  DWORD number = 0;
  LPCSTR message = nullptr;
  if (owner) NMR::lib3mf_getlasterror(owner, &number, &message);
  unfit(path, "the 3MF can't be read", fmt::format("{} (code {})", message ? message : "no message", number));
}

double unit3mf_mm(NMR::PLib3MFBase* model, const std::string& path) {
  DWORD unit = 0;
  require3mf(NMR::lib3mf_model_getunit(model, &unit), model, path);
  constexpr double kUnits[] = {1e-3, 1.0, 10.0, 25.4, 304.8, 1000.0};  // in the order of eModelUnit
  if (unit >= std::size(kUnits)) unfit(path, "the 3MF has an unknown unit");
  return kUnits[unit];
}

std::string note3mf(NMR::PLib3MFBase* model, const std::string& path) {
  DWORD count = 0;
  require3mf(NMR::lib3mf_model_getmetadatacount(model, &count), model, path);
  std::string note;
  for (DWORD i = 0; i < count; ++i) {
    ULONG needed = 0;
    require3mf(NMR::lib3mf_model_getmetadatavalueutf8(model, i, nullptr, 0, &needed), model, path);
    std::string value(std::size_t{needed} + 1, '\0');
    require3mf(
        NMR::lib3mf_model_getmetadatavalueutf8(model, i, value.data(), static_cast<ULONG>(value.size()), &needed),
        model, path);
    note += value.c_str() + std::string("\n");
  }
  return note;
}

Handle3mf model3mf(const std::string& bytes, const std::string& path, bool strict) {
  requireSaneZip(bytes, path);
  requirePlainXml(unzipEntry(bytes, path, ".model"), path);
  NMR::PLib3MFModel* raw_handle = nullptr;
  require3mf(NMR::lib3mf_createmodel(&raw_handle), nullptr, path);
  Handle model(raw_handle);
  NMR::PLib3MFModelReader* reader_handle = nullptr;
  require3mf(NMR::lib3mf_model_queryreader(model.get(), "3mf", &reader_handle), model.get(), path);
  const Handle reader(reader_handle);
  require3mf(NMR::lib3mf_reader_setstrictmodeactive(reader.get(), strict), reader.get(), path);
  auto* data = reinterpret_cast<BYTE*>(const_cast<char*>(bytes.data()));  // the API lacks const; it only reads
  require3mf(NMR::lib3mf_reader_readfrombuffer(reader.get(), data, bytes.size()), reader.get(), path);
  return model;
}

RawMesh read3mf(const std::string& bytes, const std::string& path, bool strict) {
  const Handle model = model3mf(bytes, path, strict);
  NMR::PLib3MFModel* merged_handle = nullptr;  // one mesh object per build item, transforms applied
  require3mf(NMR::lib3mf_model_mergetomodel(model.get(), &merged_handle), model.get(), path);
  const Handle merged(merged_handle);
  NMR::PLib3MFModelResourceIterator* iterator_handle = nullptr;
  require3mf(NMR::lib3mf_model_getmeshobjects(merged.get(), &iterator_handle), merged.get(), path);
  const Handle iterator(iterator_handle);
  RawMesh raw;
  raw.note = note3mf(model.get(), path);
  const double scale = unit3mf_mm(model.get(), path);
  for (BOOL more = 0;;) {
    require3mf(NMR::lib3mf_resourceiterator_movenext(iterator.get(), &more), iterator.get(), path);
    if (!more) break;
    NMR::PLib3MFModelResource* object_handle = nullptr;
    require3mf(NMR::lib3mf_resourceiterator_getcurrent(iterator.get(), &object_handle), iterator.get(), path);
    const Handle object(object_handle);
    appendMesh(object.get(), scale, raw.mesh, path);
  }
  return raw;
}

void write3mf(const TriangleMesh& mesh, const std::string& path) {
  writeZip(
      {{"[Content_Types].xml", kContentTypes}, {"_rels/.rels", kRelationships}, {"3D/3dmodel.model", modelXml(mesh)}},
      path);
}

}  // namespace osteo::mesh
