#pragma once
#include <cstdint>
#include <vector>

#include "slice_print/layer.h"

namespace osteo::slice_print {

/// A directed piece of outline inside one triangle or one grid cell. It runs from one crossed edge to another, and
/// edges are named by keys, so that neighbours join by equality of integers and never by nearness of points.
struct Cut {
  std::uint64_t from = 0, to = 0;
  Point at_from = Point::Zero();  ///< where the edge `from` is crossed
};

/// Joins cuts end to start into rings, in the order of the cuts; where several cuts start on one edge, the first unused
/// goes on. Rings without area are dropped. `open` counts chains that do not close (none on a closed, oriented
/// surface).
Rings chainRings(const std::vector<Cut>& cuts, std::int64_t& open);

}  // namespace osteo::slice_print
