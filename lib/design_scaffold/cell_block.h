#pragma once
#include <string>

#include "design_scaffold/inverse.h"
#include "levelset/level_set.h"

namespace osteo::design_scaffold {

/// So many cells along each side as a closed level set, its lowest corner at the origin; 0 mm: voxels of a 48th of the
/// shortest side. Throws Config for voxels above a sixth of it.
levelset::LevelSet cellBlock(const StretchedCell& cell, double cell_mm, int cells, double voxel_mm);

/// Young's modulus of a stiffness (Voigt, engineering shear) along a unit vector, in the stiffness' unit.
double modulusAlong(const simulate::Matrix6d& stiffness, const Eigen::Vector3d& direction);

/// The block from two sides, and Young's modulus over the directions of each plane: wanted, delivered, predicted.
void draw(const Inverted& inverted, const CellTarget& target, const levelset::LevelSet& block,
          const std::string& png_path);

}  // namespace osteo::design_scaffold
