#pragma once
#include <string>
#include <string_view>

#include "mesh/bodies.h"
#include "mesh/triangle_mesh.h"

/// The formats behind readMesh and writeMesh; for this folder's .cpp files.
namespace osteo::mesh {

/// A mesh as it stands in a file, with the text that may hold its SPACE and FRAME.
struct RawMesh {
  TriangleMesh mesh;
  std::string note;
};

// Readers throw DataError for what is truncated, inconsistent or hostile; `path` is for the message.
RawMesh readStl(const std::string& bytes, const std::string& path);
RawMesh readPly(const std::string& bytes, const std::string& path);
RawMesh readObj(const std::string& bytes, const std::string& path);
RawMesh readAmf(const std::string& bytes, const std::string& path);
/// `strict` turns lib3mf's warnings into errors: ours to pass, too strict for what other programs write.
RawMesh read3mf(const std::string& bytes, const std::string& path, bool strict = false);

/// The same files body by body, in LPS or RAS as `note` says.
std::vector<Body> readAmfBodies(const std::string& bytes, const std::string& path, std::string& note);
std::vector<Body> read3mfBodies(const std::string& bytes, const std::string& path, std::string& note);

void writeStl(const TriangleMesh& mesh, const std::string& path);
std::string plyBytes(const TriangleMesh& mesh);
std::string objBytes(const TriangleMesh& mesh);
std::string amfBytes(const TriangleMesh& mesh);
/// Writes the package itself: ZIP with fixed times, so that the same mesh gives the same bytes.
void write3mf(const TriangleMesh& mesh, const std::string& path);

/// "SPACE=LPS FRAME=…"; the frame is left out when unknown. Throws DataError for a frame_id with white space or over 64
/// bytes.
std::string spaceTag(const std::string& frame_id);
/// What a note says: converts RAS points (and normals) to LPS, returns the frame_id; warns when SPACE is missing.
/// Throws DataError for any other space.
std::string applySpaceTag(const std::string& note, const std::string& path, std::vector<Eigen::Vector3d>& points,
                          std::vector<Eigen::Vector3d>* normals = nullptr);

/// Throws DataError for XML with a document type: entities that name each other can fill any memory, and no mesh format
/// needs them.
void requirePlainXml(const std::string& text, const std::string& path);

/// Throws DataError about a file.
[[noreturn]] void unfit(const std::string& path, const std::string& what, const std::string& got = {});

/// Reads numbers and words of a text format in order.
class TextCursor {
 public:
  explicit TextCursor(std::string_view text) : text_(text) {}
  bool atEnd();                   ///< skips white space
  std::string_view word();        ///< next word on any line, empty at the end
  std::string_view restOfLine();  ///< up to the line's end, which is consumed
  bool number(double& value);     ///< false when the next word is no finite number

 private:
  std::string_view text_;
};

}  // namespace osteo::mesh
