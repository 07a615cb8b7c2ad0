#pragma once
#include <Eigen/Core>
#include <vector>

#include "image/volume.h"

namespace osteo::registration {

/// A mirror plane n·x = offset with a unit normal that points to the patient's left.
struct SymmetryPlane {
  Eigen::Vector3d normal = Eigen::Vector3d::UnitX();
  double offset_mm = 0;
  double inlier_share = 0;  ///< of the reflected points in view: nearer than 4 mm to the bone
  double residual_mm = 0;   ///< median distance of the inliers

  Eigen::Vector3d reflect(const Eigen::Vector3d& p) const { return p - 2 * (normal.dot(p) - offset_mm) * normal; }
};

/// Finds the plane that maps bone surface points best onto the bone: all planes within 45° of sagittal on a coarse
/// lattice by a truncated distance, the best ones refined by pattern search with a falling truncation, so that a
/// missing piece, a headrest or a cut field of view has no pull (after the truncated search of Combès et al., CVPR
/// 2008). `distance` holds distances in mm to the surface (unsigned); reflections that leave it count as unseen.
SymmetryPlane findSymmetry(const std::vector<Eigen::Vector3d>& points, const image::CtVolume& distance);

}  // namespace osteo::registration
