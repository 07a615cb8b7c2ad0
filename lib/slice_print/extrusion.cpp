#include "slice_print/extrusion.h"

#include <algorithm>
#include <cmath>

#include "slice_print/contour.h"
#include "slice_print/hatch.h"
#include "slice_print/region.h"
#include "slice_print/visit_order.h"
#include "slice_print/walls.h"

namespace osteo::slice_print {

namespace {

constexpr double kOutlineTolerance_mm = 3e-3;
constexpr double kJoin = 2.5;  // spacings: lines whose ends lie nearer are one bead
constexpr double kSkirtGap_mm = 3;
constexpr double kSupportLines = 4;   // spacings between the lines inside supports
constexpr double kLeastIsland = 0.5;  // of a spacing's square: smaller regions of infill are left out

using Beads = std::vector<Bead>;

Bead startingNear(Bead bead, const Point& at) {
  if (!bead.closed) {
    if ((bead.points.back().at - at).squaredNorm() < (bead.points.front().at - at).squaredNorm())
      std::reverse(bead.points.begin(), bead.points.end());
    return bead;
  }
  const auto nearest = std::min_element(bead.points.begin(), bead.points.end(), [&](const auto& p, const auto& q) {
    return (p.at - at).squaredNorm() < (q.at - at).squaredNorm();
  });
  std::rotate(bead.points.begin(), nearest, bead.points.end());
  return bead;
}

Point endOf(const Bead& bead) { return bead.closed ? bead.points.front().at : bead.points.back().at; }

// From nearest to nearest; loops start and end near where the nozzle comes from.
void append(Beads& ordered, Beads beads, Point& at) {
  std::vector<Stop> stops;
  for (std::uint32_t b = 0; b < beads.size(); ++b) {
    const Point first = beads[b].points.front().at, last = endOf(beads[b]);
    stops.push_back({first, last, b});
    if (!beads[b].closed) stops.push_back({last, first, b});
  }
  for (const std::uint32_t stop : visitNearest(stops, at)) {
    ordered.push_back(startingNear(std::move(beads[stops[stop].item]), at));
    at = endOf(ordered.back());
  }
}

// Parallel lines, joined at their ends where neighbours lie close.
Beads linesOver(const Rings& region, const HatchPattern& pattern, double width_mm, BeadKind kind, const Point& start) {
  Beads beads;
  for (const Segment& line : meander(region, pattern, start)) {
    const bool joins = !beads.empty() && (beads.back().points.back().at - line.a).norm() < kJoin * pattern.spacing_mm;
    if (!joins) beads.push_back({kind, false, {}});
    beads.back().points.push_back({line.a, width_mm});
    beads.back().points.push_back({line.b, width_mm});
  }
  return beads;
}

double filled(const Beads& beads, double height_mm) {
  double area = 0;
  for (const Bead& bead : beads) area += filledArea_mm2(bead, height_mm);
  return area;
}

void dropSmall(Rings& region, double least_mm2) {
  std::erase_if(region, [&](const Ring& ring) { return std::abs(signedArea_mm2(ring)) < least_mm2; });
}

class Filler {
 public:
  Filler(Layer& layer, const ExtrusionSettings& settings, const Point& centre)
      : layer_(layer),
        settings_(settings),
        centre_(centre),
        height_(layer.height_mm),
        width_(settings.lineWidth_mm()),
        spacing_(spacingOf_mm(width_, height_)) {}

  void run(const std::vector<const Rings*>& covered) {
    Rings region = simplified(layer_.slice, kOutlineTolerance_mm);
    if (layer_.index == 0) skirt(region);
    for (int turn = 0; turn < settings_.perimeters && !region.empty(); ++turn) {
      Walls walls = layWalls(region, wallSettings(true));
      for (Bead& bead : walls.beads) {
        if (turn > 0 && bead.kind == BeadKind::OuterPerimeter) bead.kind = BeadKind::InnerPerimeter;
      }
      too_narrow_mm2_ += turn == 0 ? walls.too_narrow_mm2 : 0;
      turns_.push_back(std::move(walls.beads));
      region = std::move(walls.inner);
    }
    infill(region, covered);
    balance();
    if (!settings_.outer_first) std::reverse(turns_.begin(), turns_.end());
    for (Beads& turn : turns_) append(layer_.beads, std::move(turn), at_);
    append(layer_.beads, std::move(solid_), at_);
    append(layer_.beads, std::move(sparse_), at_);
    support();
  }

 private:
  WallSettings wallSettings(bool along_wide) const {
    return {height_, spacing_, settings_.least_width_percent / 100 * spacing_, along_wide};
  }

