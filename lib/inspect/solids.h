#pragma once
#include <string>
#include <variant>

#include "image/metrics.h"
#include "image/volume.h"
#include "inspect/compare.h"
#include "levelset/level_set.h"

/// Solids given as labels or as level sets, scored on one grid; for this folder's .cpp files.
namespace osteo::inspect {

using Solid = std::variant<image::Segmentation, levelset::LevelSet>;

struct Scores {
  image::Overlap overlap;
  image::SurfaceDistance surface;
  double voxel_mm3 = 0;
};

/// Voxels of the label (name or number; empty: any but background), 1 or 0.
/// Throws DataError naming the labels that there are when `required` and it is not among them.
image::LabelVolume maskOf(const image::Segmentation& segmentation, const std::string& label, bool required);

/// Nonzero voxels of both solids on the labels' grid (the first one's when both are labels), what `excluded` covers
/// left out.
Scores scoreSolids(const Solid& a, const Solid& b, const Criteria& criteria);

/// Overlap and surface distances of two masks on one grid, within the box around both; the tolerance is that of surface
/// Dice.
Scores scoreMasks(const image::LabelVolume& a, const image::LabelVolume& b, double tolerance_mm);
/// Zeroes what a file of labels (nonzero, nearest voxel) or a level set covers; grids may differ.
void exclude(const std::string& file, image::LabelVolume& mask);

/// Adds the scores under a name and judges them: Dice and HD95 where asked, else Dice ≥ 1 − tolerance.
void judge(const std::string& name, const Scores& scores, const Criteria& criteria, Verdict& verdict);

}  // namespace osteo::inspect
