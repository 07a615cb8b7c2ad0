#include "slice_print/exposure.h"

#include <cmath>

#include "slice_print/contour.h"
#include "slice_print/corners.h"
#include "slice_print/visit_order.h"

namespace osteo::slice_print {

namespace {

constexpr double kContourTolerance_mm = 2e-3;  // outlines are thinned to this before offsets
constexpr double kGolden =
    0.6180339887498949;  // shifts stripes and islands so that their seams never lie above each other

Ring startingNear(Ring ring, const Point& at) {
  std::size_t nearest = 0;
  for (std::size_t i = 1; i < ring.size(); ++i) {
    if ((ring[i] - at).squaredNorm() < (ring[nearest] - at).squaredNorm()) nearest = i;
  }
  std::rotate(ring.begin(), ring.begin() + static_cast<std::ptrdiff_t>(nearest), ring.end());
  return ring;
}

// Rings in a walk from nearest to nearest, each begun at the vertex closest to where the beam comes from.
Rings ordered(Rings rings, const Point& start) {
  std::vector<Stop> stops;
  for (std::uint32_t r = 0; r < rings.size(); ++r) stops.push_back({rings[r][0], rings[r][0], r});
  Rings result;
  result.reserve(rings.size());
  Point at = start;
  for (const std::uint32_t stop : visitNearest(stops, start)) {
    result.push_back(startingNear(std::move(rings[stop]), at));
    at = result.back()[0];
  }
  return result;
}

double jumpLength(const Layer& layer) {
  double length = 0;
  bool began = false;
  Point at = Point::Zero();
  const auto visit = [&](const Point& enter, const Point& leave) {
    if (began) length += (enter - at).norm();
    began = true;
    at = leave;
  };
  for (const Ring& ring : layer.contours) visit(ring[0], ring[0]);
  for (const Segment& hatch : layer.hatches) visit(hatch.a, hatch.b);
  return length;
}

// Rings one spacing apart, from the outline inwards.
Rings concentric(const Rings& region, double spacing) {
  Rings rings;
  std::vector<Rings> level = inset(region, {spacing / 2});
  while (!level[0].empty()) {
    rings.insert(rings.end(), level[0].begin(), level[0].end());
    level = inset(level[0], {spacing});
  }
  return rings;
}

// Lays the paths of one layer one after another.
class PathLayer {
 public:
  PathLayer(Layer& layer, const Settings& settings, const Surroundings& around)
      : layer_(layer), settings_(settings), around_(around) {}

  // Returns what remains inside the contours.
  Rings layContours() {
    std::vector<double> depths;
    for (int c = 0; c < settings_.contours; ++c)
      depths.push_back(settings_.contour_offset_mm + c * settings_.contour_spacing_mm);
    const double hatch_depth = (depths.empty() ? 0 : depths.back()) + settings_.hatch_offset_mm;
    if (settings_.hatch) depths.push_back(hatch_depth);
    std::vector<Rings> regions = inset(simplified(layer_.slice, kContourTolerance_mm), depths);
    for (int c = 0; c < settings_.contours; ++c) addContours(std::move(regions[c]));
    return settings_.hatch ? std::move(regions.back()) : Rings();
  }

  void layHatches(const Rings& region) {
    if (settings_.strategy == Strategy::Concentric) {
      const std::size_t before = layer_.contours.size();
      addContours(concentric(region, settings_.hatch_mm));
      layer_.fill_contours = layer_.contours.size() - before;
      return;
    }
    const Neighbours& near = around_.neighbours;
    if (near.above.empty() && near.below.empty()) {
      const double spacing = settings_.hatch_mm;
      addHatches(Zone::Core, spacing,
                 [&](const LineFrame& frame) { return scanLines(frame.toLines(region), spacing); });
      return;
    }
    for (const Zone zone : {Zone::Core, Zone::UpSkin, Zone::DownSkin}) {
      const double spacing = settings_.spacingOf(zone);
      addHatches(zone, spacing, [&](const LineFrame& frame) {
        return zoneRows(region, near, zone, std::max(settings_.hatch_mm, settings_.least_vector_mm), frame, spacing);
      });
    }
  }

