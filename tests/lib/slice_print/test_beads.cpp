#include <catch2/catch.hpp>
#include <numeric>

#include "shapes.h"
#include "slice_print/extrusion.h"
#include "slice_print/walls.h"

using namespace osteo::slice_print;

namespace {

constexpr double kHeight_mm = 0.2, kSpacing_mm = 0.4;

Ring rectangle(double width, double height) { return {{0, 0}, {width, 0}, {width, height}, {0, height}}; }

Walls wallsOf(const Rings& region) { return layWalls(region, {kHeight_mm, kSpacing_mm, 0.5 * kSpacing_mm, true}); }

double mostWidth(const Bead& bead) {
  double most = 0;
  for (const BeadPoint& p : bead.points) most = std::max(most, p.width_mm);
  return most;
}

double distanceToOutline(const Point& p, const Rings& rings) {
  double least = 1e300;
  for (const Ring& ring : rings) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const Point &a = ring[i], &b = ring[(i + 1) % ring.size()];
      const double t = std::clamp((p - a).dot(b - a) / (b - a).squaredNorm(), 0.0, 1.0);
      least = std::min(least, (p - a - t * (b - a)).norm());
    }
  }
  return least;
}

Layer filledLayer(const Rings& slice, const ExtrusionSettings& settings, int index = 5) {
  Layer layer{.index = index, .height_mm = kHeight_mm, .slice = slice};
  layer.area_mm2 = area_mm2(slice);
  layBeads(layer, settings, {}, {0, 0});
  return layer;
}

double filled(const Layer& layer) {
  double area = 0;
  for (const Bead& bead : layer.beads) area += bead.kind == BeadKind::Skirt ? 0 : filledArea_mm2(bead, kHeight_mm);
  return area;
}

}  // namespace

TEST_CASE("A bead is a rectangle with semicircular ends") {
  const double width = 0.45, height = 0.2;
  const double section = height * (width - height) + M_PI * height * height / 4;
  CHECK(spacingOf_mm(width, height) * height == Approx(section));
  CHECK(widthOf_mm(spacingOf_mm(width, height), height) == Approx(width));
  const Bead bead{BeadKind::Infill, false, {{{0, 0}, 0.4}, {{10, 0}, 0.6}}};  // as if it were 0.5 mm wide throughout
  CHECK(filledArea_mm2(bead, height) == Approx(10 * spacingOf_mm(0.5, height)));
  std::vector<Bead> beads = {bead};
  scaleSpacing(beads, 1.1, height);
  CHECK(filledArea_mm2(beads[0], height) == Approx(1.1 * 10 * spacingOf_mm(0.5, height)));
}

TEST_CASE("Simplified beads keep their course and their widths") {
  Bead bead{BeadKind::ThinWall, false, {}};
  for (int i = 0; i <= 100; ++i) bead.points.push_back({{i * 0.1, 0}, i <= 50 ? 0.3 : 0.3 + 0.002 * (i - 50)});
  const Bead simple = simplified(bead, 4e-3);
  CHECK(simple.points.size() <= 5);
  CHECK(length_mm(simple) == Approx(10));
  CHECK(filledArea_mm2(simple, 0.2) == Approx(filledArea_mm2(bead, 0.2)).epsilon(0.01));
}

TEST_CASE("A square gets one loop whose strip fills what lies between the outline and the inside") {
  const Rings square = {rectangle(10, 10)};
  const Walls walls = wallsOf(square);
  REQUIRE(walls.beads.size() == 1);
  CHECK(walls.beads[0].closed);
  CHECK(length_mm(walls.beads[0]) == Approx(4 * 9.6).epsilon(1e-3));  // with its corners
  CHECK(walls.filled_mm2 == Approx(100 - 9.2 * 9.2).epsilon(2e-3));
  CHECK(area_mm2(walls.inner) == Approx(9.2 * 9.2).epsilon(1e-3));
  for (const BeadPoint& p : walls.beads[0].points)
    CHECK(distanceToOutline(p.at, square) == Approx(kSpacing_mm / 2).margin(2e-3));
}

