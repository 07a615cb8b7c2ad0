#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace osteo::image {

/// Where voxels lie in the patient: LPS, mm. `direction` columns are the unit vectors of the index axes (orthonormal).
struct Frame {
  Eigen::Vector3i size = Eigen::Vector3i::Zero();
  Eigen::Vector3d spacing_mm = Eigen::Vector3d::Ones();
  Eigen::Vector3d origin_mm = Eigen::Vector3d::Zero();  ///< centre of voxel (0,0,0)
  Eigen::Matrix3d direction = Eigen::Matrix3d::Identity();
  std::string frame_id;     ///< made by import, copied by every tool; empty when unknown
  double slice_gap_mm = 0;  ///< largest gap between the scanner's own slices, from import on; 0 when unknown

  Eigen::Vector3d toWorld(const Eigen::Vector3d& index) const {
    return origin_mm + direction * index.cwiseProduct(spacing_mm);
  }
  Eigen::Vector3d toIndex(const Eigen::Vector3d& world_mm) const {
    return (direction.transpose() * (world_mm - origin_mm)).cwiseQuotient(spacing_mm);
  }
  /// Centre of a voxel by its place in a Volume, x fastest.
  Eigen::Vector3d centre(std::int64_t voxel) const {
    const std::int64_t row = size[0], slice = row * size[1];
    return toWorld({double(voxel % row), double(voxel % slice / row), double(voxel / slice)});
  }
  std::int64_t voxelCount() const { return std::int64_t{size[0]} * size[1] * size[2]; }
  double voxelVolume_mm3() const { return spacing_mm.prod(); }
  bool sameGrid(const Frame& other, double tolerance_mm = 1e-3) const;
};

/// Runs visit(neighbour) for the voxels that share a face with one, by their places in a Volume.
template <class Visit>
void forFaceNeighbours(const Frame& frame, std::int64_t voxel, const Visit& visit) {
  const std::int64_t step[3] = {1, frame.size[0], std::int64_t{frame.size[0]} * frame.size[1]};
  for (int axis = 0; axis < 3; ++axis) {
    const std::int64_t at = voxel / step[axis] % frame.size[axis];
    if (at > 0) visit(voxel - step[axis]);
    if (at + 1 < frame.size[axis]) visit(voxel + step[axis]);
  }
}

/// Exit 65 when both frames carry a frame_id and these differ; names are for the message.
void requireSameFrame(const std::string& frame_id_a, const std::string& name_a, const std::string& frame_id_b,
                      const std::string& name_b);

/// The same when the grids differ by more than a fiftieth of a voxel anywhere.
void requireSameGrid(const Frame& a, const std::string& name_a, const Frame& b, const std::string& name_b);

/// Voxels on a frame, x fastest.
template <class T>
struct Volume {
  Frame frame;
  std::vector<T> voxels;

  Volume() = default;
  explicit Volume(const Frame& f, T fill = T{}) : frame(f), voxels(static_cast<std::size_t>(f.voxelCount()), fill) {}
  std::int64_t index(int i, int j, int k) const {
    return i + std::int64_t{frame.size[0]} * (j + std::int64_t{frame.size[1]} * k);
  }
  T& at(int i, int j, int k) { return voxels[static_cast<std::size_t>(index(i, j, k))]; }
  const T& at(int i, int j, int k) const { return voxels[static_cast<std::size_t>(index(i, j, k))]; }
  bool contains(int i, int j, int k) const {
    return i >= 0 && j >= 0 && k >= 0 && i < frame.size[0] && j < frame.size[1] && k < frame.size[2];
  }
};

using CtVolume = Volume<float>;             ///< HU
using LabelVolume = Volume<std::uint16_t>;  ///< Label values

/// Label values of the toolkit (house rule): 10 and above are bone instances.
enum Label : std::uint16_t { Background = 0, Cortical = 1, Cancellous = 2, Metal = 3, Defect = 4, Implant = 5 };

/// A label volume with the names of its segments.
struct Segmentation {
  LabelVolume labels;
  std::map<int, std::string> names;  ///< value → name; the standard ones are filled in on writing when absent
};

/// Trilinear interpolation at a continuous index; `outside` beyond the outermost voxel centres.
float sampleLinear(const CtVolume& volume, const Eigen::Vector3d& index, float outside);

}  // namespace osteo::image
