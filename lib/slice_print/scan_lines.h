#pragma once
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// Crossings of outlines with equidistant horizontal lines; row r lies at y = (first + r + ½)·spacing.
struct ScanLines {
  int first = 0;
  std::vector<std::size_t> start;  ///< row r has x[start[r]] … x[start[r + 1] − 1], sorted, an even number
  std::vector<double> x;
  int rows() const { return start.empty() ? 0 : static_cast<int>(start.size()) - 1; }
};

/// Even-odd: between x[2m] and x[2m + 1] of a row lies solid. A vertex on a line counts as above it.
ScanLines scanLines(const Rings& rings, double spacing_mm);

}  // namespace osteo::slice_print
