#include <fmt/format.h>

#include <Eigen/Geometry>
#include <map>
#include <pugixml.hpp>
#include <utility>

#include "mesh/formats.h"
#include "mesh/three_mf_handles.h"
#include "mesh/zip_package.h"

namespace osteo::mesh {
namespace {

constexpr int kMostDepth = 32;  // of components within components

Eigen::Affine3d affine(const NMR::MODELTRANSFORM& transform) {
  Eigen::Affine3d result = Eigen::Affine3d::Identity();
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 4; ++column) result(row, column) = transform.m_fFields[row][column];
  }
  return result;
}

/// How an object's beams are clipped, and with the mesh of which object.
struct Clipping {
  BeamClip mode = BeamClip::None;
  DWORD mesh = 0;
};
using Clippings = std::map<DWORD, Clipping>;  ///< by object, in lib3mf's numbers

/// lib3mf's numbers of mesh objects, in the order of the file.
std::vector<DWORD> meshNumbers(NMR::PLib3MFBase* model, const std::string& path) {
  NMR::PLib3MFModelResourceIterator* iterator_handle = nullptr;
  require3mf(NMR::lib3mf_model_getmeshobjects(model, &iterator_handle), model, path);
  const Handle3mf iterator(iterator_handle);
  std::vector<DWORD> numbers;
  for (BOOL more = 0;;) {
    require3mf(NMR::lib3mf_resourceiterator_movenext(iterator.get(), &more), iterator.get(), path);
    if (!more) return numbers;
    NMR::PLib3MFModelResource* object_handle = nullptr;
    require3mf(NMR::lib3mf_resourceiterator_getcurrent(iterator.get(), &object_handle), iterator.get(), path);
    const Handle3mf object(object_handle);
    require3mf(NMR::lib3mf_resource_getresourceid(object.get(), &numbers.emplace_back()), object.get(), path);
  }
}

/// The clipping of beam lattices as the published extension names it: lib3mf 1.8 knows the draft's name alone.
Clippings clippingsOf(const std::string& xml, NMR::PLib3MFBase* model, const std::string& path) {
  Clippings clippings;
  if (xml.find("clippingmode") == std::string::npos) return clippings;
  pugi::xml_document document;
  const auto result = document.load_buffer(xml.data(), xml.size());
  if (!result) unfit(path, "the 3MF's model is no well-formed XML", result.description());
  const std::vector<DWORD> numbers = meshNumbers(model, path);
  std::map<std::string, DWORD> number_of;  // by the file's id
  const auto resources = document.child("model").child("resources");
  for (const auto& object : resources.children("object")) {
    if (object.child("mesh") && number_of.size() < numbers.size())
      number_of.emplace(object.attribute("id").value(), numbers[number_of.size()]);
  }
  for (const auto& object : resources.children("object")) {
    for (const auto& child : object.child("mesh").children()) {
      const std::string name = child.name();
      if (name.substr(name.rfind(':') + 1) != "beamlattice") continue;
      const std::string mode = child.attribute("clippingmode").as_string("none");
      if (mode == "none") continue;
      const auto clip = number_of.find(child.attribute("clippingmesh").value());
      if ((mode != "inside" && mode != "outside") || clip == number_of.end())
        unfit(path, "beams of the 3MF are clipped in an unknown way", mode);
      clippings[number_of[object.attribute("id").value()]] = {mode == "inside" ? BeamClip::Inside : BeamClip::Outside,
                                                              clip->second};
    }
  }
  return clippings;
}

/// Walks over the build items of a model and collects their bodies in file units.
class Collector {
 public:
  Collector(NMR::PLib3MFBase* model, const Clippings& clippings, const std::string& path)
      : model_(model), clippings_(clippings), path_(path) {}

  std::vector<Body> collect() {
    NMR::PLib3MFModelBuildItemIterator* iterator_handle = nullptr;
    check(NMR::lib3mf_model_getbuilditems(model_, &iterator_handle), model_);
    const Handle3mf iterator(iterator_handle);
    for (BOOL more = 0;;) {
      check(NMR::lib3mf_builditemiterator_movenext(iterator.get(), &more), iterator.get());
      if (!more) return std::move(bodies_);
      NMR::PLib3MFModelBuildItem* item_handle = nullptr;
      check(NMR::lib3mf_builditemiterator_getcurrent(iterator.get(), &item_handle), iterator.get());
      const Handle3mf item(item_handle);
      DWORD id = 0;
      check(NMR::lib3mf_builditem_getobjectresourceid(item.get(), &id), item.get());
      BOOL moved = 0;
      NMR::MODELTRANSFORM transform = {};
      check(NMR::lib3mf_builditem_hasobjecttransform(item.get(), &moved), item.get());
      if (moved) check(NMR::lib3mf_builditem_getobjecttransform(item.get(), &transform), item.get());
      addObject(id, moved ? affine(transform) : Eigen::Affine3d::Identity(), 0);
    }
  }

 private:
  void check(LIB3MFRESULT code, NMR::PLib3MFBase* owner) const { require3mf(code, owner, path_); }

