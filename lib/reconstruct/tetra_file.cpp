#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/log.h"
#include "mesh/closest.h"
#include "mesh/measures.h"
#include "mesh/simplify.h"
#include "reconstruct/tetra.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Vector3d;
static_assert(std::endian::native == std::endian::little, "the file says LittleEndian");
constexpr std::uint8_t kVtkTetra = 10;

/// The faces of a tetrahedron, counter-clockwise seen from outside.
constexpr std::array<std::array<std::size_t, 3>, 4> kFaces = {{{1, 2, 3}, {0, 3, 2}, {0, 1, 3}, {0, 2, 1}}};

struct Face {
  mesh::Triangle sorted, seen;
};

/// An array of the file: its XML element and its bytes.
struct Block {
  std::string section, attributes, bytes;
};

template <class T>
std::string bytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<Block> blocks(const TetraMesh& mesh) {
  std::vector<float> points;
  for (const Vector3d& v : mesh.vertices)
    for (int axis = 0; axis < 3; ++axis) points.push_back(static_cast<float>(v[axis]));
  std::vector<std::int64_t> corners, offsets;
  for (const Tetrahedron& t : mesh.tetrahedra) {
    corners.insert(corners.end(), t.begin(), t.end());
    offsets.push_back(static_cast<std::int64_t>(corners.size()));
  }
  return {{"Points", R"(type="Float32" Name="points" NumberOfComponents="3")", bytesOf(points)},
          {"Cells", R"(type="Int64" Name="connectivity")", bytesOf(corners)},
          {"Cells", R"(type="Int64" Name="offsets")", bytesOf(offsets)},
          {"Cells", R"(type="UInt8" Name="types")", std::string(mesh.tetrahedra.size(), static_cast<char>(kVtkTetra))}};
}

}  // namespace

mesh::TriangleMesh boundary(const TetraMesh& mesh) {
  std::vector<Face> faces;
  faces.reserve(4 * mesh.tetrahedra.size());
  for (const Tetrahedron& t : mesh.tetrahedra) {
    for (const auto& f : kFaces) {
      Face face{{}, {t[f[0]], t[f[1]], t[f[2]]}};
      face.sorted = face.seen;
      std::sort(face.sorted.begin(), face.sorted.end());
      faces.push_back(face);
    }
  }
  std::sort(faces.begin(), faces.end(), [](const Face& a, const Face& b) { return a.sorted < b.sorted; });
  constexpr std::uint32_t kNone = 0xffffffff;
  std::vector<std::uint32_t> index(mesh.vertices.size(), kNone);
  mesh::TriangleMesh out;
  out.frame_id = mesh.frame_id;
  for (std::size_t f = 0; f < faces.size(); ++f) {
    if (f + 1 < faces.size() && faces[f].sorted == faces[f + 1].sorted) {
      ++f;
      continue;
    }
    mesh::Triangle triangle;
    for (std::size_t k = 0; k < 3; ++k) {
      std::uint32_t& to = index[faces[f].seen[k]];
      if (to == kNone) {
        to = static_cast<std::uint32_t>(out.vertices.size());
        out.vertices.push_back(mesh.vertices[faces[f].seen[k]]);
      }
      triangle[k] = to;
    }
    out.triangles.push_back(triangle);
  }
  return out;
}

TetraMeasures measure(const TetraMesh& mesh) {
  constexpr double kDegrees = 57.29577951308232;
  TetraMeasures out;
  for (const Tetrahedron& t : mesh.tetrahedra) {
    std::array<Vector3d, 4> normal;
    for (std::size_t f = 0; f < 4; ++f) {
      const Vector3d &a = mesh.vertices[t[kFaces[f][0]]], &b = mesh.vertices[t[kFaces[f][1]]],
                     &c = mesh.vertices[t[kFaces[f][2]]];
      normal[f] = (b - a).cross(c - a);
      if (f == 0) out.volume_mm3 += (a - mesh.vertices[t[0]]).dot(normal[0]) / 6;
    }
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const double angle = kDegrees * std::atan2(normal[i].cross(normal[j]).norm(), -normal[i].dot(normal[j]));
        out.min_dihedral_deg = std::min(out.min_dihedral_deg, angle);
        out.max_dihedral_deg = std::max(out.max_dihedral_deg, angle);
      }
    }
  }
  return out;
}

