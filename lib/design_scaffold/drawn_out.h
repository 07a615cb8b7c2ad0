#pragma once
#include <Eigen/Core>

#include "design_scaffold/resection.h"

namespace osteo::design_scaffold {

/// The direction, a unit vector, along which the lesion grown by the margin leaves the bone with the least bone above
/// it; of nearly equal ones that away from the bone's middle, which is the outside of a skull.
Eigen::Vector3d leastBoneWayOut(const Lesion& lesion, double margin_mm, const levelset::LevelSet& bone);

/// The lesion grown by the margin and drawn out along a unit vector to beyond the bone: its walls have no undercut that
/// way, so that the piece comes out and an implant goes in. The margin is kept everywhere, and exceeded above the
/// lesion.
Region regionDrawnOut(const Lesion& lesion, double margin_mm, const levelset::LevelSet& bone,
                      const Eigen::Vector3d& access);

}  // namespace osteo::design_scaffold
