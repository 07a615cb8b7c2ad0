#include "slice_print/contour.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <polyclipping/clipper.hpp>

namespace osteo::slice_print {

namespace {

constexpr double kUnitsPerMm = 1e6;  // libpolyclipping's fast range ends at 2^30 units: 1.07 m
constexpr double kMitreLimit = 2;
constexpr double kArcTolerance_mm = 5e-4;

ClipperLib::Path toPath(const Ring& ring) {
  ClipperLib::Path path;
  path.reserve(ring.size());
  for (const Point& p : ring) path.emplace_back(std::llround(p.x() * kUnitsPerMm), std::llround(p.y() * kUnitsPerMm));
  return path;
}

Ring toRing(const ClipperLib::Path& path) {
  Ring ring;
  ring.reserve(path.size());
  for (const ClipperLib::IntPoint& p : path) ring.emplace_back(p.X / kUnitsPerMm, p.Y / kUnitsPerMm);
  return ring;
}

struct Box {
  Point low, high;
};

Box boxOf(const Ring& ring) {
  Box box{ring[0], ring[0]};
  for (const Point& p : ring) box = {box.low.cwiseMin(p), box.high.cwiseMax(p)};
  return box;
}

// Sets of rings whose boxes meet, directly or through others. Shrinking keeps islands apart, so each is offset alone:
// the polygon sweep's time grows with the number of edges side by side.
std::vector<std::vector<std::size_t>> islands(const Rings& rings) {
  std::vector<Box> boxes;
  for (const Ring& ring : rings) boxes.push_back(boxOf(ring));
  std::vector<std::size_t> order(rings.size()), parent(rings.size()), open;
  std::iota(order.begin(), order.end(), 0);
  std::iota(parent.begin(), parent.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return boxes[a].low.x() < boxes[b].low.x(); });
  const auto root = [&](std::size_t r) {
    while (parent[r] != r) r = parent[r] = parent[parent[r]];
    return r;
  };
  for (const std::size_t r : order) {
    std::erase_if(open, [&](std::size_t other) { return boxes[other].high.x() < boxes[r].low.x(); });
    for (const std::size_t other : open) {
      const bool meet = boxes[other].low.y() <= boxes[r].high.y() && boxes[r].low.y() <= boxes[other].high.y();
      if (meet) parent[root(other)] = root(r);
    }
    open.push_back(r);
  }
  std::vector<std::vector<std::size_t>> by_root(rings.size());
  for (std::size_t r = 0; r < rings.size(); ++r) by_root[root(r)].push_back(r);
  std::erase_if(by_root, [](const auto& island) { return island.empty(); });
  return by_root;
}

}  // namespace

std::vector<Rings> inset(const Rings& rings, const std::vector<double>& depths_mm) {
  std::vector<Rings> result(depths_mm.size());
  for (std::size_t d = 0; d < depths_mm.size(); ++d) {
    if (depths_mm[d] == 0) result[d] = rings;
  }
  for (const std::vector<std::size_t>& island : islands(rings)) {
    ClipperLib::ClipperOffset offset(kMitreLimit, kArcTolerance_mm * kUnitsPerMm);
    for (const std::size_t r : island)
      offset.AddPath(toPath(rings[r]), ClipperLib::jtMiter, ClipperLib::etClosedPolygon);
    for (std::size_t d = 0; d < depths_mm.size(); ++d) {
      if (depths_mm[d] == 0) continue;
      ClipperLib::Paths paths;
      offset.Execute(paths, -depths_mm[d] * kUnitsPerMm);
      for (const ClipperLib::Path& path : paths) result[d].push_back(toRing(path));
    }
  }
  return result;
}

double thinArea_mm2(const Rings& rings, double width_mm) {
  ClipperLib::ClipperOffset offset(kMitreLimit, kArcTolerance_mm * kUnitsPerMm);
  const Rings core = inset(rings, {width_mm / 2})[0];
  for (const Ring& ring : core) {
    offset.AddPath(toPath(ring), ClipperLib::jtRound, ClipperLib::etClosedPolygon);
  }
  ClipperLib::Paths opened;
  offset.Execute(opened, width_mm / 2 * kUnitsPerMm);
  double area = area_mm2(rings);
  for (const ClipperLib::Path& path : opened) area -= signedArea_mm2(toRing(path));
  return std::max(0.0, area);
}

}  // namespace osteo::slice_print