nlohmann::json describe(const TetraMesh& mesh, const mesh::TriangleMesh& surface, double edge_mm) {
  const TetraMeasures m = measure(mesh);
  const mesh::TriangleMesh skin = boundary(mesh);
  const mesh::Topology topology = mesh::topology(skin);
  const double error_percent = 100 * (m.volume_mm3 / mesh::volume_mm3(surface) - 1);
  const mesh::SurfaceDistances distances = mesh::surfaceDistances(skin, surface);
  return {{"tetra",
           {{"count", mesh.tetrahedra.size()},
            {"vertices", mesh.vertices.size()},
            {"edge_mm", edge_mm},
            {"min_dihedral_deg", m.min_dihedral_deg},
            {"max_dihedral_deg", m.max_dihedral_deg},
            {"volume_mm3", m.volume_mm3},
            {"volume_error_percent", error_percent},
            {"boundary_deviation_p95_mm", distances.p95_mm},
            {"boundary_max_deviation_mm", mesh::maxDeviation_mm(skin, surface)},
            {"boundary_components", topology.components},
            {"boundary_closed", topology.closed()},
            {"boundary_pinched_edges", topology.nonmanifold_edges}}}};
}

void writeVtu(const TetraMesh& mesh, const std::string& path) {
  const std::vector<Block> parts = blocks(mesh);
  std::string text = fmt::format(
      "<?xml version=\"1.0\"?>\n<!-- SPACE=LPS UNIT=mm{} -->\n"
      "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n"
      "<UnstructuredGrid>\n<Piece NumberOfPoints=\"{}\" NumberOfCells=\"{}\">\n",
      mesh.frame_id.find_first_not_of("0123456789.") == std::string::npos && !mesh.frame_id.empty()
          ? " FRAME=" + mesh.frame_id
          : "",
      mesh.vertices.size(), mesh.tetrahedra.size());
  std::string data, section;
  for (const Block& part : parts) {
    if (part.section != section) {
      text += section.empty() ? "" : "</" + section + ">\n";
      text += "<" + (section = part.section) + ">\n";
    }
    text += fmt::format("<DataArray {} format=\"appended\" offset=\"{}\"/>\n", part.attributes, data.size());
    const std::uint64_t size = part.bytes.size();
    data.append(reinterpret_cast<const char*>(&size), sizeof size);
    data += part.bytes;
  }
  text += "</" + section + ">\n</Piece>\n</UnstructuredGrid>\n<AppendedData encoding=\"raw\">\n_";
  core::writeFile(path, text + data + "\n</AppendedData>\n</VTKFile>\n");
}

nlohmann::json writeTetrahedra(const levelset::LevelSet& bone, const mesh::TriangleMesh& surface, double edge_mm,
                               const std::string& path) {
  constexpr double kEdge_voxels = 2, kMostError_percent = 2;
  const double edge = edge_mm > 0 ? edge_mm : kEdge_voxels * bone.voxel_mm();
  const TetraMesh mesh = fillWithTetrahedra(bone, edge);
  writeVtu(mesh, path);
  nlohmann::json record = describe(mesh, surface, edge);
  const nlohmann::json& of = record["tetra"];
  if (std::abs(of["volume_error_percent"].get<double>()) > kMostError_percent || !of["boundary_closed"].get<bool>())
    core::warn(fmt::format(
        "the tetrahedra don't follow the bone's thin places: volume {:+.1f} %, {} edges where parts only touch; give a "
        "smaller --tetra-mm",
        of["volume_error_percent"].get<double>(), of["boundary_pinched_edges"].get<std::int64_t>()));
  return record;
}

}  // namespace osteo::reconstruct
