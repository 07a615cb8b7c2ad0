#include "mesh/io.h"

#include <fmt/format.h>

#include <limits>

#include "core/error.h"
#include "core/files.h"
#include "mesh/formats.h"

namespace osteo::mesh {
namespace {

constexpr const char* kFormats = ".stl, .ply, .obj, .amf or .3mf";

RawMesh readRaw(const std::string& bytes, const std::string& path) {
  const std::string ending = core::extension(path);
  if (ending == ".stl") return readStl(bytes, path);
  if (ending == ".ply") return readPly(bytes, path);
  if (ending == ".obj") return readObj(bytes, path);
  if (ending == ".amf") return readAmf(bytes, path);
  if (ending == ".3mf") return read3mf(bytes, path);
  throw core::Error(core::Exit::DataError,
                    {.what = "this ending is no mesh", .file = path, .expected = kFormats, .got = ending});
}

/// What every mesh must hold, whatever its format.
void check(const TriangleMesh& mesh, const std::string& path) {
  if (mesh.triangles.empty()) unfit(path, "the mesh has no triangles");
  for (const auto& v : mesh.vertices)
    if (!(v.cwiseAbs().maxCoeff() <= std::numeric_limits<float>::max()))
      unfit(path, "a coordinate is not a finite number of millimetres");
  for (const auto& t : mesh.triangles)
    for (const auto v : t)
      if (v >= mesh.vertices.size())
        unfit(path, "a triangle names a vertex that is not there",
              fmt::format("vertex {} of {}", v, mesh.vertices.size()));
}

void check(const Body& body, const std::string& path) {
  if (!body.mesh.triangles.empty() || body.beams.beams.empty()) check(body.mesh, path);
  for (const auto& v : body.beams.nodes)
    if (!v.allFinite()) unfit(path, "a node of the beams is not a finite number of millimetres");
  for (const auto& beam : body.beams.beams)
    for (const auto node : beam.node)
      if (node >= body.beams.nodes.size()) unfit(path, "a beam names a node that is not there");
  if (body.clipping != BeamClip::None) check(body.clip, path);
}

/// As applySpaceTag() does for points, said once for all bodies.
void applySpaceTagTo(std::vector<Body>& bodies, const std::string& note, const std::string& path) {
  std::vector<std::vector<Eigen::Vector3d>*> parts;
  for (Body& body : bodies) parts.insert(parts.end(), {&body.mesh.vertices, &body.beams.nodes, &body.clip.vertices});
  std::vector<Eigen::Vector3d> probe = {{1, 1, 1}};
  const std::string frame = applySpaceTag(note, path, probe);
  for (auto* points : parts)
    for (auto& p : *points) p = p.cwiseProduct(probe[0]);
  for (Body& body : bodies) body.mesh.frame_id = frame;
}

std::string readAll(const std::string& path) {
  core::requireInput(path);
  std::string bytes = core::readFile(path, std::numeric_limits<std::size_t>::max());
  if (bytes.empty()) unfit(path, "the file is empty");
  return bytes;
}

}  // namespace

std::vector<Body> readBodies(const std::string& path) {
  const std::string ending = core::extension(path);
  std::vector<Body> bodies;
  if (ending != ".amf" && ending != ".3mf") {
    bodies.push_back({.mesh = readMesh(path)});
    return bodies;
  }
  const std::string bytes = readAll(path);
  std::string note;
  bodies = ending == ".amf" ? readAmfBodies(bytes, path, note) : read3mfBodies(bytes, path, note);
  if (bodies.empty()) unfit(path, "the mesh has no triangles");
  for (const Body& body : bodies) check(body, path);
  applySpaceTagTo(bodies, note, path);
  return bodies;
}

TriangleMesh readMesh(const std::string& path) {
  const std::string bytes = readAll(path);
  RawMesh raw = readRaw(bytes, path);
  check(raw.mesh, path);
  raw.mesh.frame_id = applySpaceTag(raw.note, path, raw.mesh.vertices);
  return std::move(raw.mesh);
}

void writeMesh(const TriangleMesh& mesh, const std::string& path) {
  const std::string ending = core::extension(path);
  if (ending == ".stl") return writeStl(mesh, path);
  if (ending == ".ply") return core::writeFile(path, plyBytes(mesh));
  if (ending == ".obj") return core::writeFile(path, objBytes(mesh));
  if (ending == ".amf") return core::writeFile(path, amfBytes(mesh));
  if (ending == ".3mf") return write3mf(mesh, path);
  throw core::Error(core::Exit::CantCreate,
                    {.what = "this ending is no mesh", .file = path, .expected = kFormats, .got = ending});
}

}  // namespace osteo::mesh
