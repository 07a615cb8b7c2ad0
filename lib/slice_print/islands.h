#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// A region of a layer with nothing below it.
struct Island {
  Rings outline = {};  ///< its outer ring and its holes
  double area_mm2 = 0;
  Point inside = Point::Zero();  ///< in the middle of its longest row
};

/// Connected regions of a slice that lie over no part of the slice below, as seen on rows `spacing_mm` apart.
std::vector<Island> islands(const Rings& slice, const Rings& below, double spacing_mm);

}  // namespace osteo::slice_print