TEST_CASE("A strip gets as many beads as its width asks for, and they fill it") {
  struct Case {
    double width_mm;
    std::size_t beads;
    bool closed;
  };
  for (const auto& [width, beads, closed] :
       {Case{0.25, 1, false}, Case{0.4, 1, false}, Case{0.55, 1, false}, Case{0.7, 1, true}, Case{0.95, 1, true}}) {
    INFO(width << " mm");
    const Walls walls = wallsOf({rectangle(20, width)});
    CHECK(walls.beads.size() == beads);
    CHECK(walls.beads[0].closed == closed);
    CHECK(walls.filled_mm2 == Approx(20 * width).epsilon(0.01));
    CHECK(walls.inner.empty());
    // One bead is as wide as the strip; two share it.
    const double spacing = spacingOf_mm(mostWidth(walls.beads[0]), kHeight_mm);
    CHECK(spacing == Approx(closed ? width / 2 : width).epsilon(0.02));
  }
}

TEST_CASE("A wedge is filled with beads as wide as it is") {
  const Rings wedge = {{{0, 0}, {10, -0.25}, {10, 0.25}}};  // 0 to 0.5 mm
  const Walls walls = wallsOf(wedge);
  REQUIRE_FALSE(walls.beads.empty());
  const Bead& bead = *std::max_element(walls.beads.begin(), walls.beads.end(),
                                       [](const Bead& a, const Bead& b) { return length_mm(a) < length_mm(b); });
  CHECK(bead.kind == BeadKind::ThinWall);
  CHECK(length_mm(bead) == Approx(6).margin(0.5));
  for (const BeadPoint& p : bead.points) {
    if (p.at.x() > 9.6 || p.at.x() < 4) continue;  // between the tip and the wall's end
    CHECK(spacingOf_mm(p.width_mm, kHeight_mm) == Approx(0.05 * p.at.x()).margin(0.01));
    CHECK(std::abs(p.at.y()) < 0.01);
  }
  // What is narrower than half a bead is named: a triangle of 4 mm by 0.2 mm but for what the bead's end fills.
  CHECK(walls.too_narrow_mm2 < 0.4);
  CHECK(walls.too_narrow_mm2 > 0.3);
  CHECK(walls.filled_mm2 + walls.too_narrow_mm2 == Approx(2.5).epsilon(0.02));
}

TEST_CASE("Rings and dots of material are filled") {
  const Walls thin = wallsOf({shapes::circle(3, {0, 0}, 200), shapes::circle(2.7, {0, 0}, 200, true)});
  CHECK(thin.filled_mm2 == Approx(M_PI * (9 - 2.7 * 2.7)).epsilon(0.01));
  const Walls two = wallsOf({shapes::circle(3, {0, 0}, 200), shapes::circle(2.2, {0, 0}, 200, true)});
  CHECK(two.beads.size() == 2);
  CHECK(two.filled_mm2 == Approx(M_PI * (9 - 2.2 * 2.2)).epsilon(0.01));
  for (const double radius : {0.15, 0.25, 0.35, 0.45}) {
    INFO(radius << " mm");
    CHECK(wallsOf({shapes::circle(radius, {5, 5}, 60)}).filled_mm2 == Approx(M_PI * radius * radius).epsilon(0.03));
  }
}

TEST_CASE("What is narrower than the narrowest bead is left and named") {
  const Walls walls = wallsOf({rectangle(10, 0.15)});
  CHECK(walls.beads.empty());
  CHECK(walls.too_narrow_mm2 == Approx(1.5).epsilon(0.03));
}

