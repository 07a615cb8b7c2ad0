#pragma once
#include <Eigen/Geometry>
#include <vector>

#include "image/volume.h"
#include "levelset/level_set.h"
#include "registration/rigid.h"

namespace osteo::reconstruct {

/// A fragment as the search for its place sees it; points and distances as the CT has them, `pose` moves both.
struct Body {
  image::CtVolume distance;                         ///< signed, mm
  std::vector<registration::OrientedPoint> points;  ///< on its surface, about one for each area_mm2
  std::vector<registration::OrientedPoint> few;     ///< some of them
  double area_mm2 = 1, spacing_mm = 1;
  double volume_mm3 = 0;
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  Eigen::Matrix3d axes = Eigen::Matrix3d::Identity();  ///< principal, shortest first
  double radius = 1;
  Eigen::Isometry3d pose = Eigen::Isometry3d::Identity();
};

Body makeBody(const levelset::LevelSet& solid);

/// Signed distances on a grid of a millimetre or coarser that reaches `margin_mm` beyond the surface.
image::CtVolume distanceAround(const levelset::LevelSet& solid, double margin_mm);

std::vector<registration::OrientedPoint> movedPoints(const std::vector<registration::OrientedPoint>& points,
                                                     const Eigen::Isometry3d& by);

/// Distance of a place to a body's surface in its pose, and the direction away from it; 1e6 off its grid.
struct Away {
  double distance_mm = 1e6;
  Eigen::Vector3d direction = Eigen::Vector3d::Zero();
};
Away awayFrom(const image::CtVolume& distance, const Eigen::Isometry3d& pose, const Eigen::Vector3d& p);

/// How a body in a pose touches others.
struct Touch {
  double contact_mm2 = 0;  ///< of its surface, facing another's nearer than near_mm, less where it is farther
  double deep_mm2 = 0;     ///< of its surface, more than 1.5 mm inside another
  double score() const { return contact_mm2 - 1.5 * deep_mm2; }
};
Touch touch(const Body& body, const Eigen::Isometry3d& pose, const std::vector<const Body*>& others,
            double near_mm = 1.5, bool few = false);

/// How far a motion carries a body's centre, and by how much it turns it.
double shiftOf(const Eigen::Isometry3d& motion, const Eigen::Vector3d& centre);
double turnOf(const Eigen::Isometry3d& motion);  ///< rad

}  // namespace osteo::reconstruct
