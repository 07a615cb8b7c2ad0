#pragma once
#include <cstdint>
#include <vector>

#include "image/volume.h"

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
  double score = 0;                  ///< 0 to 1
  std::vector<std::int64_t> voxels;  ///< places in the volume, ascending
};

/// 0 far below the limit, 1/2 at it, 1 far above; `width` may be negative.
double beyond(double value, double limit, double width);

/// Holes in the vault of a skull. The vault is what closes around a point in most directions; where it is missing in
/// front of the outer air, its inner surface and thickness are continued from the rim.
std::vector<DefectCandidate> vaultHoles(const BoneScan& scan);

/// Missing sections of shafts: two tubes of like section that face each other on one axis.
std::vector<DefectCandidate> shaftGaps(const BoneScan& scan);

/// The scan on a grid that is coarse enough for whole-volume work within the memory's bound: mean HU and most of bone.
struct WorkGrid {
  Eigen::Vector3i stride = Eigen::Vector3i::Ones();  ///< voxels of the scan in one of the grid
  image::CtVolume ct;                                ///< lightly smoothed where noise asks for it
  image::LabelVolume bone, inside;                   ///< 1 in bone; and in what it encloses

  /// Voxels of about grid_mm; 0: as fine as the memory's bound allows.
  explicit WorkGrid(const BoneScan& scan, double grid_mm = 0);
  /// The scan's voxels in the grid's, ascending.
  std::vector<std::int64_t> fine(const std::vector<std::int64_t>& voxels, const image::Frame& frame) const;
};

/// Dark places of clear outline inside bone.
std::vector<DefectCandidate> cavities(const BoneScan& scan, const WorkGrid& grid);

/// Pieces missing from a bone's surface: a patch without its dense shell that lies below the surface around it.
std::vector<DefectCandidate> bites(const BoneScan& scan, const WorkGrid& grid);

}  // namespace osteo::segment
