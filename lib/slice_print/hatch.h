#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

struct HatchPattern {
  double spacing_mm = 0.14;
  double angle_deg = 0;          ///< of the lines to +x
  Point centre = Point::Zero();  ///< lines lie at ±½, ±1½, … spacings from it
};

/// Parallel lines over the even-odd region of the rings. Lines of neighbouring rows that overlap are joined into
/// meanders (boustrophedon cells, Choset 2000); the next meander is the one with the nearest end.
std::vector<Segment> meander(const Rings& rings, const HatchPattern& pattern, const Point& start);

}  // namespace osteo::slice_print
