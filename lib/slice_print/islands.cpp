#include "slice_print/islands.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "slice_print/scan_lines.h"

namespace osteo::slice_print {

namespace {

struct Crossing {
  int row;
  double x;
  std::uint32_t ring;
  bool operator<(const Crossing& o) const { return std::tie(row, x, ring) < std::tie(o.row, o.x, o.ring); }
};

std::vector<Crossing> crossings(const Rings& rings, double spacing) {
  std::vector<Crossing> found;
  for (std::uint32_t r = 0; r < rings.size(); ++r) {
    const Ring& ring = rings[r];
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const Point &a = ring[i], &b = ring[i + 1 < ring.size() ? i + 1 : 0];
      const int row_a = lineAbove(a.y(), spacing), row_b = lineAbove(b.y(), spacing);
      for (int row = std::min(row_a, row_b); row < std::max(row_a, row_b); ++row) {
        const double t = ((row + 0.5) * spacing - a.y()) / (b.y() - a.y());
        found.push_back({row, a.x() + t * (b.x() - a.x()), r});
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Rings of one region: joined by the rows between them.
class Regions {
 public:
  explicit Regions(std::size_t rings) : parent_(rings) { std::iota(parent_.begin(), parent_.end(), 0U); }
  std::uint32_t of(std::uint32_t ring) {
    while (parent_[ring] != ring) ring = parent_[ring] = parent_[parent_[ring]];
    return ring;
  }
  void join(std::uint32_t a, std::uint32_t b) {
    a = of(a), b = of(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::uint32_t> parent_;
};

bool inside(const Point& p, const Rings& rings) {
  bool odd = false;
  for (const Ring& ring : rings) {
    for (std::size_t i = 0, j = ring.size() - 1; i < ring.size(); j = i++) {
      const Point &a = ring[i], &b = ring[j];
      if ((a.y() > p.y()) != (b.y() > p.y()) && p.x() < a.x() + (p.y() - a.y()) / (b.y() - a.y()) * (b.x() - a.x()))
        odd = !odd;
    }
  }
  return odd;
}

// What is known of the region that a ring belongs to, kept at the region's first ring.
struct Fact {
  bool held = false, met = false;  // lies over the slice below; a row passes through it
  double longest = 0;
  Point middle = Point::Zero();
};

// Walks the rows of a slice and marks regions that share a stretch with the slice below.
void compare(const std::vector<Crossing>& slice, const ScanLines& below, double spacing, Regions& regions,
             std::vector<Fact>& facts) {
  for (std::size_t n = 0; n + 1 < slice.size(); n += 2) {
    const Crossing &from = slice[n], &to = slice[n + 1];
    Fact& fact = facts[regions.of(from.ring)];
    fact.met = true;
    if (to.x - from.x >= fact.longest) {
      fact.longest = to.x - from.x;
      fact.middle = {(from.x + to.x) / 2, (from.row + 0.5) * spacing};
    }
    const int row = from.row - below.first;
    if (row < 0 || row >= below.rows()) continue;
    const auto begin = below.x.begin() + static_cast<std::ptrdiff_t>(below.start[row]);
    const auto end = below.x.begin() + static_cast<std::ptrdiff_t>(below.start[row + 1]);
    const auto next = std::upper_bound(begin, end, from.x);  // an odd number of crossings before it: solid
    if ((next - begin) % 2 == 1 || (next != end && *next < to.x)) fact.held = true;
  }
}

}  // namespace

std::vector<Island> islands(const Rings& slice, const Rings& below, double spacing_mm) {
  const std::vector<Crossing> rows = crossings(slice, spacing_mm);
  Regions regions(slice.size());
  for (std::size_t n = 0; n + 1 < rows.size(); n += 2) regions.join(rows[n].ring, rows[n + 1].ring);
  std::vector<Fact> facts(slice.size());
  compare(rows, scanLines(below, spacing_mm), spacing_mm, regions, facts);
  std::vector<Island> found;
  std::vector<int> number(slice.size(), -1);
  for (std::uint32_t r = 0; r < slice.size(); ++r) {
    const std::uint32_t region = regions.of(r);
    const Fact& fact = facts[region];
    if (fact.held) continue;
    if (!fact.met) {  // too small for the rows: judged by its points
      const auto over = [&](const Point& p) { return inside(p, below); };
      if (signedArea_mm2(slice[r]) <= 0 || std::any_of(slice[r].begin(), slice[r].end(), over)) continue;
    }
    if (number[region] < 0) {
      number[region] = static_cast<int>(found.size());
      found.push_back({.inside = fact.met ? fact.middle : slice[r][0]});
    }
    Island& island = found[static_cast<std::size_t>(number[region])];
    island.outline.push_back(slice[r]);
    island.area_mm2 += signedArea_mm2(slice[r]);
  }
  return found;
}

}  // namespace osteo::slice_print
