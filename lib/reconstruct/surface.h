#pragma once
#include <set>

#include "image/resample.h"
#include "levelset/level_set.h"

namespace osteo::reconstruct {

struct SurfaceOptions {
  double voxel_mm = 0.5;
  double dust_mm3 = 50;  ///< smaller pieces are removed, smaller cavities are filled
  std::set<int> labels;  ///< values that count as bone
};

struct SurfaceReport {
  int components = 0, dust_removed = 0, cavities_filled = 0;
  double dust_mm3 = 0;
  double blur_sigma_mm = 0;  ///< blur at the edges, measured on them; 0 without a CT
};

/// Label values that are bone: 1, 2 and 10 and above; or those named in `wanted` (segment names or numbers). Throws
/// DataError when a name is unknown or no voxel is left.
std::set<int> boneLabels(const image::Segmentation& segmentation, const std::vector<std::string>& wanted);

/// The box of the voxels with these values, with as much around it as boneSurface looks at: nothing outside counts.
image::Box boneBox(const image::LabelVolume& labels, const std::set<int>& values);

/// The bone's surface. With a CT it lies where the grey values, interpolated by cubic convolution (Mitchell & Netravali
/// 1988), pass half way between the bone's and its surroundings' local values, within 1.25 voxels of the label surface;
/// without, where the blurred labels pass one half. The shift of a blurred edge on a curved surface is taken back. `ct`
/// may be null; it must have the grid of the labels. Throws DataError when nothing is left.
levelset::LevelSet boneSurface(const image::LabelVolume& labels, const image::CtVolume* ct,
                               const SurfaceOptions& options, SurfaceReport& report);

}  // namespace osteo::reconstruct
