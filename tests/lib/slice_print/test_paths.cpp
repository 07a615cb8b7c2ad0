#include <catch2/catch.hpp>

#include "core/parallel.h"
#include "shapes.h"
#include "slice_print/contour.h"
#include "slice_print/hatch.h"
#include "slice_print/visit_order.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

double length(const std::vector<Segment>& hatches) {
  double sum = 0;
  for (const Segment& h : hatches) sum += (h.b - h.a).norm();
  return sum;
}

double jumps(const std::vector<Segment>& hatches) {
  double sum = 0;
  for (std::size_t i = 1; i < hatches.size(); ++i) sum += (hatches[i].a - hatches[i - 1].b).norm();
  return sum;
}

}  // namespace

TEST_CASE("Hatches of a disc at any angle: 100 lines, 785.64 mm") {
  const Point centre(7, 3);
  const Rings disc = {shapes::circle(5, centre, 20000)};
  for (const double angle : {0.0, 67.0, 134.0, 90.0, -33.0}) {
    const auto hatches = meander(disc, {0.1, angle, centre}, {0, 0});
    CHECK(hatches.size() == 100);
    CHECK(length(hatches) == Approx(785.64).margin(0.01));
    for (const Segment& h : hatches) REQUIRE((h.a - centre).norm() < 5 + 1e-9);
    CHECK(jumps(hatches) < 30);  // a meander: from each end to the neighbouring line
    for (std::size_t i = 1; i < hatches.size(); ++i)
      REQUIRE((hatches[i].b - hatches[i].a).dot(hatches[i - 1].b - hatches[i - 1].a) < 0);
  }
}

TEST_CASE("Hatches spare holes and lines through vertices stay even") {
  const Rings ring = {shapes::circle(5, {0, 0}, 4),
                      shapes::circle(2, {0, 0}, 4, true)};            // diamonds with vertices on lines
  const auto hatches = meander(ring, {1, 0, Point(0, 0.5)}, {0, 0});  // lines at y = …, −1, 0, 1, …
  double expected = 0;
  for (int y = -4; y <= 4; ++y) expected += 2 * (5 - std::abs(y)) - 2 * std::max(0, 2 - std::abs(y));
  CHECK(length(hatches) == Approx(expected));
}

TEST_CASE("Meanders of many islands jump less than rows across all of them") {
  Rings islands;
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 10; ++j) islands.push_back(shapes::circle(0.8, Point(2.0 * i, 2.0 * j), 60));
  }
  const auto hatches = meander(islands, {0.1, 0, Point(9, 9)}, {0, 0});
  CHECK(hatches.size() == 1600);
  CHECK(length(hatches) == Approx(100 * M_PI * 0.64 / 0.1).epsilon(0.01));
  CHECK(jumps(hatches) < 450);  // row by row it would be some 2,000 mm
}

TEST_CASE("A walk visits every item once, nearest first") {
  std::vector<Stop> stops;
  for (std::uint32_t n = 0; n < 500; ++n) {
    const Point p(std::fmod(n * 0.754877, 1.0) * 100, std::fmod(n * 0.569840, 1.0) * 10);
    stops.push_back({p, p, n});
  }
  const auto order = visitNearest(stops, {50, 5});
  REQUIRE(order.size() == 500);
  Point at(50, 5);
  std::vector<char> seen(500, 0);
  for (const auto stop : order) {
    REQUIRE_FALSE(seen[stop]);
    for (std::uint32_t n = 0; n < 500; ++n) {
      if (!seen[n]) REQUIRE((stops[n].enter - at).norm() >= (stops[stop].enter - at).norm());
    }
    seen[stop] = 1;
    at = stops[stop].leave;
  }
}

TEST_CASE("Insets keep their distance") {
  const Rings annulus = {shapes::circle(5, {0, 0}, 2000), shapes::circle(2, {0, 0}, 2000, true)};
  const auto insets = inset(annulus, {0, 0.05, 0.5, 1.6});
  CHECK(area_mm2(insets[0]) == Approx(M_PI * 21).epsilon(1e-5));
  CHECK(area_mm2(insets[1]) == Approx(M_PI * (4.95 * 4.95 - 2.05 * 2.05)).epsilon(1e-5));
  CHECK(area_mm2(insets[2]) == Approx(M_PI * (4.5 * 4.5 - 2.5 * 2.5)).epsilon(1e-5));
  CHECK(insets[3].empty());
  const Rings square = {{{0, 0}, {2, 0}, {2, 2}, {0, 2}}};
  CHECK(area_mm2(inset(square, {0.1})[0]) == Approx(1.8 * 1.8));
}

