#pragma once
#include <Eigen/Core>
#include <cmath>
#include <numbers>
#include <optional>

namespace osteo::simulate {

constexpr double kDegree = std::numbers::pi / 180;  ///< in radians

/// The axis of a grid that runs along an LPS axis, in either sense; −1 when the grid is oblique to it.
inline int gridAxis(const Eigen::Matrix3d& direction, int lps_axis) {
  constexpr double kAligned = 1 - 1e-9;  // cosine
  for (int g = 0; g < 3; ++g)
    if (std::abs(direction(lps_axis, g)) > kAligned) return g;
  return -1;
}

/// First and last voxel along each axis.
struct VoxelBox {
  Eigen::Vector3i low, high;
  Eigen::Vector3i size() const { return high - low + Eigen::Vector3i::Ones(); }
};

/// The box of the voxels for which isFilled(number), x fastest; nothing when there are none.
template <class IsFilled>
std::optional<VoxelBox> boxOf(const Eigen::Vector3i& size, const IsFilled& isFilled) {
  VoxelBox box{size, Eigen::Vector3i::Constant(-1)};
  std::int64_t v = 0;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i, ++v)
        if (isFilled(v)) {
          box.low = box.low.cwiseMin(Eigen::Vector3i(i, j, k));
          box.high = box.high.cwiseMax(Eigen::Vector3i(i, j, k));
        }
  if (box.high[0] < 0) return std::nullopt;
  return box;
}

}  // namespace osteo::simulate
