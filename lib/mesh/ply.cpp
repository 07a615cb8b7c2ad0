#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "mesh/formats.h"
#include "mesh/io.h"
#include "mesh/ply_table.h"

namespace osteo::mesh {
namespace {

std::vector<Eigen::Vector3d> triples(const PlyElement& element, const char* x, const char* y, const char* z) {
  const auto *cx = element.column(x), *cy = element.column(y), *cz = element.column(z);
  std::vector<Eigen::Vector3d> result;
  if (!cx || !cy || !cz) return result;
  result.reserve(element.rows);
  for (std::size_t i = 0; i < element.rows; ++i) result.emplace_back((*cx)[i], (*cy)[i], (*cz)[i]);
  return result;
}

std::vector<Eigen::Vector3d> pointsOf(const PlyFile& file, const std::string& path) {
  const auto* vertices = file.element("vertex");
  auto points = vertices ? triples(*vertices, "x", "y", "z") : std::vector<Eigen::Vector3d>{};
  if (points.empty()) unfit(path, "the PLY has no vertices with x, y and z");
  return points;
}

/// Appends plain little-endian values.
class Bytes {
 public:
  explicit Bytes(std::string header) : bytes_(std::move(header)) {}
  template <class T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(const Eigen::Vector3d& p) {
    for (int i = 0; i < 3; ++i) put(static_cast<float>(p[i]));
  }
  std::string bytes_;
};

std::string head(const std::string& frame_id, std::size_t vertices) {
  return fmt::format(
      "ply\nformat binary_little_endian 1.0\ncomment osteoforge {}\nelement vertex {}\n"
      "property float x\nproperty float y\nproperty float z\n",
      spaceTag(frame_id), vertices);
}

std::string bytesWith(const TriangleMesh& mesh, const std::vector<VertexField>& fields) {
  std::string header = head(mesh.frame_id, mesh.vertices.size());
  for (const VertexField& field : fields) header += fmt::format("property float {}\n", field.name);
  Bytes out(header + fmt::format("element face {}\nproperty list uchar uint vertex_indices\nend_header\n",
                                 mesh.triangles.size()));
  out.bytes_.reserve(out.bytes_.size() + (12 + 4 * fields.size()) * mesh.vertices.size() + 13 * mesh.triangles.size());
  for (std::size_t v = 0; v < mesh.vertices.size(); ++v) {
    out.put(mesh.vertices[v]);
    for (const VertexField& field : fields) out.put(field.values[v]);
  }
  for (const auto& t : mesh.triangles) {
    out.put(std::uint8_t{3});
    for (const auto v : t) out.put(v);
  }
  return std::move(out.bytes_);
}

}  // namespace

RawMesh readPly(const std::string& bytes, const std::string& path) {
  const PlyFile file = parsePly(bytes, path);
  RawMesh raw;
  raw.note = file.comments;
  raw.mesh.vertices = pointsOf(file, path);
  const auto* faces = file.element("face");
  if (!faces || faces->rows == 0) unfit(path, "the PLY has no faces: it is a point cloud");
  const std::uint32_t* corner = faces->list.data();
  for (const auto size : faces->list_sizes) {
    for (std::uint32_t k = 2; k < size; ++k) raw.mesh.triangles.push_back({corner[0], corner[k - 1], corner[k]});
    corner += size;
  }
  return raw;
}

std::string plyBytes(const TriangleMesh& mesh) { return bytesWith(mesh, {}); }

void writePly(const TriangleMesh& mesh, const std::vector<VertexField>& fields, const std::string& path) {
  std::set<std::string> names = {"x", "y", "z"};
  for (const VertexField& field : fields) {
    if (field.values.size() != mesh.vertices.size() || field.name.empty() || !names.insert(field.name).second ||
        field.name.find_first_of(" \t\r\n") != std::string::npos) {
      throw core::Error(core::Exit::Software, {.what = "a field of the vertices is named or counted wrongly",
                                               .expected = fmt::format("{} values", mesh.vertices.size()),
                                               .got = fmt::format("{} of '{}'", field.values.size(), field.name)});
    }
  }
  core::writeFile(path, bytesWith(mesh, fields));
}

bool isPointCloud(const std::string& path) {
  if (core::extension(path) != ".ply") return false;
  core::requireInput(path);
  const PlyFile file = parsePly(core::readFile(path), path);
  const PlyElement* faces = file.element("face");
  return faces == nullptr || faces->rows == 0;
}

PointCloud readPointCloud(const std::string& path) {
  const PlyFile file = parsePly(core::readFile(path), path);
  PointCloud cloud;
  cloud.points = pointsOf(file, path);
  const auto& vertices = *file.element("vertex");
  cloud.normals = triples(vertices, "nx", "ny", "nz");
  if (const auto* labels = vertices.column("label"))
    for (const double value : *labels) {
      if (value < 0 || value > 65535 || value != std::floor(value))
        unfit(path, "a label of the point cloud is no whole number from 0 to 65535", fmt::format("{}", value));
      cloud.labels.push_back(static_cast<std::uint16_t>(value));
    }
  if (const auto* hu = vertices.column("hu"))
    for (const double value : *hu) cloud.hu.push_back(static_cast<float>(value));
  cloud.frame_id = applySpaceTag(file.comments, path, cloud.points, &cloud.normals);
  return cloud;
}

void writePointCloud(const PointCloud& cloud, const std::string& path) {
  std::string header = head(cloud.frame_id, cloud.points.size());
  if (!cloud.normals.empty()) header += "property float nx\nproperty float ny\nproperty float nz\n";
  if (!cloud.labels.empty()) header += "property ushort label\n";
  if (!cloud.hu.empty()) header += "property float hu\n";
  Bytes out(header + "end_header\n");
  for (std::size_t i = 0; i < cloud.points.size(); ++i) {
    out.put(cloud.points[i]);
    if (!cloud.normals.empty()) out.put(cloud.normals[i]);
    if (!cloud.labels.empty()) out.put(cloud.labels[i]);
    if (!cloud.hu.empty()) out.put(cloud.hu[i]);
  }
  core::writeFile(path, out.bytes_);
}

}  // namespace osteo::mesh
