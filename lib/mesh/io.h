#pragma once
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

/// Reads STL (binary or ASCII; vertices welded), PLY, OBJ, AMF or 3MF by ending. An STL without SPACE=LPS in its header
/// is taken as LPS with a warning; SPACE=RAS is converted. Throws NoInput; DataError for truncated, empty, NaN or
/// hostile files.
TriangleMesh readMesh(const std::string& path);

/// Writes by ending: .stl (binary, header "SPACE=LPS …"), .ply, .obj, .amf, .3mf. The same mesh gives the same bytes.
void writeMesh(const TriangleMesh& mesh, const std::string& path);

/// A binary STL that is written piece by piece, for surfaces that are never held whole. The same triangles in the same
/// order give the bytes of writeMesh. Throws IoError; DataError for 2^32 triangles or more.
class StlWriter {
 public:
  StlWriter(const std::string& path, const std::string& frame_id, std::int64_t triangles);
  /// Adds a triangle to a run of facets.
  static void add(std::string& facets, const Eigen::Vector3d& a, const Eigen::Vector3d& b, const Eigen::Vector3d& c);
  void append(const std::string& facets);
  /// Throws Software unless all triangles came.
  void finish();

 private:
  std::string path_;
  std::int64_t left_;
  std::ofstream out_;
  void check() const;
};

/// Values at the vertices of a mesh, such as a thickness in mm: the unit belongs into the name.
struct VertexField {
  std::string name;
  std::vector<float> values;
};

/// Binary PLY with a float property per field beside x y z; readMesh reads it back without them. Throws Software for a
/// field of another length, a name with white space or one given twice.
void writePly(const TriangleMesh& mesh, const std::vector<VertexField>& fields, const std::string& path);

/// Whether the file is a PLY without triangles. Throws DataError for a damaged PLY.
bool isPointCloud(const std::string& path);
PointCloud readPointCloud(const std::string& path);
/// Binary PLY with x y z [nx ny nz] [label] [hu] and a comment SPACE=LPS.
void writePointCloud(const PointCloud& cloud, const std::string& path);

}  // namespace osteo::mesh
