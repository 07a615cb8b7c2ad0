#pragma once
#include <map>
#include <string>
#include <vector>

#include "image/volume.h"
#include "segment/anatomy.h"

namespace osteo::segment {

/// One bone of a scan.
struct Bone {
  std::uint16_t label = 0;  ///< 10, 11, … from the largest down
  double volume_mm3 = 0;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  bool cut_off = false;  ///< reaches the image's border: part of it is not in view
  Identity identity;     ///< without a name where none is known
};

struct Bones {
  image::LabelVolume labels;  ///< 10 + place in `list`, 0 where no bone is
  std::vector<Bone> list;
};

/// How two bones that touch are told apart.
struct Separation {
  double soft_hu = 40;         ///< level of soft tissue
  double noise_hu = 10;        ///< its spread, as Calibration has it
  double fill_mm = 20;         ///< widest marrow space
  double min_bone_mm3 = 1000;  ///< what is smaller goes with the neighbour that it touches most
  bool anatomy = true;         ///< bones of the trunk are found by shape, parted there and named (segment/anatomy.h)
};

/// Nonzero where bone is: `dense` is what stands out by itself, `whole` has its marrow, and gaps in it are bridged.
struct BoneMasks {
  image::LabelVolume dense, whole;
};

/// Parts the whole-bone mask into bones. Joint spaces are dark sheets in dense bone, darker than what lies on both
/// sides of them within 4 mm, and what only bridging made bone; spaces that bone closes are marrow and no joint. Basins
/// of the distance to these (watershed by flooding: Meyer 1994) become bones, and two of them one bone unless most of
/// their border runs through joint space. Equal bytes for any thread count. Masks that are moved in are freed on the
/// way.
Bones separateBones(BoneMasks masks, const image::CtVolume& ct, const Separation& how);

/// Label → name, of the bones that have one.
std::map<int, std::string> namesOf(const Bones& bones);

}  // namespace osteo::segment
