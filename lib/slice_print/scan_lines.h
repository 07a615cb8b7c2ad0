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

/// The first line on or above y, counted from the one at ½ spacing.
int lineAbove(double y, double spacing_mm);

/// What is solid in both, row by row. The spacings must be equal.
ScanLines intersection(const ScanLines& a, const ScanLines& b);
/// What is solid in a and not in b.
ScanLines difference(const ScanLines& a, const ScanLines& b);
/// What lies between two x.
ScanLines clipped(const ScanLines& lines, double low, double high);

}  // namespace osteo::slice_print
