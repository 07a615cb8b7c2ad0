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

}  // namespace

TriangleMesh readMesh(const std::string& path) {
  core::requireInput(path);
  const std::string bytes = core::readFile(path, std::numeric_limits<std::size_t>::max());
  if (bytes.empty()) unfit(path, "the file is empty");
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
