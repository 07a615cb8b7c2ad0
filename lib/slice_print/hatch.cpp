#include "slice_print/hatch.h"

#include <cmath>

#include "slice_print/scan_lines.h"
#include "slice_print/visit_order.h"

namespace osteo::slice_print {

namespace {

struct Stroke {
  double low, high, y;
};

using Meander = std::vector<Stroke>;

// Follows strokes from row to row: each goes on to the first free stroke above that overlaps it.
std::vector<Meander> growMeanders(const ScanLines& lines, double spacing) {
  std::vector<Meander> meanders;
  std::vector<std::size_t> below, row;  // meanders that end in the last row and in this one, by x
  for (int r = 0; r < lines.rows(); ++r) {
    const double y = (lines.first + r + 0.5) * spacing;
    row.clear();
    std::size_t candidate = 0;
    for (std::size_t n = lines.start[r]; n + 1 < lines.start[r + 1]; n += 2) {
      const Stroke stroke{lines.x[n], lines.x[n + 1], y};
      if (stroke.high <= stroke.low) continue;
      while (candidate < below.size() && meanders[below[candidate]].back().high <= stroke.low) ++candidate;
      if (candidate < below.size() && meanders[below[candidate]].back().low < stroke.high) {
        row.push_back(below[candidate++]);
      } else {
        row.push_back(meanders.size());
        meanders.emplace_back();
      }
      meanders[row.back()].push_back(stroke);
    }
    below.swap(row);
  }
  return meanders;
}

// The strokes of a meander from the bottom or the top row, the first one to the right or to the left.
std::vector<Segment> strokesOf(const Meander& meander, bool from_top, bool rightward) {
  std::vector<Segment> segments;
  segments.reserve(meander.size());
  for (std::size_t n = 0; n < meander.size(); ++n) {
    const Stroke& s = meander[from_top ? meander.size() - 1 - n : n];
    const Point left(s.low, s.y), right(s.high, s.y);
    segments.push_back(rightward ? Segment{left, right} : Segment{right, left});
    rightward = !rightward;
  }
  return segments;
}

// A meander is entered at the left of its bottom row or where that walk ends.
std::vector<Stop> stopsOf(const std::vector<Meander>& meanders) {
  std::vector<Stop> stops;
  stops.reserve(2 * meanders.size());
  for (std::uint32_t m = 0; m < meanders.size(); ++m) {
    const Stroke &bottom = meanders[m].front(), &top = meanders[m].back();
    const Point begin(bottom.low, bottom.y), end(meanders[m].size() % 2 ? top.high : top.low, top.y);
    stops.push_back({begin, end, m});
    stops.push_back({end, begin, m});
  }
  return stops;
}

}  // namespace

std::vector<Segment> meander(const Rings& rings, const HatchPattern& pattern, const Point& start) {
  const double angle = std::fmod(pattern.angle_deg, 360) * M_PI / 180, c = std::cos(angle), s = std::sin(angle);
  const auto toLines = [&](const Point& p) {
    const Point d = p - pattern.centre;
    return Point(c * d.x() + s * d.y(), -s * d.x() + c * d.y());
  };
  const auto fromLines = [&](const Point& p) {
    return Point(pattern.centre.x() + c * p.x() - s * p.y(), pattern.centre.y() + s * p.x() + c * p.y());
  };
  Rings turned = rings;
  for (Ring& ring : turned) {
    for (Point& p : ring) p = toLines(p);
  }
  const std::vector<Meander> meanders = growMeanders(scanLines(turned, pattern.spacing_mm), pattern.spacing_mm);
  const std::vector<Stop> stops = stopsOf(meanders);
  std::vector<Segment> hatches;
  for (const std::uint32_t stop : visitNearest(stops, toLines(start))) {
    const Meander& m = meanders[stops[stop].item];
    const bool backward = stop % 2 == 1;
    // Backwards, the first stroke runs against the last one of the forward walk.
    const bool rightward = backward ? m.size() % 2 == 0 : true;
    for (const Segment& stroke : strokesOf(m, backward, rightward))
      hatches.push_back({fromLines(stroke.a), fromLines(stroke.b)});
  }
  return hatches;
}

}  // namespace osteo::slice_print
