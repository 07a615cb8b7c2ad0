#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "image/volume.h"

namespace osteo::phantom {

/// An intersection of half-spaces: the indices of the implicit functions that must be negative.
using Solid = std::vector<int>;

/// HU at a point, where the implicit functions have these values.
using Material = std::function<double(const Eigen::Vector3d&, const double*)>;
Material uniform(double hu);

/// A solid that is filled with a material, over what was painted before it.
struct Paint {
  Solid where;
  std::uint16_t label = image::Background;
  Material hu;
};

/// One signed term of a measured body, such as the inside of a shell taken away from its outside.
struct Part {
  double sign = 1.0;
  Solid solid;
  std::vector<double> area_weights;  ///< per term of the solid: how its face counts in the body's surface
};

/// What is measured exactly; the key names it in the record ("bone", "cortical", …).
struct Body {
  std::string key;
  std::vector<Part> parts;
  std::optional<double> exact_volume_mm3 = {}, exact_area_mm2 = {};  ///< closed forms, until something is cut out
};

/// Implicit functions in LPS, mm: negative inside, smooth near their zero sets, gradient between about 0.6 and 1.4
/// there and never above 1.5. Everything a scan needs: what is painted in which order, and what is measured.
struct Anatomy {
  int functions = 0;
  std::function<void(const Eigen::Vector3d&, double*)> evaluate;
  std::vector<Paint> paints;
  std::vector<Body> bodies;
  Solid bone;                                        ///< outer solid of the bone, where a defect may cut
  Eigen::Vector3d min_mm = Eigen::Vector3d::Zero();  ///< box of the bone
  Eigen::Vector3d max_mm = Eigen::Vector3d::Zero();
  Eigen::Vector3d margin_mm = Eigen::Vector3d::Constant(20);   ///< soft tissue and air shown around the box
  Eigen::Vector3d defect_centre_mm = Eigen::Vector3d::Zero();  ///< where a defect lies unless told otherwise
  double defect_diameter_mm = 10;
  double smoothness_mm = 0.5;  ///< length over which the functions vary gently; sets the quadrature's kernel
  std::vector<int> narrow;     ///< functions with a saddle near zero: their solids' volumes need a narrower kernel
  double narrow_smoothness_mm = 0.25;

  /// Appends `count` functions and returns the index of the first.
  int append(int count, std::function<void(const Eigen::Vector3d&, double*)> more);
};

/// Rotates an anatomy about the centre of its box by angles (degrees) about x, then y, then z.
void tilt(Anatomy& anatomy, const Eigen::Vector3d& degrees);

/// Wraps the anatomy in muscle under a layer of fat; air is what remains.
void addSoftTissue(Anatomy& anatomy, double muscle_mm, double fat_mm);

/// A hole in the bone: a ball, or a cylinder as long as it is wide whose axis is normal to the bone's surface.
struct Hole {
  bool cylinder = false;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double diameter_mm = 10;
};
void addDefect(Anatomy& anatomy, const Hole& hole);

/// `count` titanium rods (diameter 4 mm, length 22 mm) at seeded places in the bone, clear of each other and of the
/// defect.
void addMetal(Anatomy& anatomy, int count, std::uint64_t seed);

/// HU of materials in a scan; titanium at 80 keV (attenuation from NIST XCOM), clipped by scanners at 3071.
constexpr double kAir_hu = -1000, kFat_hu = -95, kMuscle_hu = 50, kBrain_hu = 35, kMarrow_hu = -60, kTitanium_hu = 8940;

}  // namespace osteo::phantom
