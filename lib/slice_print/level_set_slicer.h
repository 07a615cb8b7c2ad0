#pragma once
#include <functional>

#include "levelset/level_set.h"
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// What a level set says of its surface without being meshed.
struct LevelSetSurface {
  Eigen::Vector3d min_mm = Eigen::Vector3d::Zero(),
                  max_mm = Eigen::Vector3d::Zero();  ///< box of the zero crossings, LPS
};

/// Throws DataError when nothing is inside.
LevelSetSurface surfaceOf(const levelset::LevelSet& level_set);

/// Area of the surface that faces down (LPS −z) and is inclined to the horizontal by less than `limit_deg`, mm²: the
/// coarea formula with a cosine kernel of 1.5 voxels half-width (Zahedi, Tornberg 2010), summed in fixed order.
double overhangArea_mm2(const levelset::LevelSet& level_set, double limit_deg, double plate_mm);

/// Calls visit(z in LPS mm, |n_z|) for the surface near each voxel that is within half a voxel of it, in the grid's
/// order.
void visitSlopes(const levelset::LevelSet& level_set, const std::function<void(double z_mm, double steepness)>& visit);

/// Cuts a level set along LPS z at the layers' mid-heights above `origin_mm`, which becomes the machine's (0,0,0):
/// marching squares in the grid's own columns on the trilinear field, a voxel of exactly 0 counting as outside and
/// saddles resolved by the sign of the bilinear saddle point (Nielson, Hamann 1991).
Slicer levelSetSlicer(const levelset::LevelSet& level_set, const Eigen::Vector3d& origin_mm, const Stack& stack);

}  // namespace osteo::slice_print
