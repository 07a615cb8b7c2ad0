#include <algorithm>
#include <cmath>

#include "slice_print/contour.h"
#include "slice_print/part.h"
#include "slice_print/region.h"

namespace osteo::slice_print {

namespace {

struct Box {
  Point low = Point::Constant(1e300), high = Point::Constant(-1e300);
  explicit Box(const Rings& rings) {
    for (const Ring& ring : rings) {
      for (const Point& p : ring) low = low.cwiseMin(p), high = high.cwiseMax(p);
    }
  }
  bool apartFrom(const Box& other) const {
    return (low.array() > other.high.array()).any() || (other.low.array() > high.array()).any();
  }
};

constexpr double kOverlap_mm2 = 1e-4;

// What bodies leave between them where they touch is no gap: slits this narrow are closed.
Rings joined(Rings rings, const Rings& more) {
  constexpr double kSeam_mm = 5e-4;
  rings.insert(rings.end(), more.begin(), more.end());
  return inset(outset(rings, kSeam_mm), {kSeam_mm})[0];
}

// Bodies in the order of their precedence.
void settle(Outlines& layer) {
  if (layer.bodies.size() == 1) {
    layer.slice = std::move(layer.bodies[0]);
    layer.bodies.clear();
    return;
  }
  for (Rings& body : layer.bodies) {
    if (body.empty() || layer.slice.empty() || Box(body).apartFrom(Box(layer.slice))) {
      layer.slice.insert(layer.slice.end(), body.begin(), body.end());
      continue;
    }
    Rings all = joined(layer.slice, body), rest = subtracted(body, layer.slice);
    layer.overlapping = layer.overlapping || area_mm2(body) - area_mm2(rest) > kOverlap_mm2;
    layer.slice = std::move(all);
    body = std::move(rest);
  }
}

}  // namespace

std::vector<Outlines> outlines(const std::vector<Slicer>& bodies, int first, int count) {
  std::vector<Outlines> layers(static_cast<std::size_t>(count));
  for (Outlines& layer : layers) layer.bodies.resize(bodies.size());
  std::vector<Rings> rings(static_cast<std::size_t>(count));
  for (std::size_t body = 0; body < bodies.size(); ++body) {
    bodies[body](first, first + count, rings.data());
    for (int n = 0; n < count; ++n) {
      if (overlapsItself(rings[n])) {
        rings[n] = united(rings[n]);
        layers[n].overlapping = true;
      }
      layers[n].bodies[body] = std::move(rings[n]);
    }
  }
  for (Outlines& layer : layers) settle(layer);
  return layers;
}

}  // namespace osteo::slice_print
