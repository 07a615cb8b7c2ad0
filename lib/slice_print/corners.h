#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// Contours whose corners with an inner angle below `least_deg` are replaced by an arc of `radius_mm` that touches both
/// sides, or a smaller one where a side is short (half of each side at most), so that the beam, whose mirrors have
/// mass, needs not stop there and overheat the tip. Adds what it rounds to `rounded`. Hull and hole corners alike.
Rings roundedCorners(const Rings& contours, double least_deg, double radius_mm, std::int64_t& rounded);

}  // namespace osteo::slice_print
