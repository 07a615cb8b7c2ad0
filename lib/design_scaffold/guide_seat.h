#pragma once
#include <Eigen/Core>
#include <vector>

#include "design_scaffold/guide.h"

namespace osteo::design_scaffold {

/// The bone, the cut and the way the guide comes, as fields that the guide's body is made of.
class GuideSeat {
 public:
  GuideSeat(const levelset::LevelSet& bone, const Region& region, const GuideShape& shape);

  const GuideShape& shape() const { return shape_; }
  const Eigen::Vector3d& access() const { return access_; }
  double voxel_mm() const { return voxel_mm_; }  ///< that the guide is made on

  double bone(const Eigen::Vector3d& p) const;  ///< distance, true to beyond the guide's outer face
  double beyond(const Eigen::Vector3d& p) const { return region_.distance_mm(p) - 0.5 * shape_.kerf_mm; }  ///< the cut
  Eigen::Vector3d normal(const Eigen::Vector3d& p) const;  ///< of the bone, over the millimetres around
  /// Least distance to the bone on the way out along the access direction.
  double lift(const Eigen::Vector3d& p) const { return lift(p, access_); }
  /// Negative in the shell over all of the bone that is seen; nowhere below -1 m or so.
  double shell(const Eigen::Vector3d& p) const;

  /// Points of the bone's surface near the cut or in the piece.
  const std::vector<Eigen::Vector3d>& surface() const { return surface_; }
  /// Where on the way out of the bone a guide's middle lies over a point of the surface.
  Eigen::Vector3d over(const Eigen::Vector3d& surface_point) const {
    return surface_point + (shape_.gap_mm + 0.5 * shape_.thickness_mm) * normal(surface_point);
  }
  /// Share of the cut's outline on the bone along which the guide can lie.
  double seenOutline() const;

 private:
  levelset::LevelSet wide_;
  const Region& region_;
  GuideShape shape_;
  Eigen::Vector3d access_;
  double voxel_mm_, band_mm_;
  mesh::Bounds bone_box_;
  std::vector<Eigen::Vector3d> surface_;

  double lift(const Eigen::Vector3d& p, const Eigen::Vector3d& access) const;
  bool sees(const Eigen::Vector3d& surface_point, const Eigen::Vector3d& access) const;
  double seenOutline(const std::vector<Eigen::Vector3d>& points, const Eigen::Vector3d& access,
                     double for_facing) const;
  std::vector<Eigen::Vector3d> outline() const;
  Eigen::Vector3d foundAccess() const;
};

}  // namespace osteo::design_scaffold
