#pragma once
#include <string>
#include <vector>

#include "image/volume.h"

namespace osteo::segment {

/// A bright part of a scan, and why it was taken for metal or not.
struct MetalPart {
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  bool metal = false;
  std::string why;            ///< "size", "peak", "streaks"; or "outside the patient", "no streaks", "dim", "small"
  std::string site;           ///< in or at "bone", in "soft tissue", "outside"
  double volume_mm3 = 0;      ///< of what is labelled; of what is brighter than candidates must be where nothing is
  double peak_hu = 0;         ///< brightest voxel
  double at_ceiling_mm3 = 0;  ///< of it at the scan's highest value
  double streak_ratio = 0;  ///< unevenness of the soft tissue beside it in its slices, against elsewhere; 0: not known
};

struct MetalFound {
  image::LabelVolume mask;       ///< 1 where metal is; empty without any
  double ceiling_hu = 0;         ///< the scan's highest value where values pile up at it (clipped scans), else 0
  std::vector<MetalPart> parts;  ///< largest first
};

/// What is known when metal is looked for.
struct MetalSearch {
  double metal_hu = 0;  ///< metal begins here, whatever else speaks for it; 0: decided part by part
  double soft_hu = 40;  ///< level of soft tissue
  double min_mm3 = 60;  ///< at which size alone tells metal from enamel
};

/// Metal in a CT. Candidates are connected voxels above 1800 HU (lower where the scan is clipped below 2500). A part is
/// metal when it is brighter than any tissue; when 60 mm³ of it lie above 2500 HU and it holds a ball of 1.2 mm, or the
/// voxels are too coarse to show enamel as bright; or, being smaller or blurred, when streaks come from it: the median
/// unevenness of soft tissue 3 to 15 mm from it in its axial slices against that of slices and places without bright
/// parts. What lies outside `body` (nonzero: patient) is none. The metal's surface lies half way between its own level
/// and bone; on clipped scans the number of voxels above each level is carried on along the error function to half way
/// to titanium's, and that many voxels, the deepest ones, are metal. Equal bytes for any thread count.
MetalFound findMetal(const image::CtVolume& ct, const image::LabelVolume& body, const MetalSearch& how);

/// Drops from a bone mask what only the blur of metal makes bright: within two voxels of metal (nonzero) a voxel stays
/// bone where at least half of the 5³ voxels around it that lie further from metal are bone.
void dropBloom(image::LabelVolume& bone, const image::LabelVolume& metal);

}  // namespace osteo::segment
