#pragma once
#include <string>
#include <vector>

#include "image/volume.h"
#include "segment/calibration.h"
#include "segment/cortex_level.h"
#include "segment/instances.h"
#include "segment/metal.h"

namespace osteo::segment {

struct Options {
  double shift_hu = 0;        ///< added to all values first
  double bone_hu = 0;         ///< seed threshold; 0: from the soft-tissue peak
  double closing_mm = 0;      ///< half the gaps bridged in the cortex; 0: 3 mm or 1.45 voxels, whichever is more
  double fill_mm = 20;        ///< widest marrow space that is filled
  double min_part_mm3 = 300;  ///< smaller separate parts are dropped
  double metal_hu = 0;        ///< metal begins here; 0: by size, peak, streaks and site
  bool bones = false;         ///< bones that touch are told apart
  bool anatomy = true;        ///< of them, those of the trunk are found by shape and named
  bool defects = true;        ///< what is missing is sought (segment/defect_finder.h)
};

struct Part {
  double volume_mm3 = 0;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
};

struct Result {
  image::LabelVolume labels;           ///< Cortical, Cancellous, Metal, Defect
  image::CtVolume defect_probability;  ///< where Defect is labelled; empty where nobody says so
  Calibration calibration;
  double bone_hu = 0, split_hu = 0;
  FullCortex full_cortex;
  double removed_table_mm3 = 0, vessels_mm3 = 0;  ///< what was taken for no bone
  double ceiling_hu = 0;                          ///< of a clipped scan
  std::vector<MetalPart> metal_parts;             ///< what is bright, metal or not, largest first
  std::vector<Part> parts;                        ///< separate bones or groups of bones, largest first
  Bones bones;                                    ///< empty unless asked for
  double cortical_mm3 = 0, cancellous_mm3 = 0, metal_mm3 = 0;
  double unresolved_cortex = 0;  ///< share of the bone surface whose cortex is too thin or porous to show as dense
};

/// Bone with its marrow space, split into cortical and cancellous, and metal. `ct` in HU; it is shifted in place by
/// options.shift_hu. Throws DataError for volumes that are not HU and for volumes without bone.
Result segment(image::CtVolume& ct, const Options& options);

}  // namespace osteo::segment
