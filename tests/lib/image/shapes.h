#pragma once
#include <filesystem>
#include <string>

#include "image/volume.h"

/// Small volumes and folders for the tests of lib/image.
namespace osteo::image::shapes {

/// A fresh folder that is removed at the end of the test.
struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "osteo-image-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
};

inline Frame frame(int nx, int ny, int nz, Eigen::Vector3d spacing_mm = {1, 1, 1}) {
  Frame out;
  out.size = {nx, ny, nz};
  out.spacing_mm = spacing_mm;
  return out;
}

/// A frame with odd numbers everywhere: oblique, anisotropic, off the origin.
inline Frame obliqueFrame(int nx, int ny, int nz) {
  Frame out = frame(nx, ny, nz, {0.7, 0.9, 1.3});
  out.origin_mm = {-12.5, 33.25, 7.125};
  const double c = 0.8, s = 0.6;
  out.direction << c, -s, 0, s, c, 0, 0, 0, 1;
  out.frame_id = "0123456789abcdef";
  return out;
}

inline LabelVolume box(const Frame& on, const Eigen::Vector3i& low, const Eigen::Vector3i& size) {
  LabelVolume out(on);
  for (int k = low[2]; k < low[2] + size[2]; ++k)
    for (int j = low[1]; j < low[1] + size[1]; ++j)
      for (int i = low[0]; i < low[0] + size[0]; ++i) out.at(i, j, k) = 1;
  return out;
}

/// Voxel centres within the radius of the point.
inline LabelVolume ball(const Frame& on, const Eigen::Vector3d& centre_mm, double radius_mm) {
  LabelVolume out(on);
  for (int k = 0; k < on.size[2]; ++k)
    for (int j = 0; j < on.size[1]; ++j)
      for (int i = 0; i < on.size[0]; ++i)
        out.at(i, j, k) = (on.toWorld({double(i), double(j), double(k)}) - centre_mm).norm() <= radius_mm;
  return out;
}

inline std::int64_t count(const LabelVolume& mask) {
  std::int64_t n = 0;
  for (const auto v : mask.voxels) n += v != 0;
  return n;
}

}  // namespace osteo::image::shapes
