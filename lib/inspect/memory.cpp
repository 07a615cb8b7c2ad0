#include "inspect/memory.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/files.h"
#include "image/io.h"
#include "inspect/kind.h"
#include "inspect/parse.h"

namespace osteo::inspect {
namespace {

constexpr double kMiB = 1024 * 1024;
constexpr double kProgram = 45 * kMiB;       ///< libraries and tables, whatever the file
constexpr double kSlicesDrawn = 12 * kMiB;   ///< three slices and their sheet
constexpr double kSurfaceDrawn = 45 * kMiB;  ///< two views, drawn at a multiple of their size
constexpr double kGridPerFileByte = 8;       ///< VDB files are compressed; the file's bytes stay beside the grid
constexpr double kComparedPerFileByte = 14;  ///< two grids, and what they have in common
constexpr double kMeshPerTriangle = 90;      ///< bytes of the file, welded vertices, edges
constexpr double kDrawnPerTriangle = 45;     ///< the same without edges
constexpr double kTreePerTriangle = 60;      ///< with a tree of boxes for the closest point
constexpr double kSolidPerTriangle = 140;    ///< with a level set of its own resolution
constexpr double kJsonPerFileByte = 5;
constexpr double kXmlPerTriangle = 650;  ///< a tree of its elements beside the mesh

/// What one file holds.
struct Load {
  Kind kind = Kind::Other;
  double bytes = 0, voxels = 0, bytes_per_voxel = 0, triangles = 0, pixels = 0;
  bool xml = false;  ///< a mesh that is read through a tree of elements
};

double littleEndian(const std::string& bytes, std::size_t at) {
  double value = 0;
  for (std::size_t i = 4; i-- > 0;) value = 256 * value + static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

double bigEndian(std::string bytes, std::size_t at) {
  std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(at) + 4);
  return littleEndian(bytes, at);
}

/// A count that the header states, as far as the file can hold it; else the size over what a triangle takes in text.
double trianglesOf(const std::string& path, double bytes) {
  constexpr double kTextStl = 250, kTextObj = 70, kXml = 105, kZipped = 10, kLeastBinary = 13;
  const std::string ending = core::extension(path), head = readHead(path, 65536);
  if (ending == ".ply") {
    const auto at = head.find("element face ");
    return at == std::string::npos ? 0 : std::min(std::atof(head.c_str() + at + 13), bytes / kLeastBinary);
  }
  const bool zipped = head.starts_with("PK");
  if (ending == ".obj") return bytes / kTextObj;
  if (ending != ".stl") return bytes / (zipped ? kZipped : kXml);
  const double stated = head.size() >= 84 ? littleEndian(head, 80) : 0;
  return 84 + 50 * stated == bytes ? stated : bytes / kTextStl;
}

Load loadOf(const std::string& path) {
  Load load{.kind = kindOf(path)};
  if (load.kind == Kind::Folder) return load;
  load.bytes = static_cast<double>(std::filesystem::file_size(path));
  switch (load.kind) {
    case Kind::Volume:
    case Kind::Labels:
    case Kind::Channels: {
      const image::VolumeInfo info = image::readInfo(path);
      load.voxels = static_cast<double>(info.frame.voxelCount());
      const auto digits = info.component.find_first_of("0123456789");
      load.bytes_per_voxel = std::atof(info.component.c_str() + digits) / 8;
      break;
    }
    case Kind::Mesh:
      load.triangles = trianglesOf(path, load.bytes);
      load.xml = core::extension(path) == ".amf";
      break;
    case Kind::Png:
      if (const std::string head = readHead(path, 24); head.size() == 24)
        load.pixels = std::min(bigEndian(head, 16) * bigEndian(head, 20), 1e9);
      break;
    default:
      break;
  }
  return load;
}

/// The file's content once, as its reader gives it.
double heldBytes(const Load& load) {
  switch (load.kind) {
    case Kind::Volume:
      return (4 + load.bytes_per_voxel) * load.voxels;
    case Kind::Labels:
      return (2 + load.bytes_per_voxel) * load.voxels;
    case Kind::LevelSet:
      return kGridPerFileByte * load.bytes;
    case Kind::Mesh:
      return (load.xml ? kXmlPerTriangle : kMeshPerTriangle) * load.triangles;
    case Kind::PointCloud:
      return 3 * load.bytes;
    case Kind::Record:
    case Kind::Json:
      return kJsonPerFileByte * load.bytes;
    case Kind::Png:
      return load.bytes + 4 * load.pixels;
    case Kind::Svg:
      return 2 * load.bytes;
    default:
      return 0;  // read in pieces, or by its head alone
  }
}

double comparedSolids(const Load& a, const Load& b) {
  const bool labels = a.kind == Kind::Labels || b.kind == Kind::Labels;
  double sum = 0;
  for (const Load* load : {&a, &b}) {
    if (load->kind == Kind::Labels) sum += 6 * load->voxels;
    if (load->kind == Kind::LevelSet) sum += kGridPerFileByte * load->bytes;
    if (load->xml)
      sum += kXmlPerTriangle * load->triangles;
    else if (load->kind == Kind::Mesh)
      sum += (labels ? kSolidPerTriangle : kTreePerTriangle) * load->triangles;
  }
  return sum;
}

}  // namespace

double describingBytes(const std::string& path, bool drawn) {
  const Load load = loadOf(path);
  double bytes = heldBytes(load);
  if (drawn && (load.kind == Kind::Volume || load.kind == Kind::Labels))
    bytes = kSlicesDrawn + std::max(bytes, (load.kind == Kind::Labels ? 10 : 8) * load.voxels);
  if (drawn && load.kind == Kind::LevelSet) bytes += kSurfaceDrawn;
  if (drawn && load.kind == Kind::Mesh) bytes = std::max(bytes, kSurfaceDrawn + kDrawnPerTriangle * load.triangles);
  if (drawn && load.kind == Kind::Png) bytes += 4 * load.pixels;
  return kProgram + bytes;
}

double drawingSheetBytes(const std::vector<std::string>& paths) {
  constexpr double kTile = 3 * 800 * 800 * 2;  // shrunk to 800 pixels, once by itself and once on the sheet
  double largest = 0;
  for (const std::string& path : paths) largest = std::max(largest, heldBytes(loadOf(path)));
  return kProgram + largest + kTile * static_cast<double>(paths.size());
}

double comparingBytes(const std::string& a, const std::string& b, const Criteria& criteria) {
  Load first = loadOf(a), second = loadOf(b);
  const auto solid = [](const Load& l) {
    return l.kind == Kind::Labels || l.kind == Kind::LevelSet || l.kind == Kind::Mesh;
  };
  double bytes = kProgram;
  if (!criteria.mask.empty()) bytes += heldBytes(loadOf(criteria.mask)) + 2 * first.voxels;
  if (first.kind == Kind::Volume && second.kind == Kind::Volume)
    return bytes + 6 * first.voxels + (4 + second.bytes_per_voxel) * second.voxels;
  if (first.kind == Kind::Labels && second.kind == Kind::Labels) return bytes + 14 * first.voxels + 4 * second.voxels;
  if (first.kind == Kind::LevelSet && second.kind == Kind::LevelSet)
    return bytes + kComparedPerFileByte * (first.bytes + second.bytes);
  if (solid(first) && solid(second)) return bytes + comparedSolids(first, second);
  return bytes + heldBytes(first) + heldBytes(second);
}

}  // namespace osteo::inspect
