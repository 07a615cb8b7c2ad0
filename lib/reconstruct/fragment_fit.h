#pragma once
#include <Eigen/Geometry>
#include <span>
#include <vector>

#include "reconstruct/fragment_body.h"

namespace osteo::reconstruct {

/// The surface that the fragments' intact bone belongs on.
struct Goal {
  image::CtVolume distance;  ///< signed, mm
  double sd_mm = 1;          ///< how far the patient's bone may lie from it
  double reach_mm = 3;       ///< what lies nearer counts as on it
  bool guessed = false;      ///< where fragments belong: tells little of what is broken off
};

/// How well one fragment lies among the others.
struct Standing {
  double score = 0;                        ///< mm² of bone in its place, less what penetrates
  double goal_share = 0, goal_mm = 0;      ///< of the intact bone near the goal, and its median distance
  double contact_mm2 = 0, contact_mm = 0;  ///< fracture surface that meets another, and its root mean square distance
  double gap_mm = 0;                       ///< mean opening of the facing fracture surfaces
};

/// Fragments at poses (CT to their place) that are fitted together.
struct Assembly {
  std::span<const Body> bodies;
  std::vector<Eigen::Isometry3d> poses;
  std::vector<char> placed;         ///< the others are not looked at
  const Goal* goal = nullptr;       ///< null: the fragments are matched to one another alone
  double goal_correlation_mm = 15;  ///< the goal's errors are alike as far: the longer, the less it weighs
};

/// Moves the fragments named in `moving` by Gauss–Newton on four kinds of point-to-plane distances with Tukey weights,
/// whose reach falls from far to near: intact bone to the goal, fracture surfaces to those that face them (which closes
/// gaps and undoes overlap alike), intact bone beside a fracture to its continuation on the other side (with both
/// sides' normals: Rusinkiewicz, SIGGRAPH 2019), and what penetrates another fragment out of it.
void fitTogether(Assembly& assembly, const std::vector<int>& moving, double far_mm, double near_mm, int rounds);

/// For each patch of a body the share of it that faces another fragment within 2 mm.
std::vector<double> facingShares(const Assembly& assembly, int body);

Standing standingOf(const Assembly& assembly, int body);

}  // namespace osteo::reconstruct
