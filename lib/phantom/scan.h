#pragma once
#include <cstdint>
#include <string>

#include "phantom/anatomy.h"

namespace osteo::phantom {

/// The scanner: grid, point spread and noise.
struct Scanner {
  Eigen::Vector3d spacing_mm = Eigen::Vector3d::Ones();
  double blur_mm = 0;      ///< standard deviation of the Gaussian point spread
  double noise_hu = 0;     ///< standard deviation of white noise
  std::uint64_t seed = 0;  ///< of the noise
  std::string frame_id;
};

struct Scan {
  image::CtVolume ct;
  image::LabelVolume labels;       ///< the label that fills most of a voxel that is at least half bone
  image::CtVolume metal_fraction;  ///< empty without metal
};

/// The grid that holds the anatomy with its margin, voxel centres symmetric about the box's centre.
image::Frame scanFrame(const Anatomy& anatomy, const Scanner& scanner);

/// Voxel values by true volume fractions: voxels near a surface are cut into cells of at most 0.5 mm, in each of which
/// every surface is a plane (exact box-plane volume, Scardovelli and Zaleski, J Comput Phys 164, 228, 2000). Metal
/// streaks, blur and noise follow in that order; with metal, values are clipped at 3071 HU as scanners do.
Scan scan(const Anatomy& anatomy, const Scanner& scanner);

/// Share of the box |x_d| <= half_d where value + gradient . x < 0.
double negativeShare(double value, const Eigen::Vector3d& gradient, const Eigen::Vector3d& half_mm);

}  // namespace osteo::phantom
