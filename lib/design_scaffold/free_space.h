#pragma once
#include <vector>

#include "design_scaffold/envelope.h"
#include "design_scaffold/keep_out.h"

namespace osteo::design_scaffold {

/// Distances to obstacles less what is kept to each, in mm: fine and at most kFar_mm around a body, coarse where its
/// way out leads. Rays through it tell what is free.
class FreeSpace {
 public:
  static constexpr double kFar_mm = 2.0;

  FreeSpace(const levelset::LevelSet& body, const std::vector<KeepOut>& obstacles);

  /// The distance at a point near the body.
  double operator()(const Eigen::Vector3d& point_mm) const { return near_.linear(point_mm); }

  struct Ray {
    double least_mm = kFar_mm;  ///< negative: barred; −kFar_mm where an obstacle far from the body bars it
    Eigen::Vector3d at_mm = Eigen::Vector3d::Zero();
  };
  /// The least distance on the way from a point near the body along a unit vector, out of everything.
  Ray trace(const Eigen::Vector3d& from_mm, const Eigen::Vector3d& along) const;

 private:
  struct Field {
    Eigen::Vector3d low_mm = Eigen::Vector3d::Zero();
    double voxel_mm = 1;
    Eigen::Array3i size = Eigen::Array3i::Zero();
    std::vector<float> values;  ///< z fastest
    Field() = default;
    Field(const Span& span, double voxel_mm);
    bool contains(const Eigen::Vector3d& p) const;
    double linear(const Eigen::Vector3d& p) const;
    double nearest(const Eigen::Vector3d& p) const;
    Eigen::Vector3d point(int x, int y, int z) const { return low_mm + voxel_mm * Eigen::Vector3d(x, y, z); }
    float* row(int x, int y) { return values.data() + (std::int64_t{x} * size[1] + y) * size[2]; }
  };

  void fillNear(const std::vector<KeepOut>& obstacles);
  void fillFar(const std::vector<KeepOut>& obstacles);
  Field near_, far_;
};

}  // namespace osteo::design_scaffold
