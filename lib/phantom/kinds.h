#pragma once
#include <cstdint>

#include "phantom/anatomy.h"

namespace osteo::phantom {

/// Solids of one material; volume and area have closed forms.
Anatomy sphere(double radius_mm, double bone_hu);
Anatomy ellipsoid(const Eigen::Vector3d& semi_axes_mm, double bone_hu);
Anatomy torus(double ring_mm, double tube_mm, double bone_hu);

/// Calvarium above the plane z = 0: outer table, diploe, inner table; left occiput and right forehead stand out as in
/// people.
struct SkullCap {
  double thickness_mm = 6;
  double asymmetry_mm = 1;
};
Anatomy skullCap(const SkullCap& shape, std::uint64_t seed);

/// A long bone along z: bowed shaft with a medullary canal, two unequal condyles below, a broad head above; cortex
/// thick in the shaft and thin at the ends, trabecular density rising towards the ends and the cortex.
struct LongBone {
  double length_mm = 120;
  double shaft_mm = 26;
  double asymmetry_mm = 1;
};
Anatomy longBone(const LongBone& shape, std::uint64_t seed);

/// A lumbar vertebra (posterior at high y): waisted body, pedicles, laminae, articular, transverse and spinous
/// processes.
struct Vertebra {
  double width_mm = 46;
  double asymmetry_mm = 1;
};
Anatomy vertebra(const Vertebra& shape, std::uint64_t seed);

}  // namespace osteo::phantom
