#include <catch2/catch.hpp>

#include "shapes.h"
#include "slice_print/corners.h"
#include "slice_print/exposure.h"
#include "slice_print/hatch.h"
#include "slice_print/skins.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

double length(const std::vector<Segment>& lines) {
  double sum = 0;
  for (const Segment& line : lines) sum += (line.b - line.a).norm();
  return sum;
}

RowSource rowsOf(const Rings& rings, double spacing) {
  return [=](const LineFrame& frame) { return scanLines(frame.toLines(rings), spacing); };
}

Ring rectangle(double x, double y, double w, double h) { return {{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}; }

/// Area of lines that lie in some rings, as length times spacing.
double areaIn(const std::vector<Segment>& lines, double spacing, const std::function<bool(const Point&)>& counts) {
  double area = 0;
  for (const Segment& line : lines) {
    if (counts((line.a + line.b) / 2)) area += (line.b - line.a).norm() * spacing;
  }
  return area;
}

Layer exposed(const Rings& slice, const Settings& settings, int index = 0) {
  Layer layer{.index = index, .slice = slice};
  expose(layer, settings, Surroundings{});
  return layer;
}

}  // namespace

TEST_CASE("Rows are joined, cut and taken from each other") {
  const ScanLines a = scanLines({rectangle(0, 0, 10, 4)}, 1), b = scanLines({rectangle(3, 1, 2, 8)}, 1);
  const ScanLines both = intersection(a, b), rest = difference(a, b), cut = clipped(a, 4, 20);
  REQUIRE(both.rows() == 4);
  CHECK(both.x == std::vector<double>{3, 5, 3, 5, 3, 5});
  CHECK(rest.x == std::vector<double>{0, 10, 0, 3, 5, 10, 0, 3, 5, 10, 0, 3, 5, 10});
  CHECK(cut.x == std::vector<double>{4, 10, 4, 10, 4, 10, 4, 10});
  CHECK(difference(a, a).x.empty());
  CHECK(intersection(a, a).x == a.x);
  CHECK(difference(b, a).rows() == b.rows());
  CHECK(intersection(ScanLines(), a).rows() == 0);
}

TEST_CASE("Stripes and islands cover the area that meanders do") {
  const Point centre(7, 3);
  const Rings ring = {shapes::circle(9, centre, 2000), shapes::circle(4, centre, 2000, true)};
  const double area = area_mm2(ring), spacing = 0.1;
  for (const double angle : {0.0, 67.0, 201.0}) {
    for (const Strategy strategy : {Strategy::Meander, Strategy::Stripe, Strategy::Island}) {
      HatchPattern pattern{spacing, angle, centre};
      pattern.strategy = strategy, pattern.cell_mm = 3, pattern.shift = {0.7, 1.9};
      const Hatching hatching = hatch(rowsOf(ring, spacing), pattern, {0, 0});
      CHECK(length(hatching.lines) * spacing == Approx(area).epsilon(0.003));
      CHECK(hatching.dropped == 0);
      for (const Segment& line : hatching.lines) {
        REQUIRE((line.a - centre).norm() < 9 + 1e-9);
        REQUIRE((line.a - centre).norm() > 4 - 1e-4);
        if (strategy != Strategy::Meander) REQUIRE((line.b - line.a).norm() < 3 + 1e-9);
      }
    }
  }
}

TEST_CASE("Islands of two colours are hatched at right angles, one colour after the other") {
  const double spacing = 0.1;
  HatchPattern pattern{spacing, 0, {0, 0}};
  pattern.strategy = Strategy::Island, pattern.cell_mm = 2;
  const Hatching hatching = hatch(rowsOf({rectangle(0, 0, 8, 8)}, spacing), pattern, {0, 0});
  REQUIRE(hatching.lines.size() == 16 * 20);
  for (std::size_t n = 0; n < hatching.lines.size(); ++n) {
    const Segment& line = hatching.lines[n];
    const Point middle = (line.a + line.b) / 2, along = line.b - line.a;
    const bool white = (static_cast<int>(middle.x() / 2) + static_cast<int>(middle.y() / 2)) % 2 == 0;
    REQUIRE(white == (n < 8 * 20));
    REQUIRE(std::abs(white ? along.x() : along.y()) == Approx(2));
    REQUIRE(std::abs(white ? along.y() : along.x()) < 1e-9);
  }
  pattern.overlap_mm = 0.2;
  CHECK(length(hatch(rowsOf({rectangle(0, 0, 8, 8)}, spacing), pattern, {0, 0}).lines) * spacing > 64 * 1.1);
}