TEST_CASE("The beads of a layer fill its slice") {
  ExtrusionSettings settings;
  settings.line_width_mm = widthOf_mm(kSpacing_mm, kHeight_mm);
  const std::vector<Rings> slices = {{rectangle(10, 10)},
                                     {rectangle(12, 3)},
                                     {shapes::circle(4, {0, 0}, 300), shapes::circle(2, {0.5, 0}, 100, true)},
                                     {shapes::circle(0.8, {0, 0}, 60), shapes::circle(0.5, {4, 0}, 60)}};
  for (const Rings& slice : slices) {
    const Layer layer = filledLayer(slice, settings);
    CHECK(filled(layer) == Approx(layer.area_mm2).epsilon(1e-6));
    CHECK(layer.flow_factor == Approx(1).margin(0.03));
    CHECK(layer.unfilled_mm2 == Approx(0).margin(1e-6));
  }
}

TEST_CASE("Perimeters are printed from the inside or from the outside, and skirts first") {
  ExtrusionSettings settings;
  settings.infill_percent = 0;
  const Layer inside_first = filledLayer({rectangle(20, 20)}, settings);
  REQUIRE(inside_first.beads.size() == 2);
  CHECK(inside_first.beads[1].kind == BeadKind::OuterPerimeter);
  settings.outer_first = true;
  CHECK(filledLayer({rectangle(20, 20)}, settings).beads[0].kind == BeadKind::OuterPerimeter);
  settings.brim_loops = 2;
  const Layer first = filledLayer({rectangle(20, 20)}, settings, 0);
  REQUIRE(first.beads.size() == 5);
  for (int n = 0; n < 3; ++n) CHECK(first.beads[n].kind == BeadKind::Skirt);
}

TEST_CASE("Sparse infill fills its share, and turns solid under what is open above") {
  ExtrusionSettings settings;
  settings.perimeters = 1;
  settings.infill_percent = 25;
  const Rings square = {rectangle(30, 30)}, half = {rectangle(15, 30)};
  const auto infill = [&](const std::vector<const Rings*>& covered) {
    Layer layer{.index = 5, .height_mm = kHeight_mm, .slice = square};
    layBeads(layer, settings, covered, {15, 15});
    double area = 0;
    for (const Bead& bead : layer.beads) area += bead.kind == BeadKind::Infill ? filledArea_mm2(bead, kHeight_mm) : 0;
    return area;
  };
  const double inside = 29.19 * 29.19;  // inside one bead of 0.407 mm
  CHECK(infill({&square}) == Approx(0.25 * inside).epsilon(0.06));
  CHECK(infill({&square, &half}) == Approx(0.25 * inside / 2 + inside / 2).epsilon(0.06));
}

TEST_CASE("A gyroid cube's beads hold its volume") {
  using osteo::slice_print::Part;
  const Part part = Part::ofLevelSet(shapes::gyroidCube(5, 2.5, 0.1), {0, 0, 1});
  for (const double layer_mm : {0.1, 0.2}) {
    Settings settings = defaultsOf(Process::Mex);
    settings.layer_mm = layer_mm;
    Layer kept;
    const Totals totals = run(part, settings, shapes::discard(), -1, kept);
    // All but the thinnest tips, of which two cells have many; on eight cells the whole is within 0.5 %.
    const double error = totals.extrusion.volume_mm3 / totals.sliced_volume_mm3 - 1;
    INFO(layer_mm << " mm layers: " << 100 * error << " %");
    CHECK(std::abs(error) < 0.015);
    CHECK(totals.extrusion.volume_mm3 + totals.extrusion.unfilled_mm3 ==
          Approx(totals.sliced_volume_mm3).epsilon(2e-3));
    // What the G-code feeds is what the beads and the skirt hold.
    const double fed_mm3 = totals.extrusion.gcode.feed_mm / feedPerVolume_mm2(settings.gcode);
    CHECK(fed_mm3 == Approx(totals.extrusion.volume_mm3 + totals.extrusion.skirt_mm3).epsilon(1e-4));
    CHECK(totals.extrusion.gcode.layers == totals.stack.layers);
  }
}
