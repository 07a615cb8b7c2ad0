#include "slice_print/contour.h"

#include <cmath>
#include <polyclipping/clipper.hpp>

namespace osteo::slice_print {

namespace {

constexpr double kUnitsPerMm = 1e6;  // libpolyclipping's fast range ends at 2^30 units: 1.07 m
constexpr double kMitreLimit = 2;
constexpr double kArcTolerance_mm = 5e-4;

ClipperLib::Paths toPaths(const Rings& rings) {
  ClipperLib::Paths paths;
  paths.reserve(rings.size());
  for (const Ring& ring : rings) {
    ClipperLib::Path path;
    path.reserve(ring.size());
    for (const Point& p : ring) path.emplace_back(std::llround(p.x() * kUnitsPerMm), std::llround(p.y() * kUnitsPerMm));
    paths.push_back(std::move(path));
  }
  return paths;
}

Rings toRings(const ClipperLib::Paths& paths) {
  Rings rings;
  rings.reserve(paths.size());
  for (const ClipperLib::Path& path : paths) {
    Ring ring;
    ring.reserve(path.size());
    for (const ClipperLib::IntPoint& p : path) ring.emplace_back(p.X / kUnitsPerMm, p.Y / kUnitsPerMm);
    rings.push_back(std::move(ring));
  }
  return rings;
}

}  // namespace

std::vector<Rings> inset(const Rings& rings, const std::vector<double>& depths_mm) {
  ClipperLib::ClipperOffset offset(kMitreLimit, kArcTolerance_mm * kUnitsPerMm);
  bool loaded = false;
  std::vector<Rings> result;
  for (const double depth : depths_mm) {
    if (depth == 0 || rings.empty()) {
      result.push_back(rings);
      continue;
    }
    if (!loaded) offset.AddPaths(toPaths(rings), ClipperLib::jtMiter, ClipperLib::etClosedPolygon);
    loaded = true;
    ClipperLib::Paths paths;
    offset.Execute(paths, -depth * kUnitsPerMm);
    result.push_back(toRings(paths));
  }
  return result;
}

double thinArea_mm2(const Rings& rings, double width_mm) {
  const Rings core = inset(rings, {width_mm / 2})[0];
  ClipperLib::ClipperOffset offset(kMitreLimit, kArcTolerance_mm * kUnitsPerMm);
  offset.AddPaths(toPaths(core), ClipperLib::jtRound, ClipperLib::etClosedPolygon);
  ClipperLib::Paths opened;
  offset.Execute(opened, width_mm / 2 * kUnitsPerMm);
  return std::max(0.0, area_mm2(rings) - area_mm2(toRings(opened)));
}

}  // namespace osteo::slice_print
