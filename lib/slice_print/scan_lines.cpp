#include "slice_print/scan_lines.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace osteo::slice_print {

namespace {

// The first line on or above y. It depends on the vertex alone, so both edges at a vertex agree and rows stay even.
int lineAbove(double y, double spacing) { return static_cast<int>(std::ceil(y / spacing - 0.5)); }

template <class Visit>
void forEachEdge(const Rings& rings, double spacing, const Visit& visit) {
  for (const Ring& ring : rings) {
    if (ring.empty()) continue;
    Point a = ring.back();
    int row_a = lineAbove(a.y(), spacing);
    for (const Point& b : ring) {
      const int row_b = lineAbove(b.y(), spacing);
      if (row_a < row_b) visit(a, b, row_a, row_b);
      if (row_b < row_a) visit(b, a, row_b, row_a);
      a = b, row_a = row_b;
    }
  }
}

}  // namespace

ScanLines scanLines(const Rings& rings, double spacing_mm) {
  ScanLines lines;
  int low = std::numeric_limits<int>::max(), high = std::numeric_limits<int>::min();
  forEachEdge(rings, spacing_mm, [&](const Point&, const Point&, int from, int to) {
    low = std::min(low, from), high = std::max(high, to);
  });
  if (low >= high) return lines;
  lines.first = low;
  lines.start.assign(static_cast<std::size_t>(high - low) + 1, 0);
  forEachEdge(rings, spacing_mm, [&](const Point&, const Point&, int from, int to) {
    for (int row = from; row < to; ++row) ++lines.start[row - low + 1];
  });
  for (std::size_t row = 1; row < lines.start.size(); ++row) lines.start[row] += lines.start[row - 1];
  lines.x.resize(lines.start.back());
  std::vector<std::size_t> next(lines.start.begin(), lines.start.end() - 1);
  forEachEdge(rings, spacing_mm, [&](const Point& a, const Point& b, int from, int to) {
    const double slope = (b.x() - a.x()) / (b.y() - a.y());
    const double least = std::min(a.x(), b.x()), most = std::max(a.x(), b.x());
    for (int row = from; row < to; ++row) {
      const double x = a.x() + slope * ((row + 0.5) * spacing_mm - a.y());
      lines.x[next[row - low]++] = std::clamp(x, least, most);
    }
  });
  for (int row = 0; row < lines.rows(); ++row)
    std::sort(lines.x.begin() + lines.start[row], lines.x.begin() + lines.start[row + 1]);
  return lines;
}

}  // namespace osteo::slice_print
