#pragma once
#include "image/volume.h"

namespace osteo::segment {

struct DefectSearch {
  double soft_hu = 40, noise_hu = 10;  ///< of the scan
  double least_score = 0.4;            ///< what scores less stays as it was
};

/// Finds what is missing from bone without being told where: holes in the vault of a skull, missing sections of shafts,
/// closed cavities and bites out of a bone's surface. `labels` (Cortical, Cancellous) gets Defect there; returns each
/// defect's score (0 to 1) in its voxels and 0 elsewhere, an empty volume where nothing is found. The same bytes for
/// any thread count.
image::CtVolume findDefects(const image::CtVolume& ct, image::LabelVolume& labels, const DefectSearch& how);

}  // namespace osteo::segment
