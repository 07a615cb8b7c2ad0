#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// What rings wind around at least once: the union of counter-clockwise rings that may overlap.
Rings united(const Rings& rings);
/// The part of `rings` (none overlapping) outside `others`.
Rings without(const Rings& rings, const Rings& others);

}  // namespace osteo::slice_print
