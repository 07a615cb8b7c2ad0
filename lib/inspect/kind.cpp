#include "inspect/kind.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/files.h"
#include "image/io.h"
#include "inspect/parse.h"

namespace osteo::inspect {
namespace {

constexpr std::size_t kMostLabels = 64;

Kind kindOfVoxels(const std::string& path, const std::string& ending) {
  const image::VolumeInfo info = image::readInfo(path);
  if (info.channels > 1) return Kind::Channels;
  if (ending == ".seg.nrrd" || info.keys.count("Segment0_Name")) return Kind::Labels;
  if (info.component != "uint8" && info.component != "uint16") return Kind::Volume;
  const auto labels = image::readSegmentation(path).labels.voxels;
  std::set<std::uint16_t> values;
  for (std::size_t i = 0; i < labels.size() && values.size() <= kMostLabels; ++i)
    if (i == 0 || labels[i] != labels[i - 1]) values.insert(labels[i]);
  return values.size() <= kMostLabels ? Kind::Labels : Kind::Volume;
}

Kind kindOfPly(const std::string& path) {
  const std::string head = readHead(path, 65536);
  const auto face = head.find("element face ");
  return face == std::string::npos || head.compare(face + 13, 2, "0\n") == 0 ? Kind::PointCloud : Kind::Mesh;
}

}  // namespace

Kind kindOf(const std::string& path) {
  core::requireInput(path, true);
  if (std::filesystem::is_directory(path)) return Kind::Folder;
  const std::string ending = core::extension(path);
  if (ending == ".nrrd" || ending == ".seg.nrrd" || ending == ".nhdr" || ending == ".nii" || ending == ".nii.gz")
    return kindOfVoxels(path, ending);
  if (ending == ".vdb") return Kind::LevelSet;
  if (ending == ".ply") return kindOfPly(path);
  if (ending == ".stl" || ending == ".obj" || ending == ".amf" || ending == ".3mf") return Kind::Mesh;
  if (ending == ".json") return isRecord(readJson(path)) ? Kind::Record : Kind::Json;
  if (ending == ".cli") return Kind::LayerJob;
  if (ending == ".svg") return Kind::Svg;
  if (ending == ".png") return Kind::Png;
  return Kind::Other;
}

const char* nameOf(Kind kind) {
  switch (kind) {
    case Kind::Volume:
      return "volume";
    case Kind::Channels:
      return "volume of several channels";
    case Kind::Labels:
      return "label volume";
    case Kind::LevelSet:
      return "level set";
    case Kind::Mesh:
      return "triangle mesh";
    case Kind::PointCloud:
      return "point cloud";
    case Kind::Record:
      return "run record";
    case Kind::Json:
      return "JSON document";
    case Kind::LayerJob:
      return "print job (CLI)";
    case Kind::Svg:
      return "SVG";
    case Kind::Png:
      return "picture";
    case Kind::Folder:
      return "folder";
    case Kind::Other:
      return "file";
  }
  return "file";
}

}  // namespace osteo::inspect
