#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// A way to expose an item: enter at one point, leave at another. An item may offer several.
struct Stop {
  Point enter, leave;
  std::uint32_t item = 0;
};

/// Indices of stops, one for every item, in the order of a greedy walk that always goes to the nearest entry (in a grid
/// of buckets); equal distances go to the lower index.
std::vector<std::uint32_t> visitNearest(const std::vector<Stop>& stops, const Point& start);

}  // namespace osteo::slice_print
