#include <catch2/catch.hpp>
#include <polyclipping/clipper.hpp>

#include "core/random.h"
#include "shapes.h"
#include "slice_print/contour.h"
#include "slice_print/winding.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

constexpr double kUnits = 1e6;

ClipperLib::Paths pathsOf(const Rings& rings) {
  ClipperLib::Paths paths;
  for (const Ring& ring : rings) {
    paths.emplace_back();
    for (const Point& p : ring) paths.back().emplace_back(std::llround(p.x() * kUnits), std::llround(p.y() * kUnits));
  }
  return paths;
}

/// The peer: all rings at once through the polygon sweep of libpolyclipping.
ClipperLib::Paths insetByPeer(const Rings& rings, double depth_mm) {
  ClipperLib::ClipperOffset offset(2, 50);
  offset.AddPaths(pathsOf(rings), ClipperLib::jtMiter, ClipperLib::etClosedPolygon);
  ClipperLib::Paths result;
  offset.Execute(result, -depth_mm * kUnits);
  return result;
}

/// Area in one of the two alone, mm².
double difference_mm2(const ClipperLib::Paths& a, const ClipperLib::Paths& b) {
  ClipperLib::Clipper clipper;
  clipper.AddPaths(a, ClipperLib::ptSubject, true);
  clipper.AddPaths(b, ClipperLib::ptClip, true);
  ClipperLib::Paths result;
  clipper.Execute(ClipperLib::ctXor, result, ClipperLib::pftEvenOdd, ClipperLib::pftEvenOdd);
  double area = 0;
  for (const ClipperLib::Path& path : result) area += ClipperLib::Area(path);
  return area / (kUnits * kUnits);
}

/// Agrees with the peer to some nanometres along the outlines.
void requireAsPeer(const Rings& rings, double depth_mm) {
  const Rings ours = inset(rings, {depth_mm})[0];
  const double allowed_mm = 1e-5;
  REQUIRE(difference_mm2(pathsOf(ours), insetByPeer(rings, depth_mm)) < allowed_mm * perimeter_mm(rings));
}

/// A ragged ring around the centre; its radius varies by a third.
Ring ragged(const core::Random& random, std::uint64_t stream, double radius, const Point& centre, int corners,
            bool hole) {
  Ring ring;
  for (int i = 0; i < corners; ++i) {
    const auto at = stream * 1000 + static_cast<std::uint64_t>(i);
    const double phi = 2 * M_PI * (i + 0.6 * random.uniform(at)) / corners * (hole ? -1 : 1);
    const double r = radius * (1 + 0.33 * (random.uniform(at + 500) - 0.5) + 0.12 * std::sin(5 * phi));
    ring.emplace_back(centre + r * Point(std::cos(phi), std::sin(phi)));
  }
  return ring;
}

/// Outlines of random squares of side 1 on a lattice: shared corners, collinear edges, walls of one width.
Rings squares(std::uint64_t seed, int n) {
  const core::Random random(seed);
  ClipperLib::Clipper clipper;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      if (random.uniform(static_cast<std::uint64_t>(i * n + j)) < 0.45) continue;
      clipper.AddPath(pathsOf({{Point(i, j), Point(i + 1, j), Point(i + 1, j + 1), Point(i, j + 1)}})[0],
                      ClipperLib::ptSubject, true);
    }
  }
  ClipperLib::Paths united;
  clipper.StrictlySimple(true);
  clipper.Execute(ClipperLib::ctUnion, united, ClipperLib::pftNonZero, ClipperLib::pftNonZero);
  Rings rings;
  for (const ClipperLib::Path& path : united) {
    rings.emplace_back();
    for (const auto& p : path) rings.back().emplace_back(p.X / kUnits, p.Y / kUnits);
  }
  return rings;
}