  HatchPattern pattern(double spacing_mm) const {
    return {spacing_mm, settings_.infill_angle_deg + layer_.index * settings_.infill_rotation_deg, centre_};
  }

  void skirt(const Rings& outline) {
    Beads loops;
    const auto around = [&](double distance_mm, BeadKind kind) {
      for (const Ring& ring : simplified(outset(outline, distance_mm), kOutlineTolerance_mm)) {
        if (signedArea_mm2(ring) <= 0) continue;  // not into holes
        loops.push_back({kind, true, {}});
        for (const Point& p : ring) loops.back().points.push_back({p, width_});
      }
    };
    for (int n = static_cast<int>(settings_.skirt_loops); n > 0; --n)
      around(kSkirtGap_mm + n * spacing_, BeadKind::Skirt);
    for (int n = static_cast<int>(settings_.brim_loops); n > 0; --n) around((n - 0.5) * spacing_, BeadKind::Skirt);
    append(layer_.beads, std::move(loops), at_);
  }

  // Narrow places get beads of their own as at the walls; lines fill the rest.
  void infill(Rings region, const std::vector<const Rings*>& covered) {
    dropSmall(region, kLeastIsland * spacing_ * spacing_);
    if (region.empty()) return;
    Rings sparse;
    if (settings_.infill_percent < 100) {
      sparse = region;
      for (const Rings* slice : covered) sparse = intersected(sparse, *slice);
      dropSmall(sparse, 4 * spacing_ * spacing_);
      sparse_area_mm2_ = area_mm2(sparse);
      if (!sparse.empty()) region = subtracted(region, sparse);
    }
    Walls narrow = layWalls(region, wallSettings(false));
    const Rings lines = inset(outset(narrow.inner, spacing_), {spacing_ / 2})[0];
    solid_ = linesOver(lines, pattern(spacing_), width_, BeadKind::Infill, centre_);
    for (Bead& bead : narrow.beads) {
      if (bead.kind == BeadKind::OuterPerimeter) bead.kind = BeadKind::InnerPerimeter;
    }
    solid_.insert(solid_.end(), narrow.beads.begin(), narrow.beads.end());
    if (settings_.infill_percent > 0 && !sparse.empty()) {
      const double wanted = sparse_area_mm2_ * settings_.infill_percent / 100;
      double apart = spacing_ * 100 / settings_.infill_percent;
      sparse_ = linesOver(sparse, pattern(apart), width_, BeadKind::Infill, centre_);
      if (const double laid = filled(sparse_, height_); laid > wanted) {  // where they are joined, lines may be fewer
        apart *= laid / wanted;
        sparse_ = linesOver(sparse, pattern(apart), width_, BeadKind::Infill, centre_);
      }
    }
  }

  // All but sparse infill is to fill its part of the slice.
  void balance() {
    double laid = filled(solid_, height_);
    for (const Beads& turn : turns_) laid += filled(turn, height_);
    const double wanted = area_mm2(layer_.slice) - too_narrow_mm2_ - sparse_area_mm2_;
    if (laid > 0) {
      layer_.flow_factor = std::clamp(wanted / laid, kLeastFlowFactor, kMostFlowFactor);
      for (Beads& turn : turns_) scaleSpacing(turn, layer_.flow_factor, height_);
      scaleSpacing(solid_, layer_.flow_factor, height_);
    }
    layer_.unfilled_mm2 = std::max(0.0, wanted + too_narrow_mm2_ - layer_.flow_factor * laid);
  }

  void support() {
    if (layer_.support.empty()) return;
    Walls walls = layWalls(layer_.support, wallSettings(true));
    HatchPattern lines = pattern(kSupportLines * spacing_);
    lines.angle_deg = settings_.infill_angle_deg;  // one direction, so that they come off
    Beads inside = linesOver(walls.inner, lines, width_, BeadKind::Support, at_);
    for (Bead& bead : walls.beads) bead.kind = BeadKind::Support;
    append(layer_.beads, std::move(walls.beads), at_);
    append(layer_.beads, std::move(inside), at_);
  }

  Layer& layer_;
  const ExtrusionSettings& settings_;
  Point centre_, at_ = Point::Zero();
  double height_, width_, spacing_, too_narrow_mm2_ = 0, sparse_area_mm2_ = 0;
  std::vector<Beads> turns_;
  Beads solid_, sparse_;
};

}  // namespace

void layBeads(Layer& layer, const ExtrusionSettings& settings, const std::vector<const Rings*>& covered,
              const Point& centre) {
  Filler(layer, settings, centre).run(covered);
}

}  // namespace osteo::slice_print
