#pragma once
#include <memory>
#include <optional>

#include "design_scaffold/phase_map.h"
#include "levelset/level_set.h"

namespace osteo::design_scaffold {

/// Directions in which the cells of a lattice lie so that they follow a body's outer surface: the lattice's z runs
/// along its normal. On a cap (a piece of skull) the lattice turns by the least rotation from the middle normal; on a
/// tube (a piece of shaft) x runs around and y along the axis, a whole number of cells around.
///
/// The normals' structure tensors n nᵀ, which tell no inside from outside, are spread over the box as a harmonic field;
/// its first eigenvectors are the layers' normals.
class Conforming {
 public:
  /// The outer surface is what a host leaves free of the body's, or all of it. Throws DataError when it turns in all
  /// directions, or when the host leaves nothing.
  Conforming(const levelset::LevelSet& body, const levelset::LevelSet* host);

  bool isTube() const { return tube_.has_value(); }
  /// Rows: unit vectors along which the lattice's x, y and z run at a point.
  Eigen::Matrix3d axes(const Eigen::Vector3d& point_mm) const;

  /// What phases follow for cells of the given size.
  static CellField cells(const std::shared_ptr<const Conforming>& directions,
                         const std::function<double(const Eigen::Vector3d&)>& cell_mm);

 private:
  struct Tube {
    Eigen::Vector3d axis, across, beyond;    ///< right-handed: across × beyond = axis
    double low_mm = 0, step_mm = 1;          ///< along the axis
    std::vector<Eigen::Vector2d> middle_mm;  ///< in across and beyond
    double radius_mm = 0;                    ///< mean distance of the surface from its middle

    Eigen::Vector2d fromMiddle(const Eigen::Vector3d& point_mm) const;
  };
  struct Patch;
  NodeGrid grid_;
  Eigen::Matrix3d at_rest_;  ///< axes where the normal is the middle one
  std::optional<Tube> tube_;
  std::vector<Eigen::Vector3d> normals_;

  Tube tubeOf(const std::vector<Patch>& patches, const Eigen::Vector3d& axis) const;
  Eigen::Vector3d outwards(const Eigen::Vector3d& point_mm) const;
};

}  // namespace osteo::design_scaffold