  void addObject(DWORD id, const Eigen::Affine3d& at, int depth) {
    if (depth > kMostDepth) unfit(path_, "the 3MF's components are nested too deeply");
    NMR::PLib3MFModelResource* handle = nullptr;
    check(NMR::lib3mf_model_getresourcebyid(model_, id, &handle), model_);
    const Handle3mf object(handle);
    BOOL is_mesh = 0;
    check(NMR::lib3mf_object_ismeshobject(object.get(), &is_mesh), object.get());
    if (is_mesh) return addMesh(object.get(), at);
    DWORD count = 0;
    check(NMR::lib3mf_componentsobject_getcomponentcount(object.get(), &count), object.get());
    for (DWORD n = 0; n < count; ++n) {
      NMR::PLib3MFModelComponent* component_handle = nullptr;
      check(NMR::lib3mf_componentsobject_getcomponent(object.get(), n, &component_handle), object.get());
      const Handle3mf component(component_handle);
      DWORD child = 0;
      BOOL moved = 0;
      NMR::MODELTRANSFORM transform = {};
      check(NMR::lib3mf_component_getobjectresourceid(component.get(), &child), component.get());
      check(NMR::lib3mf_component_hastransform(component.get(), &moved), component.get());
      if (moved) check(NMR::lib3mf_component_gettransform(component.get(), &transform), component.get());
      addObject(child, moved ? at * affine(transform) : at, depth + 1);
    }
  }

  void addMesh(NMR::PLib3MFBase* object, const Eigen::Affine3d& at) {
    Body body{.name = nameOf(object), .material = materialOf(object), .mesh = meshOf(object, at)};
    body.beams = beamsOf(object, at);
    if (!body.beams.beams.empty()) addClip(object, at, body);
    if (!body.mesh.triangles.empty() || !body.beams.beams.empty()) bodies_.push_back(std::move(body));
  }

  std::string nameOf(NMR::PLib3MFBase* object) const {
    ULONG needed = 0;
    check(NMR::lib3mf_object_getnameutf8(object, nullptr, 0, &needed), object);
    std::string name(std::size_t{needed} + 1, '\0');
    check(NMR::lib3mf_object_getnameutf8(object, name.data(), static_cast<ULONG>(name.size()), &needed), object);
    return name.c_str();
  }

  /// The base material of the object, or of its first triangle.
  std::string materialOf(NMR::PLib3MFBase* object) const {
    DWORD group = 0, index = 0, triangles = 0;
    NMR::PLib3MFDefaultPropertyHandler* own_handle = nullptr;
    check(NMR::lib3mf_object_createdefaultpropertyhandler(object, &own_handle), object);
    const Handle3mf own(own_handle);
    NMR::eModelPropertyType type = NMR::MODELPROPERTYTYPE_NONE;
    check(NMR::lib3mf_defaultpropertyhandler_getpropertytype(own.get(), &type), own.get());
    if (type == NMR::MODELPROPERTYTYPE_BASEMATERIALS) {
      check(NMR::lib3mf_defaultpropertyhandler_getbasematerial(own.get(), &group, &index), own.get());
      return materialName(group, index);
    }
    check(NMR::lib3mf_meshobject_gettrianglecount(object, &triangles), object);
    if (triangles == 0) return {};
    NMR::PLib3MFPropertyHandler* faces_handle = nullptr;
    check(NMR::lib3mf_meshobject_createpropertyhandler(object, &faces_handle), object);
    const Handle3mf faces(faces_handle);
    check(NMR::lib3mf_propertyhandler_getpropertytype(faces.get(), 0, &type), faces.get());
    if (type != NMR::MODELPROPERTYTYPE_BASEMATERIALS) return {};
    check(NMR::lib3mf_propertyhandler_getbasematerial(faces.get(), 0, &group, &index), faces.get());
    return materialName(group, index);
  }

  std::string materialName(DWORD group, DWORD index) const {
    NMR::PLib3MFModelBaseMaterial* handle = nullptr;
    check(NMR::lib3mf_model_getbasematerialbyid(model_, group, &handle), model_);
    const Handle3mf material(handle);
    ULONG needed = 0;
    check(NMR::lib3mf_basematerial_getnameutf8(material.get(), index, nullptr, 0, &needed), material.get());
    std::string name(std::size_t{needed} + 1, '\0');
    check(NMR::lib3mf_basematerial_getnameutf8(material.get(), index, name.data(), static_cast<ULONG>(name.size()),
                                               &needed),
          material.get());
    return name.c_str();
  }

  std::vector<Eigen::Vector3d> verticesOf(NMR::PLib3MFBase* object, const Eigen::Affine3d& at) const {
    DWORD count = 0;
    check(NMR::lib3mf_meshobject_getvertexcount(object, &count), object);
    std::vector<NMR::MODELMESHVERTEX> raw(count);
    if (count > 0) check(NMR::lib3mf_meshobject_getvertices(object, raw.data(), count, nullptr), object);
    std::vector<Eigen::Vector3d> vertices;
    vertices.reserve(count);
    for (const auto& v : raw)
      vertices.push_back(at * Eigen::Vector3d(v.m_fPosition[0], v.m_fPosition[1], v.m_fPosition[2]));
    return vertices;
  }