TEST_CASE("Concentric paths cover a disc and an L within half a percent") {
  Settings settings{.layer_mm = 0.1, .contours = 0, .hatch_mm = 0.1, .hatch_offset_mm = 0};
  settings.strategy = Strategy::Concentric;
  const Layer disc = exposed({shapes::circle(5, {5, 5}, 4000)}, settings);
  CHECK(disc.fill_contours == 50);
  CHECK(disc.contours.size() == 50);
  CHECK(disc.hatch_length_mm * 0.1 == Approx(M_PI * 25).epsilon(1e-3));
  CHECK(disc.contour_length_mm == 0);
  const Rings corner = {{{0, 0}, {9, 0}, {9, 4}, {4, 4}, {4, 9}, {0, 9}}};
  CHECK(exposed(corner, settings).hatch_length_mm * 0.1 == Approx(area_mm2(corner)).epsilon(0.005));
}

TEST_CASE("Short vectors are left out, and joined to their neighbour across a stripe's border") {
  HatchPattern pattern{1, 0, {0, 0}};
  pattern.least_mm = 0.5;
  const Rings teeth = {rectangle(0, 0, 6, 4), rectangle(8, 0, 0.3, 4)};
  const Hatching meander = hatch(rowsOf(teeth, 1), pattern, {0, 0});
  CHECK(meander.lines.size() == 4);
  CHECK(meander.dropped == 4);
  pattern.strategy = Strategy::Stripe, pattern.cell_mm = 2.9;  // stripes end at 2.9 and 5.8: 0.2 mm before the edge
  const Hatching stripes = hatch(rowsOf({rectangle(0, 0, 6, 4)}, 1), pattern, {0, 0});
  CHECK(stripes.lines.size() == 8);
  CHECK(stripes.merged == 4);
  CHECK(stripes.dropped == 0);
  CHECK(length(stripes.lines) == Approx(24));
}

TEST_CASE("Skins lie under what the layers above lack, and over what those below lack") {
  const Rings layer = {rectangle(0, 0, 10, 10)}, half_above = {rectangle(0, 0, 6, 10)},
              half_below = {rectangle(2, 0, 8, 10)}, none;
  const Neighbours near{{&layer, &half_above}, {&half_below}};
  const LineFrame frame({5, 5}, 67);
  const auto area = [&](Zone zone, const Neighbours& neighbours) {
    const ScanLines rows = zoneRows(layer, neighbours, zone, 0.1, frame, 0.05);
    double sum = 0;
    for (std::size_t n = 0; n + 1 < rows.x.size(); n += 2) sum += rows.x[n + 1] - rows.x[n];
    return sum * 0.05;
  };
  CHECK(area(Zone::UpSkin, near) == Approx(40).epsilon(0.005));
  CHECK(area(Zone::DownSkin, near) == Approx(20).epsilon(0.005));
  CHECK(area(Zone::Core, near) == Approx(40).epsilon(0.005));
  CHECK(area(Zone::UpSkin, {{&layer, &none}, {&half_below}}) == Approx(80).epsilon(0.005));
  CHECK(area(Zone::DownSkin, {{&none}, {nullptr}}) == 0);  // on the plate
  CHECK(area(Zone::Core, {{&layer}, {&layer}}) == Approx(100).epsilon(0.005));
}

TEST_CASE("A slope's thin rim is not cut into crumbs") {
  const Rings layer = {rectangle(0, 0, 10, 10)}, above = {rectangle(0, 0, 9.95, 10)};
  const LineFrame frame({0, 0}, 0);
  CHECK(zoneRows(layer, {{&above}, {}}, Zone::UpSkin, 0.14, frame, 0.1).x.empty());
  CHECK(zoneRows(layer, {{&above}, {}}, Zone::Core, 0.14, frame, 0.1).x[1] == Approx(10));
  CHECK(zoneRows(layer, {{&above}, {}}, Zone::UpSkin, 0.04, frame, 0.1).x.size() == 200);
}

