#pragma once
#include <optional>

#include "reconstruct/fragment_search.h"
#include "reconstruct/fragments.h"

namespace osteo::reconstruct {

/// The goal with where the fragments lie about it.
struct GoalFit {
  Goal goal;
  std::vector<std::vector<Found>> poses;  ///< per fragment: CT to the goal's frame, best first
  bool mirrored = false;
};

/// Lays a whole bone and its mirror image under the fragments and takes what fits better. Throws DataError when less
/// than half of the reference fragment fits: it is another bone.
GoalFit goalOfTemplate(const std::vector<Body>& bodies, int reference, const mesh::TriangleMesh& whole);

/// A goal of a bone that lies in the fragments' frame, such as a fitted shape model.
Goal goalOfSurface(const mesh::TriangleMesh& surface, double grid_mm);

/// Marks as broken what lies inside the goal or faces another way, whole patches where they agree.
void markBroken(Body& body, const Goal& goal, const Eigen::Isometry3d& pose);

}  // namespace osteo::reconstruct