TEST_CASE("Walls narrower than the beam are found") {
  const Rings wall = {{{0, 0}, {1, 0}, {1, 1}, {0, 1}}, {{3, 0}, {3.08, 0}, {3.08, 1}, {3, 1}}};
  CHECK(thinArea_mm2(wall, 0.1) == Approx(0.08).margin(0.004));
}

TEST_CASE("Simplified outlines stay within the tolerance") {
  const Ring fine = shapes::circle(3, {1, 1}, 5000);
  const Rings coarse = simplified({fine}, 1e-3);
  CHECK(coarse[0].size() < 150);
  CHECK(area_mm2(coarse) == Approx(M_PI * 9).epsilon(5e-4));
  CHECK(simplified({{{0, 0}, {1, 0}, {2, 0}, {2, 2}, {0, 2}}}, 1e-3)[0].size() == 4);
}

TEST_CASE("A job's sums follow from its geometry") {
  Settings settings{
      .layer_mm = 0.1, .contours = 2, .contour_offset_mm = 0.1, .contour_spacing_mm = 0.2, .hatch_mm = 0.2};
  settings.hatch_offset_mm = 0.1;
  settings.hatch_rotation_deg = 90;
  Layer kept;
  const Part part = Part::ofMesh(shapes::box({5, 5, 5}, {15, 25, 7}), {0, 0, 1});
  const Totals totals = run(part, settings, shapes::discard(), 7, kept);
  CHECK(totals.stack.layers == 20);
  CHECK(totals.sliced_volume_mm3 == Approx(400));
  CHECK(totals.contour_length_mm == Approx(20 * (2 * (9.8 + 19.8) + 2 * (9.4 + 19.4))));
  // Region 9.2 × 19.2 mm, 96 lines of 9.2 mm or 46 of 19.2 mm.
  CHECK(totals.hatch_lines == 10 * (96 + 46));
  CHECK(totals.hatch_length_mm == Approx(10 * (96 * 9.2 + 46 * 19.2)));
  CHECK(totals.thin_share < 1e-3);
  CHECK(kept.index == 7);
  CHECK(kept.top_mm == Approx(0.8));
  CHECK(kept.contours.size() == 2);
  const Machine machine{1000, 4000, 9};
  CHECK(totals.buildTime_s(machine) ==
        Approx(20 * 9 + (totals.contour_length_mm + totals.hatch_length_mm) / 1000 + totals.jump_length_mm / 4000));
  CHECK(energyDensity_j_mm3(280, 1200, 0.14, 0.03) == Approx(55.5556).epsilon(1e-4));
}

TEST_CASE("A job is the same for any number of threads") {
  const Part part = Part::ofLevelSet(shapes::gyroidCube(5, 2.5, 0.1), {0, 0, 1});
  std::vector<std::string> jobs;
  const int threads = core::threads();
  for (int n : {1, 2, 3}) {
    core::setThreads(n);
    std::string bytes;
    const JobWriter writer = {[](const Layer& layer) {
                                std::string text;
                                for (const Ring& ring : layer.contours) {
                                  for (const Point& p : ring) text.append(reinterpret_cast<const char*>(p.data()), 16);
                                }
                                for (const Segment& h : layer.hatches)
                                  text.append(reinterpret_cast<const char*>(h.a.data()), 16);
                                return text;
                              },
                              [&bytes](const std::string& text) { bytes += text; }, [] {}};
    Layer kept;
    run(part, Settings{}, writer, -1, kept);
    jobs.push_back(std::move(bytes));
  }
  core::setThreads(threads);
  CHECK(jobs[0].size() > 100000);
  CHECK(jobs[0] == jobs[1]);
  CHECK(jobs[0] == jobs[2]);
}