  void laySupports() {
    const SupportSection& supports = around_.supports;
    layer_.support = supports.region;
    for (const Segment& wall : supports.walls) layer_.hatches.push_back(wall);
    if (!supports.walls.empty()) at_ = supports.walls.back().b, endRun(Zone::Support);
    if (supports.bars.empty()) return;
    const Rings inner = inset(supports.bars, {settings_.contour_offset_mm})[0];
    const double spacing = settings_.hatch_mm;
    HatchPattern pattern{spacing, angle(), around_.centre};
    append(hatch([&](const LineFrame& frame) { return scanLines(frame.toLines(inner), spacing); }, pattern, at_));
    endRun(Zone::Support);
  }

  const Exceptions& exceptions() const { return exceptions_; }

 private:
  double angle() const { return settings_.hatch_angle_deg + layer_.index * settings_.hatch_rotation_deg; }

  void addContours(Rings rings) {
    if (settings_.corner_radius_mm > 0) {
      rings =
          roundedCorners(rings, settings_.least_corner_deg, settings_.corner_radius_mm, exceptions_.rounded_corners);
    }
    for (Ring& ring : ordered(std::move(rings), at_)) layer_.contours.push_back(std::move(ring));
    if (!layer_.contours.empty()) at_ = layer_.contours.back()[0];
  }

  void addHatches(Zone zone, double spacing, const RowSource& rows) {
    HatchPattern pattern{spacing, angle(), around_.centre};
    // Skins are no stripes, but of islands each zone has the same fields: their lines decide what short pieces go to.
    const bool plain = zone != Zone::Core && settings_.strategy == Strategy::Stripe;
    pattern.strategy = plain ? Strategy::Meander : settings_.strategy;
    pattern.cell_mm = settings_.cell_mm;
    pattern.overlap_mm = settings_.cell_overlap_mm;
    pattern.least_mm = settings_.least_vector_mm;
    const double turns = layer_.index * kGolden, across = layer_.index * kGolden * kGolden;
    pattern.shift = settings_.cell_mm * Point(turns - std::floor(turns), across - std::floor(across));
    append(hatch(rows, pattern, at_));
    endRun(zone);
  }

  void append(Hatching hatching) {
    exceptions_.dropped_vectors += hatching.dropped;
    exceptions_.merged_vectors += hatching.merged;
    for (const Segment& line : hatching.lines) layer_.hatches.push_back(line);
    if (!hatching.lines.empty()) at_ = hatching.lines.back().b;
  }

  void endRun(Zone zone) { layer_.runs.push_back({zone, layer_.hatches.size()}); }

  Layer& layer_;
  const Settings& settings_;
  const Surroundings& around_;
  Point at_ = Point::Zero();  // where the beam is
  Exceptions exceptions_;
};

}  // namespace

Exceptions expose(Layer& layer, const Settings& settings, const Surroundings& surroundings) {
  PathLayer exposure(layer, settings, surroundings);
  const Rings region = exposure.layContours();
  if (settings.hatch) exposure.layHatches(region);
  exposure.laySupports();
  for (std::size_t c = 0; c < layer.contours.size(); ++c) {
    const double length = perimeter_mm({layer.contours[c]});
    const bool fills = c + layer.fill_contours >= layer.contours.size();
    (fills ? layer.zone_length_mm[0] : layer.contour_length_mm) += length;
  }
  forEachRun(layer, [&](Zone zone, std::size_t first, std::size_t end) {
    for (std::size_t n = first; n < end; ++n)
      layer.zone_length_mm[static_cast<int>(zone)] += (layer.hatches[n].b - layer.hatches[n].a).norm();
  });
  for (const Zone zone : {Zone::Core, Zone::UpSkin, Zone::DownSkin})
    layer.hatch_length_mm += layer.zone_length_mm[static_cast<int>(zone)];
  layer.jump_length_mm = jumpLength(layer);
  return exposure.exceptions();
}

}  // namespace osteo::slice_print
