#pragma once
#include "reconstruct/fragment_fit.h"

namespace osteo::reconstruct {

/// A pose worth refining, with a score that compares poses of one search.
struct Found {
  Eigen::Isometry3d pose = Eigen::Isometry3d::Identity();
  double score = 0;
  double patch_mm2 = 0;  ///< of the fracture surface that was laid on another; 0 on a goal
};

/// Poses of a fragment on the goal's surface, best first: from turns and shifts about `start`, as far as a fragment
/// may be displaced.
std::vector<Found> searchOnGoal(const Body& body, const Goal& goal, const Eigen::Isometry3d& start);

/// Poses of `moving` in the frame of `fixed` that lay one of its fracture surfaces on one of the other's, best first:
/// centre on centre and normal against normal, then turned and shifted in the surface, by registration's rigid fit.
/// `start` is where it lies now; what is farther off than fragments can be displaced is left out.
std::vector<Found> searchContact(const Body& fixed, const Body& moving, const Eigen::Isometry3d& start);

}  // namespace osteo::reconstruct
