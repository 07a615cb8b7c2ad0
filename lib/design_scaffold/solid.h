#pragma once
#include <vector>

#include "design_scaffold/envelope.h"
#include "design_scaffold/infill.h"

namespace osteo::design_scaffold {

/// The composed solid and what was measured while its fields were at hand.
struct Solid {
  levelset::LevelSet level_set;
  double envelope_mm3 = 0;       ///< what the clearance left of the defect
  double skin_mm3 = 0;           ///< solid skin or frame in it
  double wanted_mm3 = 0;         ///< what the infill is to take of the rest
  std::vector<float> gaps_mm;    ///< distance to the host over the facing surface, ascending; one per voxel of surface
  double facing_open_share = 0;  ///< share of the facing surface that is pore
  double facing_area_mm2 = 0;
};

/// Envelope ∩ (infill ∪ skin) on voxels of the given size, as true distances: the parts' own distances where one of
/// them decides, and around the edges where both do, the distance to the edge of the wedge that their tangent planes
/// make.
Solid compose(const Envelope& envelope, const Infill& infill, double voxel_mm);

/// Tells at a point of a span in which part of the body it lies.
class Body {
 public:
  Body(const Envelope& envelope, const Span& span);
  double envelope_mm(const Eigen::Vector3d& p) const;  ///< distance to the body's own surface, negative inside
  double skin_mm(const Eigen::Vector3d& p) const;      ///< negative in what is to be solid, 1 m without skin

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// What was taken off and filled to make one piece without closed pores.
struct Cleaning {
  int pieces_removed = 0;
  double dust_removed_mm3 = 0;
  int voids_filled = 0;
  double voids_filled_mm3 = 0;
};

/// Keeps the largest piece, fills pores without a way out, and mends the distances around both, in place: bodies of
/// some hundred million voxels are held once.
void clean(levelset::LevelSet& solid, Cleaning& cleaning);

}  // namespace osteo::design_scaffold