  TriangleMesh meshOf(NMR::PLib3MFBase* object, const Eigen::Affine3d& at) const {
    TriangleMesh mesh;
    DWORD count = 0;
    check(NMR::lib3mf_meshobject_gettrianglecount(object, &count), object);
    if (count == 0) return mesh;
    mesh.vertices = verticesOf(object, at);
    std::vector<NMR::MODELMESHTRIANGLE> triangles(count);
    check(NMR::lib3mf_meshobject_gettriangleindices(object, triangles.data(), count, nullptr), object);
    const bool mirrored = at.linear().determinant() < 0;
    for (const auto& t : triangles) {
      mesh.triangles.push_back({t.m_nIndices[0], t.m_nIndices[1], t.m_nIndices[2]});
      if (mirrored) std::swap(mesh.triangles.back()[1], mesh.triangles.back()[2]);
    }
    return mesh;
  }

  BeamLattice beamsOf(NMR::PLib3MFBase* object, const Eigen::Affine3d& at) const {
    BeamLattice lattice;
    DWORD count = 0;
    check(NMR::lib3mf_meshobject_getbeamcount(object, &count), object);
    if (count == 0) return lattice;
    const double scale = std::cbrt(std::abs(at.linear().determinant()));
    if (!(at.linear() * at.linear().transpose()).isApprox(scale * scale * Eigen::Matrix3d::Identity(), 1e-4))
      unfit(path_, "beams of the 3MF are stretched unevenly, so they are no longer round");
    lattice.nodes = verticesOf(object, at);
    std::vector<NMR::MODELMESHBEAM> beams(count);
    check(NMR::lib3mf_meshobject_getbeamindices(object, beams.data(), count, nullptr), object);
    constexpr BeamCap kCaps[] = {BeamCap::Sphere, BeamCap::Hemisphere, BeamCap::Butt};  // in lib3mf's order
    for (const auto& raw : beams) {
      Beam beam;
      for (int end = 0; end < 2; ++end) {
        beam.node[end] = raw.m_nIndices[end];
        beam.radius_mm[end] = scale * raw.m_dRadius[end];
        beam.cap[end] = kCaps[raw.m_eCapMode[end] <= NMR::MODELBEAMLATTICECAPMODE_BUTT ? raw.m_eCapMode[end] : 0];
      }
      lattice.beams.push_back(beam);
    }
    return lattice;
  }

  void addClip(NMR::PLib3MFBase* object, const Eigen::Affine3d& at, Body& body) const {
    NMR::eModelBeamLatticeClipMode mode = NMR::MODELBEAMLATTICECLIPMODE_NONE;
    DWORD id = 0, own_id = 0;
    check(NMR::lib3mf_meshobject_getbeamlattice_clipping(object, &mode, &id), object);
    check(NMR::lib3mf_resource_getresourceid(object, &own_id), object);
    const auto named = clippings_.find(own_id);
    Clipping clipping{BeamClip::None, id};
    if (mode == NMR::MODELBEAMLATTICECLIPMODE_INSIDE) clipping.mode = BeamClip::Inside;
    if (mode == NMR::MODELBEAMLATTICECLIPMODE_OUTSIDE) clipping.mode = BeamClip::Outside;
    if (named != clippings_.end()) clipping = named->second;
    if (clipping.mode == BeamClip::None) return;
    NMR::PLib3MFModelMeshObject* handle = nullptr;
    check(NMR::lib3mf_model_getmeshobjectbyid(model_, clipping.mesh, &handle), model_);
    const Handle3mf clip(handle);
    body.clip = meshOf(clip.get(), at);
    body.clipping = clipping.mode;
    if (body.clip.triangles.empty()) unfit(path_, "the mesh that clips the beams of the 3MF has no triangles");
  }

  NMR::PLib3MFBase* model_;
  const Clippings& clippings_;
  const std::string& path_;
  std::vector<Body> bodies_;
};

void scale(std::vector<Eigen::Vector3d>& points, double factor) {
  for (Eigen::Vector3d& p : points) p *= factor;
}

}  // namespace

std::vector<Body> read3mfBodies(const std::string& bytes, const std::string& path, std::string& note) {
  const Handle3mf model = model3mf(bytes, path, false);
  note = note3mf(model.get(), path);
  const Clippings clippings = clippingsOf(unzipEntry(bytes, path, ".model"), model.get(), path);
  std::vector<Body> bodies = Collector(model.get(), clippings, path).collect();
  const double unit_mm = unit3mf_mm(model.get(), path);
  for (Body& body : bodies) {
    scale(body.mesh.vertices, unit_mm);
    scale(body.clip.vertices, unit_mm);
    scale(body.beams.nodes, unit_mm);
    for (Beam& beam : body.beams.beams) {
      for (double& radius : beam.radius_mm) radius *= unit_mm;
    }
  }
  return bodies;
}

}  // namespace osteo::mesh
