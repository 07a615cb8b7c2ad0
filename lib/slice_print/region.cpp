#include "slice_print/region.h"

#include <cmath>

#include "slice_print/winding.h"

namespace osteo::slice_print {

namespace {

constexpr double kUnitsPerMm = 1e6;  // coarser beyond half a metre

double reachOf(const Rings& rings) {
  double reach = 1;
  for (const Ring& ring : rings) {
    for (const Point& p : ring) reach = std::max(reach, p.cwiseAbs().maxCoeff());
  }
  return reach;
}

GridRing gridRing(const Ring& ring, double units) {
  GridRing grid;
  grid.reserve(ring.size());
  for (const Point& p : ring) grid.emplace_back(std::llround(p.x() * units), std::llround(p.y() * units));
  return grid;
}

Rings region(const std::vector<GridRing>& curves, double units) {
  Rings result;
  for (const GridRing& ring : positiveRegion(curves)) {
    result.emplace_back();
    result.back().reserve(ring.size());
    for (const GridPoint& p : ring) result.back().push_back(p.cast<double>() / units);
  }
  return result;
}

}  // namespace

Rings united(const Rings& rings) {
  const double units = std::min(kUnitsPerMm, 0.99 * kGridReach / reachOf(rings));
  std::vector<GridRing> curves;
  for (const Ring& ring : rings) curves.push_back(gridRing(ring, units));
  return region(curves, units);
}

Rings without(const Rings& rings, const Rings& others) {
  const double units = std::min(kUnitsPerMm, 0.99 * kGridReach / std::max(reachOf(rings), reachOf(others)));
  std::vector<GridRing> curves;
  for (const Ring& ring : rings) curves.push_back(gridRing(ring, units));
  for (const Ring& ring : others) {
    curves.push_back(gridRing(ring, units));
    std::reverse(curves.back().begin(), curves.back().end());
  }
  return region(curves, units);
}

}  // namespace osteo::slice_print
