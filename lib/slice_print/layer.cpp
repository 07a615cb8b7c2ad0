#include "slice_print/layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace osteo::slice_print {

namespace {

constexpr int kMostLayers = 100'000;

// Marks the vertices to keep between the kept vertices `first` and `last` (indices modulo the ring's size).
void keepBetween(const Ring& ring, std::size_t first, std::size_t last, double tolerance, std::vector<char>& keep) {
  std::vector<std::pair<std::size_t, std::size_t>> spans = {{first, last}};
  const std::size_t n = ring.size();
  while (!spans.empty()) {
    const auto [from, to] = spans.back();
    spans.pop_back();
    const Point& a = ring[from % n];
    const Point along = ring[to % n] - a;
    const double length2 = along.squaredNorm(), per_length2 = length2 > 0 ? 1 / length2 : 0;
    double farthest = tolerance * tolerance;
    std::size_t split = 0;
    for (std::size_t i = from + 1; i < to; ++i) {
      const Point d = ring[i] - a;
      const double ahead = d.dot(along), aside = along.x() * d.y() - along.y() * d.x();
      double distance2 = aside * aside * per_length2;
      if (ahead <= 0) distance2 = d.squaredNorm();
      if (ahead > length2) distance2 = (d - along).squaredNorm();
      if (distance2 > farthest) farthest = distance2, split = i;
    }
    if (split == 0) continue;
    keep[split] = 1;
    spans.emplace_back(from, split);
    spans.emplace_back(split, to);
  }
}

Ring simplifiedRing(const Ring& ring, double tolerance) {
  if (ring.size() < 5) return ring;
  std::size_t far = 0;
  for (std::size_t i = 1; i < ring.size(); ++i) {
    if ((ring[i] - ring[0]).squaredNorm() > (ring[far] - ring[0]).squaredNorm()) far = i;
  }
  std::vector<char> keep(ring.size(), 0);
  keep[0] = keep[far] = 1;
  keepBetween(ring, 0, far, tolerance, keep);
  keepBetween(ring, far, ring.size(), tolerance, keep);
  Ring kept;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    if (keep[i]) kept.push_back(ring[i]);
  }
  return kept.size() < 3 ? ring : kept;
}

}  // namespace

Stack stackOver(double height_mm, double layer_mm) {
  const double layers = std::max(1.0, std::ceil(height_mm / layer_mm - 1e-3));
  if (!(layers <= kMostLayers)) {
    throw core::Error(core::Exit::DataError,
                      {.what = "the part would need too many layers",
                       .expected = fmt::format("at most {} layers", kMostLayers),
                       .got = fmt::format("{:.0f} layers of {} mm over {:.6g} mm", layers, layer_mm, height_mm),
                       .hint = "check the part's unit (mm) or raise --layer-mm"});
  }
  return {layer_mm, static_cast<int>(layers)};
}

int Stack::layersUpTo(double z_mm) const {
  int n = tops_mm.empty() ? static_cast<int>(std::floor(std::clamp(z_mm / layer_mm + 0.5, 0.0, 1.0 * layers)))
                          : static_cast<int>(std::lower_bound(tops_mm.begin(), tops_mm.end(), z_mm) - tops_mm.begin());
  while (n > 0 && middle_mm(n - 1) > z_mm) --n;
  while (n < layers && middle_mm(n) <= z_mm) ++n;
  return n;
}

double signedArea_mm2(const Ring& ring) {
  if (ring.empty()) return 0;
  double twice = 0;
  const Point& base = ring[0];
  for (std::size_t i = 1; i + 1 < ring.size(); ++i) {
    const Point u = ring[i] - base, v = ring[i + 1] - base;
    twice += u.x() * v.y() - u.y() * v.x();
  }
  return twice / 2;
}

double area_mm2(const Rings& rings) {
  double area = 0;
  for (const Ring& ring : rings) area += signedArea_mm2(ring);
  return area;
}

double perimeter_mm(const Rings& rings) {
  double length = 0;
  for (const Ring& ring : rings) {
    for (std::size_t i = 0; i < ring.size(); ++i) length += (ring[(i + 1) % ring.size()] - ring[i]).norm();
  }
  return length;
}

Rings simplified(const Rings& rings, double tolerance_mm) {
  Rings result;
  result.reserve(rings.size());
  for (const Ring& ring : rings) result.push_back(simplifiedRing(ring, tolerance_mm));
  return result;
}

}  // namespace osteo::slice_print
