#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "image/volume.h"
#include "learn/network.h"

/// How a segmentation network is shaped for a set of cases (nnU-Net: Isensee et al., Nature Methods 2021).
namespace osteo::learn {

/// HU of the voxels that are labelled at all.
struct Intensity {
  double mean = 0, sd = 1, median = 0, low = -1000, high = 3000;  ///< low, high: 0.5 and 99.5 % of them
};

/// What one case says of itself.
struct CaseFacts {
  Eigen::Vector3i size = Eigen::Vector3i::Zero();
  Eigen::Vector3d spacing_mm = Eigen::Vector3d::Ones();
  std::vector<float> foreground_hu, metal_hu;  ///< samples
};

struct Fingerprint {
  int cases = 0;
  Intensity intensity;
  Eigen::Vector3d spacing_mm = Eigen::Vector3d::Ones();   ///< that the network will see
  Eigen::Vector3i median_size = Eigen::Vector3i::Zero();  ///< of the cases on that spacing
};

/// Values up to 99.5 % of the labelled voxels count, or up to the metal's median, which would else look like dense
/// bone. Median spacing, but the finest tenth on an axis more than three times as coarse as the others.
Fingerprint fingerprint(const std::vector<CaseFacts>& cases);

/// What a small machine asks for in place of what the rules give; 0 and empty leave the rule.
struct PlanWishes {
  double spacing_mm = 0;            ///< on all axes
  int patch_voxels = 64 * 64 * 64;  ///< at most
  int batch = 2;
  int base = 32;  ///< features of the first level
  int most_features = 320;
  int levels = 0;  ///< at most
  int blocks = 1;  ///< pairs of convolutions a level
  int fold = 1;    ///< 2: eight voxels become channels first
  bool residual = false;
};

struct Plans {
  Eigen::Vector3d spacing_mm = Eigen::Vector3d::Ones();
  Eigen::Vector3i median_size = Eigen::Vector3i::Zero();
  Eigen::Vector3i patch = Eigen::Vector3i::Constant(64);
  int batch = 2, base = 32, most_features = 320, blocks = 1, fold = 1;
  bool residual = false;
  std::vector<int> kernels, pools;  ///< a level each: sums of 1 for x, 2 for y, 4 for z; the first pools nothing
  Intensity intensity;
};

/// Patch as wide as it is fine, within the median case; levels while an axis has 8 voxels and more and is less than
/// twice as coarse as the finest; kernels of 3 on axes that are.
Plans plan(const Fingerprint& fingerprint, const PlanWishes& wishes);

/// The network of the plans, without tensors.
Network networkOf(const Plans& plans);

/// plans.json with nnU-Net's names (arrays in the order z, y, x). The reader takes nnU-Net's own as well, of which it
/// needs patch, spacing and intensities of the configuration 3d_fullres. Throws DataError.
nlohmann::json toJson(const Plans& plans);
Plans readPlans(const std::string& path);
/// Throws DataError when network and plans don't fit.
void requireSamePlans(const Plans& plans, const Network& network, const std::string& folder);

/// (clamp(HU, low, high) − mean) / sd.
inline float normalised(float hu, const Intensity& i) {
  const double clamped = hu < i.low ? i.low : hu > i.high ? i.high : hu;
  return static_cast<float>((clamped - i.mean) / i.sd);
}

}  // namespace osteo::learn
