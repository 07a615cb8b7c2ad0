#pragma once
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
