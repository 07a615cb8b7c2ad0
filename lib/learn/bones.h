#pragma once
#include <Eigen/Geometry>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "image/volume.h"

/// Where the completion network's examples come from: bones made of nothing, and defects cut out of them.
namespace osteo::learn {

constexpr double kCell_mm = 2.0;   ///< voxel of everything that the completion network sees
constexpr double kReach_mm = 6.0;  ///< distances are clamped to this
constexpr int kPatch = 64;         ///< voxels a side

/// Numbers drawn one after the other from a stream of their own.
class Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t stream) : random_(seed, stream) {}
  double between(double low, double high) { return low + (high - low) * random_.uniform(next_++); }
  double normal() { return random_.normal(5000 + next_++); }
  bool chance(double share) { return random_.uniform(next_++) < share; }
  Eigen::Vector3d direction();

 private:
  core::Random random_;
  std::uint64_t next_ = 0;
};

/// A bone as signed distances (mm, negative inside, within ±kReach_mm) on voxels of kCell_mm about its middle: three in
/// four are calvaria, the others shells and solids of any proportion. Superellipsoids (Barr 1981) whose radius and
/// thickness are bent by seeded bumps and ridges, alike on both sides of x = 0 but for a part; smaller solids stand for
/// the face and the base.
image::CtVolume proceduralBone(std::uint64_t seed);

/// True distances on the same lattice from values whose zero crossings are right; a frame aligned with the axes.
image::CtVolume trueDistance(const image::CtVolume& values);

/// One example: a patch of a damaged bone. Buffers of kPatch³ values, x fastest, in units of kReach_mm.
struct Example {
  std::vector<float> damaged, mirrored, whole;
  std::vector<float> weight;  ///< how much an error counts: most where the bone was cut away
  bool hole = true;           ///< false: nothing was cut
  double hole_diameter_mm = 0;
};

/// Cuts one ball, cylinder or box with a bent wall (16 to 76 mm wide) out of the bone and looks at it in a turned,
/// scaled and shifted patch; the mirrored copy is off by a seeded degree and millimetre, as a found symmetry plane is.
Example example(const image::CtVolume& bone, std::uint64_t seed, std::uint64_t number);

}  // namespace osteo::learn
