#pragma once
#include "learn/cases.h"

/// Patches of prepared cases, turned, scaled, mirrored and disturbed as scans differ.
namespace osteo::learn {

/// Chances and sizes of what happens to a patch.
struct Augmentation {
  double turn = 0.4, most_turn_deg = 30;
  double scale = 0.4, least_scale = 0.75, most_scale = 1.35;
  bool mirror = true;
  double noise = 0.3, most_noise_hu = 60;
  double blur = 0.25, most_blur_voxels = 1.0;
  double contrast = 0.3, most_contrast = 0.15;  ///< share by which values about 40 HU are stretched
  double shift = 0.3, most_shift_hu = 40;
  double low_resolution = 0.2, most_coarser = 2.5;  ///< an axis is sampled this much coarser
};

/// Where patches are cut: of all, this share about a defect (in cases that have one) and this share about any label.
struct Sampling {
  double defect_share = 0.33, foreground_share = 0.33;
};

/// Appends one example to the batch: normalised input, regions, and how much each voxel counts. The same seed and
/// number give the same example.
struct PatchRequest {
  std::uint64_t seed = 0, number = 0;
  bool disturbed = true;
  Augmentation how = {};
  Sampling sampling = {};
};
void appendPatch(Batch& batch, const std::vector<PreparedCase>& cases, const Plans& plans, const PatchRequest& request);

}  // namespace osteo::learn
