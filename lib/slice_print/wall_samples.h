#pragma once
#include <limits>

#include "slice_print/layer.h"

namespace osteo::slice_print {

/// A point of an outline and the room that it has inside.
struct WallSample {
  Point at, inward;      ///< place and unit normal into the solid
  double length_mm = 0;  ///< its share of the outline
  /// Radius of the largest disc in the solid that touches here and at a wall that faces this one: half the local width.
  double half_width_mm = std::numeric_limits<double>::infinity();
  /// The same for walls that do not face this one: a corner's sides.
  double corner_mm = std::numeric_limits<double>::infinity();
  std::uint32_t facing = UINT32_MAX;  ///< the sample that is touched
  bool cap = false;                   ///< on the end of a wall, where its two sides meet
};

/// The samples of a region's rings, one ring after another.
struct WallSamples {
  std::vector<WallSample> samples;
  std::vector<std::uint32_t> ring_start;  ///< and one more
};

/// Samples outlines every `step_mm` at most (reflex corners as fans of normals) and measures the discs up to
/// `reach_mm` in radius that touch there: the shrinking ball of Ma, Bae, Choi (Vis. Comput. 28, 2012), over all samples
/// within reach at once. Walls face each other when their normals are more than 120° apart.
WallSamples sampleWalls(const Rings& rings, double step_mm, double reach_mm);

}  // namespace osteo::slice_print