double area(const std::vector<GridRing>& rings) {
  double sum = 0;
  for (const GridRing& ring : rings) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const GridPoint &a = ring[i], &b = ring[(i + 1) % ring.size()];
      sum += static_cast<double>(a.x() * b.y() - a.y() * b.x()) / 2;
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("Insets of nested ragged rings are those of the peer's sweep over all of them") {
  const core::Random random(11);
  std::uint64_t stream = 0;
  for (int trial = 0; trial < 60; ++trial) {
    Rings rings;
    for (int body = 0; body < 4; ++body) {  // boxes of neighbours overlap, the bodies hardly do
      const Point centre(6.5 * (body % 2), 6.2 * (body / 2));
      const int corners = 8 + static_cast<int>(random.uniform(stream) * 150);
      rings.push_back(ragged(random, ++stream, 2.6, centre, corners, false));
      rings.push_back(ragged(random, ++stream, 1.6, centre, corners, true));
      rings.push_back(ragged(random, ++stream, 0.8, centre, corners, false));
      if (trial % 2) rings.push_back(ragged(random, ++stream, 0.3, centre, corners / 2 + 3, true));
    }
    for (const double depth : {0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1.3}) requireAsPeer(rings, depth);
  }
}

TEST_CASE("Insets of squares that share corners, edges' lines and widths are those of the peer") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Rings rings = squares(seed, 9);
    for (const double depth : {0.1, 0.25, 0.4, 0.5, 0.75, 1.0, 1.5}) {
      requireAsPeer(rings, depth);
      const Rings shrunk = inset(rings, {depth})[0];
      for (const Ring& ring : shrunk) REQUIRE(std::abs(signedArea_mm2(ring)) > 1e-3);
    }
  }
}

TEST_CASE("A thousand places where moved edges meet in one line or point are told apart") {
  const Rings rings = squares(77, 45);
  for (const double depth : {0.5, 1.0}) requireAsPeer(rings, depth);
}

TEST_CASE("Insets of a gyroid's slices are those of the peer") {
  const Part part = Part::ofLevelSet(shapes::gyroidCube(6, 1.5, 0.09), {0, 0, 1});
  for (const Rings& slice : shapes::slices(part, stackOver(part.size_mm().z(), 0.17))) {
    if (slice.empty()) continue;
    for (const double depth : {0.05, 0.1, 0.2, 0.6, 4.0}) requireAsPeer(simplified(slice, 2e-3), depth);
  }
}

TEST_CASE("Bodies that touch shrink away from each other, and what is as wide as the beam vanishes") {
  const auto box = [](double x, double y, double w, double h) {
    return Ring{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}};
  };
  const Rings touching = {box(0, 0, 1, 1), box(1, 0, 1, 1), box(2, 1, 1, 1), box(5, 5, 0.2, 3)};
  const Rings shrunk = inset(touching, {0.1})[0];
  CHECK(shrunk.size() == 3);
  CHECK(area_mm2(shrunk) == Approx(3 * 0.64).epsilon(1e-6));
  CHECK(inset(touching, {0.5})[0].empty());
  CHECK(inset({box(-700, -700, 1400, 1400)}, {0.1})[0][0].size() == 4);  // beyond the reach of nanometres
  CHECK(area_mm2(inset({box(-700, -700, 1400, 1400)}, {0.1})[0]) == Approx(1399.8 * 1399.8).epsilon(1e-8));
}

TEST_CASE("Bodies that overlap are united once shrunk") {
  const Rings discs = {shapes::circle(1, {0, 0}, 400), shapes::circle(1, {1, 0}, 400)};
  const Rings shrunk = inset(discs, {0.1})[0];
  const double r = 0.9, lens = 2 * r * r * std::acos(0.5 / r) - 0.5 * std::sqrt(4 * r * r - 1);
  CHECK(shrunk.size() == 1);
  CHECK(area_mm2(shrunk) == Approx(2 * M_PI * r * r - lens).epsilon(1e-3));
}

TEST_CASE("The region that curves wind around") {
  GridRing star;
  for (int i = 0; i < 5; ++i) {
    const double phi = M_PI / 2 + 4 * M_PI * i / 5;  // counter-clockwise, twice around
    star.emplace_back(std::llround(1e6 * std::cos(phi)), std::llround(1e6 * std::sin(phi)));
  }
  const auto outline = positiveRegion({star});
  REQUIRE(outline.size() == 1);
  CHECK(outline[0].size() == 10);
  CHECK(area(outline) == Approx(1.12257e12).epsilon(1e-5));
  CHECK(positiveRegion({GridRing(star.rbegin(), star.rend())}).empty());
  const GridRing eight = {{0, 0}, {2000, 1000}, {2000, 0}, {0, 1000}};  // one half each way round
  CHECK(area(positiveRegion({eight})) == Approx(500000).epsilon(1e-2));
  const GridRing square = {{0, 0}, {1000, 0}, {1000, 1000}, {0, 1000}};
  const GridRing hole = {{200, 200}, {200, 800}, {800, 800}, {800, 200}};
  CHECK(area(positiveRegion({square, hole})) == 640000);
  CHECK(area(positiveRegion({square, square, hole})) == Approx(1000000).epsilon(0.01));
  CHECK(positiveRegion({hole}).empty());
  CHECK(positiveRegion({}).empty());
  CHECK(positiveRegion({{{0, 0}, {5, 5}, {0, 0}}, {{7, 7}, {7, 7}}}).empty());
}
