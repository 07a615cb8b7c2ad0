#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// The region of `rings` shrunk by each depth (mm, ≥ 0; 0 returns it as it is), in nanometres, mitred up to twice the
/// depth. Where rings overlap, what they leave is united.
std::vector<Rings> inset(const Rings& rings, const std::vector<double>& depths_mm);

/// The region grown by a depth (mm, ≥ 0) with round corners: what a disc of that radius reaches from it.
Rings outset(const Rings& rings, double depth_mm);

/// Area of the parts of the region narrower than `width_mm` (what an opening by a disc of that width removes), mm².
double thinArea_mm2(const Rings& rings, double width_mm);

}  // namespace osteo::slice_print
