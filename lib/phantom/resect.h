#pragma once
#include <cstdint>

#include "image/volume.h"

namespace osteo::phantom {

struct Resection {
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double diameter_mm = 60;
  double threshold_hu = 250;  ///< what is bone at all and is taken out
  double closing_mm = 4;      ///< half the widest diploe or marrow space that counts as bone
  std::uint64_t seed = 0;     ///< of the noise that is put in
};

/// What the scan's noise looks like in soft tissue.
struct NoiseModel {
  double std_hu = 0;
  Eigen::Vector3d correlation = Eigen::Vector3d::Zero();  ///< lag-1 autocorrelation along the axes
};

struct Resected {
  image::CtVolume ct;
  image::LabelVolume piece;  ///< label Defect where bone was taken
  NoiseModel noise;
  double soft_hu = 0;
  double surface_hu = 0;  ///< the piece's surface: half way between soft tissue and dense bone
  double piece_mm3 = 0;
};

/// Takes the bone inside a ball out of a CT: the closed bone mask becomes soft tissue of the neighbourhood's level with
/// noise of the scan's own strength and correlation; at the ball's surface the old values fade in over one voxel, as
/// partial volume does. Throws DataError when the ball holds no bone.
Resected resect(const image::CtVolume& ct, const Resection& resection);

/// Noise of the flattest soft tissue: standard deviation and correlation of the residuals against the means of 5³
/// boxes whose voxels all lie between -50 and 130 HU, the quieter half of them. Zero where there are none.
NoiseModel measureNoise(const image::CtVolume& ct);

}  // namespace osteo::phantom