TEST_CASE("The zones of a step are exposed in turn and sum up") {
  // A step of 10 × 10 × 1 mm with a tower of 4 × 10 on it, and a roof of 10 × 10 again.
  mesh::TriangleMesh mesh = shapes::box({0, 0, 0}, {10, 10, 1});
  shapes::addBox(mesh, {0, 0, 1}, {4, 10, 2});
  shapes::addBox(mesh, {0, 0, 2}, {10, 10, 3});
  const Part part = Part::ofMesh(mesh, {0, 0, 1});
  Settings settings{.layer_mm = 0.1, .contours = 0, .hatch_mm = 0.1, .hatch_offset_mm = 0};
  settings.up_skin = {2, 0.05}, settings.down_skin = {3, 0.2};
  Layer kept;
  const Totals totals = run(part, settings, shapes::discard(), 9, kept);
  CHECK(totals.zone_length_mm[1] * 0.05 == Approx(2 * 60 + 2 * 100).epsilon(0.01));
  CHECK(totals.zone_length_mm[2] * 0.2 == Approx(3 * 60).epsilon(0.01));
  CHECK(totals.zone_length_mm[0] * 0.1 + 320 + 180 == Approx(totals.sliced_volume_mm3 / 0.1).epsilon(0.01));
  CHECK(totals.hatch_length_mm ==
        Approx(totals.zone_length_mm[0] + totals.zone_length_mm[1] + totals.zone_length_mm[2]));
  REQUIRE(kept.runs.size() == 3);
  CHECK(kept.runs[1].zone == Zone::UpSkin);
  const std::vector<Segment> up(kept.hatches.begin() + static_cast<std::ptrdiff_t>(kept.runs[0].end),
                                kept.hatches.begin() + static_cast<std::ptrdiff_t>(kept.runs[1].end));
  CHECK(areaIn(up, 0.05, [](const Point& p) { return p.x() > 4; }) == Approx(60).epsilon(0.01));
  CHECK(areaIn(up, 0.05, [](const Point& p) { return p.x() < 4; }) == 0);
  Machine machine{1000, 4000, 9};
  const double plain = totals.buildTime_s(machine);
  machine.zone_mm_s = {0, 500, 2000, 0};
  CHECK(totals.buildTime_s(machine) == Approx(plain + totals.zone_length_mm[1] * (1 / 500. - 1 / 1000.) +
                                              totals.zone_length_mm[2] * (1 / 2000. - 1 / 1000.)));
}

TEST_CASE("Core and skins together leave nothing out and cover nothing twice, whatever the strategy") {
  const Part part = Part::ofMesh(shapes::sphere(6, {0, 0, 0}, 60, 120), {0, 0, 1});
  for (const Strategy strategy : {Strategy::Meander, Strategy::Stripe, Strategy::Island}) {
    Settings settings{.layer_mm = 0.2, .contours = 0, .hatch_mm = 0.1, .hatch_offset_mm = 0};
    settings.strategy = strategy, settings.cell_mm = 3, settings.cell_overlap_mm = 0;
    settings.up_skin = {3, 0}, settings.down_skin = {2, 0};
    Layer kept;
    const Totals totals = run(part, settings, shapes::discard(), -1, kept);
    CHECK(totals.zone_length_mm[1] > 100);
    CHECK(totals.zone_length_mm[2] > 100);
    CHECK(totals.hatch_length_mm * 0.1 * 0.2 == Approx(totals.sliced_volume_mm3).epsilon(0.003));
  }
}

TEST_CASE("Sharp corners become arcs that touch both sides") {
  const double tip = 20 * M_PI / 180;  // an isosceles triangle with 20° at its tip and 80° at its base
  const Rings wedge = {{{0, -10 * std::tan(tip / 2)}, {10, 0}, {0, 10 * std::tan(tip / 2)}}};
  std::int64_t rounded = 0;
  const Rings round = roundedCorners(wedge, 60, 0.1, rounded);
  CHECK(rounded == 1);
  double farthest = 0;
  for (const Point& p : round[0]) farthest = std::max(farthest, p.x());
  CHECK(farthest == Approx(10 - 0.1 / std::sin(tip / 2) + 0.1).margin(2.1e-3));  // chords stay within 2 µm
  const double cut_mm2 = 0.1 * 0.1 * (1 / std::tan(tip / 2) - (M_PI - tip) / 2);
  CHECK(area_mm2(wedge) - area_mm2(round) == Approx(cut_mm2).epsilon(0.03));
  rounded = 0;
  CHECK(roundedCorners(wedge, 10, 0.1, rounded) == wedge);
  CHECK(roundedCorners({shapes::circle(1, {0, 0}, 8)}, 60, 0.1, rounded)[0].size() == 8);
  CHECK(rounded == 0);
  roundedCorners({{{0, 0}, {0, 9}, {9, 9}, {8.5, 0}, {8, 8.7}, {1, 8.7}, {0.5, 0}}}, 60, 5, rounded);
  CHECK(rounded > 0);
}
