#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "image/volume.h"
#include "phantom/shapes.h"

namespace osteo::phantom {

/// Soft tissue, air, a tooth, metal, the table: filled with its HU over what was painted before it.
struct Tissue {
  Shape shape;
  std::function<double(const Eigen::Vector3d&)> hu;
  std::uint16_t label = image::Background;
};

/// Where a bone meets an earlier one of the scene: it leaves a gap, so that the joint's faces fit each other.
struct Joint {
  int other = 0;
  double gap_mm = 3;
};

/// A bone: compact bone of a given thickness under its surface, spongy bone within.
struct Bone {
  std::string name;
  Shape shape;
  std::function<double(const Eigen::Vector3d&)> cortex_mm;
  std::function<double(const Eigen::Vector3d&, double depth_mm)> spongiosa_hu;  ///< depth below the bone's surface
  double cortical_hu = 1300;
  std::vector<Joint> joints = {};
};

enum class Margin { None, Sharp, Lytic, MothEaten, Sclerotic };
/// "none", "sharp", "lytic", "moth_eaten", "sclerotic".
std::string nameOf(Margin margin);

struct Ball {
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double radius_mm = 1;
};

/// What is missing from one of the bones, and what its edge looks like.
struct Lesion {
  int bone = 0;
  Shape shape;
  Margin margin = Margin::Sharp;
  bool closed = false;  ///< stays below the cortex, with a millimetre of spongy bone between
  double content_hu = 45;
  double zone_mm = 8;  ///< lytic: how far the cortex is thinned and the bone rarefied; moth-eaten: how far holes go
  double thinned_to = 0.3;  ///< lytic: what is left of the cortex at the lesion's edge
  double rim_mm = 2.5;      ///< sclerotic: thickness of the dense rim
  double rim_hu = 1000;
  std::vector<Ball> holes = {};       ///< moth-eaten
  std::vector<Shape> fragments = {};  ///< loose pieces, bone again
};

/// Everything that is scanned. Anatomy lies in its own frame; `rotation` and `shift_mm` bring it into the scanner's.
struct Scene {
  std::vector<Tissue> room;    ///< in the scanner's frame, painted first: table, headrest
  std::vector<Tissue> tissue;  ///< painted next, in order
  std::vector<Bone> bones;
  std::vector<Tissue> over;  ///< painted over bones: teeth, metal
  std::vector<Lesion> lesions;
  double joint_hu = 80;  ///< cartilage and fluid in the joints' gaps
  Eigen::Matrix3d rotation = Eigen::Matrix3d::Identity();
  Eigen::Vector3d shift_mm = Eigen::Vector3d::Zero();
};

struct Rendered {
  image::CtVolume ct;
  image::LabelVolume labels;       ///< the label that fills most of a voxel that is at least half bone
  image::LabelVolume instances;    ///< 10 + the bone's place in the scene, where labels says cortical or cancellous
  image::CtVolume metal_fraction;  ///< empty without metal
  std::vector<double> volume_mm3;  ///< per label 0 to 4, summed shares of voxels rather than counted voxels
};

/// Mean HU in each voxel's box (in the slice direction over `slice_mm`) and its label. Voxels that a surface passes are
/// cut into cells of about 1 mm, at least 2³, whose shares are linear in the distance; all others are sampled once.
Rendered render(const Scene& scene, const image::Frame& frame, double slice_mm);

}  // namespace osteo::phantom
