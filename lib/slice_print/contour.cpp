#include "slice_print/contour.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "slice_print/winding.h"

namespace osteo::slice_print {

namespace {

constexpr double kUnitsPerMm = 1e6;  // of the grid on which outlines are told apart; coarser beyond half a metre
constexpr double kMitreLimit = 2;    // of the depth, from corner to corner
constexpr double kArcTolerance_mm = 5e-5;
constexpr double kFineTolerance_mm = 1e-4;
constexpr double kSlack_mm = 1e-5;  // left of an edge whose ends are both cut off

enum class Join { Mitre, Round };

Point leftOf(const Point& direction) { return {-direction.y(), direction.x()}; }

// A ring's edges moved to their left by `depth` and joined at its corners, in grid units. Where moved edges draw apart,
// they are prolonged or joined by an arc; where they cross, the corner is where they do. Where one would be used up,
// the ring passes through the corner of old, so that every edge keeps its sense: the moved ring's winding number is
// then the old one's less one for each edge whose strip covers the place, and is positive in the region alone.
class MovedRing {
 public:
  MovedRing(const Ring& ring, double depth_mm, Join join, double units)
      : ring_(ring), depth_(depth_mm), join_(join), units_(units) {
    const std::size_t n = ring.size();
    along_.resize(n), length_.resize(n), cut_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      along_[i] = ring[after(i)] - ring[i];
      length_[i] = along_[i].norm();
      along_[i] /= length_[i];
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double sine = sineAt(i), cosine = cosineAt(i);
      cut_[i] = cosine < 0 && depth_ * sine > 0 ? 1e300 : depth_ * sine / (1 + cosine);
    }
    moved_.reserve(n + 8);
    for (std::size_t i = 0; i < n; ++i) corner(i);
  }

  GridRing take() { return std::move(moved_); }

 private:
  std::size_t after(std::size_t i) const { return i + 1 < ring_.size() ? i + 1 : 0; }
  std::size_t before(std::size_t i) const { return i > 0 ? i - 1 : ring_.size() - 1; }
  double sineAt(std::size_t i) const {
    const Point &in = along_[before(i)], &out = along_[i];
    return in.x() * out.y() - in.y() * out.x();
  }
  double cosineAt(std::size_t i) const { return along_[before(i)].dot(along_[i]); }

  void add(const Point& p) { moved_.emplace_back(std::llround(p.x() * units_), std::llround(p.y() * units_)); }

  void corner(std::size_t i) {
    const Point &p = ring_[i], &in = along_[before(i)], &out = along_[i];
    const Point left_in = leftOf(in), left_out = leftOf(out);
    const double sine = sineAt(i), cosine = cosineAt(i);
    if (depth_ * sine > 0) {
      const bool lasts_in = cut_[i] + std::max(0.0, cut_[before(i)]) < length_[before(i)] - kSlack_mm;
      const bool lasts_out = cut_[i] + std::max(0.0, cut_[after(i)]) < length_[i] - kSlack_mm;
      if (lasts_in && lasts_out) return add(p + depth_ / (1 + cosine) * (left_in + left_out));
      add(p + depth_ * left_in), add(p), add(p + depth_ * left_out);
    } else if (join_ == Join::Round) {
      const double turn = std::atan2(sine, cosine), step = 2 * std::acos(1 - kArcTolerance_mm / std::abs(depth_));
      const int steps = std::max(1, static_cast<int>(std::ceil(std::abs(turn) / step)));
      for (int s = 0; s <= steps; ++s) add(p + depth_ * (Eigen::Rotation2Dd(turn * s / steps) * left_in));
    } else if (1 + cosine >= 2 / (kMitreLimit * kMitreLimit)) {
      add(p + depth_ / (1 + cosine) * (left_in + left_out));
    } else {  // cut off at right angles, at the depth from the corner
      const double reach = std::abs(depth_) * std::tan(std::abs(std::atan2(sine, cosine)) / 4);
      add(p + depth_ * left_in + reach * in), add(p + depth_ * left_out - reach * out);
    }
  }

  const Ring& ring_;
  double depth_;
  Join join_;
  double units_;
  std::vector<Point> along_;
  std::vector<double> length_, cut_;  // what a corner takes off its edges; negative where they draw apart
  GridRing moved_;
};

// Without points that repeat the one before them.
Ring distinct(const Ring& ring) {
  Ring kept;
  kept.reserve(ring.size());
  for (const Point& p : ring) {
    if (kept.empty() || kept.back() != p) kept.push_back(p);
  }
  while (kept.size() > 1 && kept.back() == kept.front()) kept.pop_back();
  return kept;
}

Rings shrunk(const Rings& rings, double depth_mm, Join join) {
  double reach = 1;
  for (const Ring& ring : rings) {
    for (const Point& p : ring) reach = std::max(reach, p.cwiseAbs().maxCoeff());
  }
  const double units = std::min(kUnitsPerMm, 0.99 * kGridReach / (reach + kMitreLimit * std::abs(depth_mm)));
  std::vector<GridRing> moved;
  moved.reserve(rings.size());
  for (const Ring& ring : rings) {
    const Ring corners = distinct(ring);
    if (corners.size() >= 3) moved.push_back(MovedRing(corners, depth_mm, join, units).take());
  }
  Rings result;
  for (const GridRing& ring : positiveRegion(moved)) {
    result.emplace_back();
    result.back().reserve(ring.size());
    for (const GridPoint& p : ring) result.back().push_back(p.cast<double>() / units);
  }
  return result;
}

// Deep insets go in steps that double: where the region is much narrower than the depth, its edges moved at once would
// all cross each other. Of discs as of mitred corners, one step after the other is the same as both at once.
Rings shrunkInSteps(const Rings& rings, double depth_mm) {
  constexpr double kEdgesPerStep = 4, kLeastShare = 1.0 / 16;
  std::size_t edges = 0;
  for (const Ring& ring : rings) edges += ring.size();
  const double edge_mm = perimeter_mm(rings) / static_cast<double>(std::max<std::size_t>(1, edges));
  double step = std::max(kEdgesPerStep * edge_mm, kLeastShare * depth_mm), gone = std::min(step, depth_mm);
  Rings left = shrunk(rings, gone, Join::Mitre);
  while (gone < depth_mm && !left.empty()) {
    step = std::min(2 * step, depth_mm - gone);
    left = shrunk(left, step, Join::Mitre);
    gone = step < depth_mm - gone ? gone + step : depth_mm;
  }
  return left;
}

}  // namespace

std::vector<Rings> inset(const Rings& rings, const std::vector<double>& depths_mm) {
  std::vector<Rings> result;
  result.reserve(depths_mm.size());
  for (const double depth : depths_mm) result.push_back(depth == 0 ? rings : shrunkInSteps(rings, depth));
  return result;
}

Rings outset(const Rings& rings, double depth_mm) {
  return depth_mm == 0 ? rings : shrunk(rings, -depth_mm, Join::Round);
}

double thinArea_mm2(const Rings& rings, double width_mm) {
  const Rings core = shrunkInSteps(simplified(rings, kFineTolerance_mm), width_mm / 2);
  return std::max(0.0, area_mm2(rings) - area_mm2(shrunk(core, -width_mm / 2, Join::Round)));
}

}  // namespace osteo::slice_print
