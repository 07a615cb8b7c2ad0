#include "slice_print/region.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "slice_print/winding.h"

namespace osteo::slice_print {

namespace {

constexpr double kUnitsPerMm = 1e6;
constexpr double kReachUsed = 0.98;  // of the grid, which leaves room for a frame around everything

enum class Sense { Kept, Turned };

GridRing onGrid(const Ring& ring, double units, Sense sense) {
  GridRing result;
  result.reserve(ring.size());
  for (const Point& p : ring) {
    const GridPoint at(std::llround(p.x() * units), std::llround(p.y() * units));
    if (result.empty() || result.back() != at) result.push_back(at);
  }
  while (result.size() > 1 && result.back() == result.front()) result.pop_back();
  if (sense == Sense::Turned) std::reverse(result.begin(), result.end());
  return result;
}

double reach(const Rings& rings) {
  double result = 0;
  for (const Ring& ring : rings) {
    for (const Point& p : ring) result = std::max(result, p.cwiseAbs().maxCoeff());
  }
  return result;
}

// Collects curves on one grid and gives back what they wind around.
class Curves {
 public:
  explicit Curves(double reach_mm)
      : units_(std::min(kUnitsPerMm, kReachUsed * kGridReach / std::max(reach_mm, 1e-9))) {}

  void add(const Rings& rings, Sense sense = Sense::Kept) {
    for (const Ring& ring : rings) {
      GridRing curve = onGrid(ring, units_, sense);
      if (curve.size() >= 3) curves_.push_back(std::move(curve));
    }
  }
  // A clockwise frame around everything, which makes once out of twice.
  void addFrame() {
    constexpr std::int64_t kFar = kGridReach - 16;
    curves_.push_back({{-kFar, -kFar}, {-kFar, kFar}, {kFar, kFar}, {kFar, -kFar}});
  }
  Rings region() const {
    Rings result;
    for (const GridRing& ring : positiveRegion(curves_)) {
      result.emplace_back();
      result.back().reserve(ring.size());
      for (const GridPoint& p : ring) result.back().push_back(p.cast<double>() / units_);
    }
    return result;
  }

 private:
  double units_;
  std::vector<GridRing> curves_;
};

}  // namespace

Rings united(const Rings& rings) {
  Curves curves(reach(rings));
  curves.add(rings);
  return curves.region();
}

Rings intersected(const Rings& a, const Rings& b) {
  if (a.empty() || b.empty()) return {};
  Curves curves(std::max(reach(a), reach(b)));
  curves.add(a);
  curves.add(b);
  curves.addFrame();
  return curves.region();
}

Rings subtracted(const Rings& a, const Rings& b) {
  if (a.empty() || b.empty()) return a;
  Curves curves(std::max(reach(a), reach(b)));
  curves.add(a);
  curves.add(b, Sense::Turned);
  return curves.region();
}

bool overlapsItself(const Rings& rings, int lines) {
  double low = std::numeric_limits<double>::max(), high = std::numeric_limits<double>::lowest();
  for (const Ring& ring : rings) {
    for (const Point& p : ring) low = std::min(low, p.y()), high = std::max(high, p.y());
  }
  if (!(low < high)) return false;
  const double spacing = (high - low) / lines;
  std::vector<std::vector<std::pair<double, int>>> crossings(static_cast<std::size_t>(lines));
  const auto lineAbove = [&](double y) {
    return std::clamp(static_cast<int>(std::ceil((y - low) / spacing - 0.5)), 0, lines);
  };
  for (const Ring& ring : rings) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const Point &a = ring[i], &b = ring[i + 1 < ring.size() ? i + 1 : 0];
      const int from = lineAbove(a.y()), to = lineAbove(b.y());
      for (int line = std::min(from, to); line < std::max(from, to); ++line) {
        const double t = (low + (line + 0.5) * spacing - a.y()) / (b.y() - a.y());
        crossings[line].emplace_back(a.x() + t * (b.x() - a.x()), from < to ? -1 : 1);  // solid lies left of the ring
      }
    }
  }
  constexpr double kTouch_mm = 1e-6;  // crossings this close may stand in either order
  for (auto& line : crossings) {
    std::sort(line.begin(), line.end());
    int winding = 0;
    for (std::size_t n = 0; n < line.size(); ++n) {
      winding += line[n].second;
      const bool counts = n + 1 < line.size() && line[n + 1].first - line[n].first > kTouch_mm;
      if (counts && winding != 0 && winding != 1) return true;
    }
  }
  return false;
}

}  // namespace osteo::slice_print
