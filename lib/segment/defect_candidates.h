#pragma once
#include <cstdint>
#include <vector>

#include "image/volume.h"
#include "segment/defects.h"

/// The searches of findDefects(), one for each kind of defect.
namespace osteo::segment {

/// A scan with its bone labelled (Cortical and Cancellous), on one grid.
struct BoneScan {
  const image::CtVolume& ct;
  const image::LabelVolume& labels;
  double soft_hu = 40, noise_hu = 10;

  bool bone(std::size_t voxel) const {
    return labels.voxels[voxel] == image::Cortical || labels.voxels[voxel] == image::Cancellous;
  }
};

/// What may be a defect.
struct DefectCandidate {
  DefectKind kind = DefectKind::Breach;
  double score = 0;                   ///< 0 to 1
  std::vector<std::int64_t> voxels;   ///< places in the volume, ascending
  std::vector<double> evidence = {};  ///< what the score rests on
};

/// Holes in the vault of a skull. The vault is what closes around a point in most directions; where it is missing in
/// front of the outer air, its inner surface and thickness are continued from the rim.
std::vector<DefectCandidate> vaultHoles(const BoneScan& scan);

/// Missing sections of shafts: two tubes of like section that face each other on one axis.
std::vector<DefectCandidate> shaftGaps(const BoneScan& scan);

}  // namespace osteo::segment
