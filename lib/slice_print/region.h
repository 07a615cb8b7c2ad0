#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

// Booleans of outlines on a grid of nanometres (coarser beyond half a metre). Arguments may touch and share edges;
// slivers of a few nanometres may stay or go.

/// What rings wind around at least once: an outline whose parts overlap becomes simple.
Rings united(const Rings& rings);

/// What two simple outlines have in common, and what the first has alone.
Rings intersected(const Rings& a, const Rings& b);
Rings subtracted(const Rings& a, const Rings& b);

/// Whether a part of the outline is wound around twice or the wrong way, looked for on `lines` horizontal lines: finds
/// what is higher than their distance.
bool overlapsItself(const Rings& rings, int lines = 64);

}  // namespace osteo::slice_print
