#pragma once
#include <string>

namespace osteo::inspect {

/// What a file of ours is, as far as inspect and compare care.
enum class Kind {
  Volume,
  Channels,
  Labels,
  LevelSet,
  Mesh,
  PointCloud,
  Record,
  Json,
  LayerJob,
  Svg,
  Png,
  Folder,
  Other
};

/// By ending, then by what the header says: unsigned voxels with segment names or at most 64 values are labels, a PLY
/// without faces is a point cloud, a JSON with an instrument is a run record. Throws NoInput; DataError when a header
/// can't be read.
Kind kindOf(const std::string& path);
const char* nameOf(Kind kind);

}  // namespace osteo::inspect
