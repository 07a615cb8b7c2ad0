#pragma once
#include <Eigen/Geometry>
#include <functional>
#include <string>
#include <vector>

#include "image/volume.h"

namespace osteo::segment {

/// A scan with its axes along LPS and cubic voxels of 2 mm or the scan's own size, for what is looked for by shape.
struct Coarse {
  image::CtVolume hu;       ///< HU above soft tissue, within -150 to 450
  image::LabelVolume bone;  ///< 1 where the whole-bone mask is
  double mm() const { return hu.frame.spacing_mm[0]; }
};
Coarse coarsen(const image::LabelVolume& whole, const image::CtVolume& ct, double soft_hu);

/// What a bone is, and how that was found.
struct Identity {
  std::string name;  ///< empty: nobody says
  std::string how;
  double score = 0;  ///< 0 to 1, a product of how well its marks fit; not calibrated
};

/// A place that is sure to lie in one bone.
struct Seed {
  int bone = 0;  ///< in Anatomy::bones
  Eigen::AlignedBox3d box_mm;
  std::function<bool(const Eigen::Vector3d& at_mm)> holds;
};

/// A vertebra, for the ribs that hang on it: the middle of its body and the directions of its canal and to its left.
struct VertebraPlace {
  int bone = 0;
  Eigen::Vector3d centre_mm, up, left;
};

struct Anatomy {
  std::vector<Identity> bones;
  std::vector<Seed> seeds;
  std::vector<VertebraPlace> vertebrae;  ///< from the lowest up
};

/// Which bones a scan of the trunk shows, and a sure place in each: vertebrae and sacrum by the spinal canal and its
/// discs, femora by their heads, hip bones by the joints of both. Empty where none of these is seen. Axes must be LPS.
Anatomy findAnatomy(const image::LabelVolume& whole, const image::CtVolume& ct, double soft_hu);

}  // namespace osteo::segment
