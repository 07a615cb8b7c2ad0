#include "slice_print/scan_lines.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace osteo::slice_print {

namespace {

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

// The rows of a, each walked along x with what is solid on the way.
template <class Keep>
ScanLines combined(const ScanLines& a, const ScanLines& b, const Keep& keep) {
  ScanLines result;
  result.first = a.first;
  result.start.assign(a.start.empty() ? 0 : 1, 0);
  for (int row = 0; row < a.rows(); ++row) {
    std::size_t n = a.start[row], m = 0, m_end = 0;
    const int other = row + a.first - b.first;
    if (other >= 0 && other < b.rows()) m = b.start[other], m_end = b.start[other + 1];
    bool in_a = false, in_b = false, inside = false;
    while (n < a.start[row + 1]) {
      const bool take_a = m >= m_end || a.x[n] <= b.x[m];
      const double x = take_a ? a.x[n] : b.x[m];
      if (take_a) in_a = !in_a, ++n;
      if (!take_a) in_b = !in_b, ++m;
      if (keep(in_a, in_b) == inside) continue;
      inside = !inside;
      if (result.x.size() > result.start.back() && result.x.back() == x) {  // neither gaps nor pieces of no length
        result.x.pop_back();
      } else {
        result.x.push_back(x);
      }
    }
    result.start.push_back(result.x.size());
  }
  return result;
}

}  // namespace

// It depends on the vertex alone, so both edges at a vertex agree and rows stay even.
int lineAbove(double y, double spacing_mm) { return static_cast<int>(std::ceil(y / spacing_mm - 0.5)); }

ScanLines intersection(const ScanLines& a, const ScanLines& b) {
  return combined(a, b, [](bool in_a, bool in_b) { return in_a && in_b; });
}

ScanLines difference(const ScanLines& a, const ScanLines& b) {
  return combined(a, b, [](bool in_a, bool in_b) { return in_a && !in_b; });
}

ScanLines clipped(const ScanLines& lines, double low, double high) {
  ScanLines result;
  result.first = lines.first;
  result.start.assign(lines.start.empty() ? 0 : 1, 0);
  for (int row = 0; row < lines.rows(); ++row) {
    for (std::size_t n = lines.start[row]; n + 1 < lines.start[row + 1]; n += 2) {
      const double from = std::max(lines.x[n], low), to = std::min(lines.x[n + 1], high);
      if (from < to) result.x.push_back(from), result.x.push_back(to);
    }
    result.start.push_back(result.x.size());
  }
  return result;
}

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
