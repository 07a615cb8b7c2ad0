#include <catch2/catch.hpp>

#include "shapes.h"
#include "slice_print/region.h"

using namespace osteo::slice_print;

namespace {

Ring square(double x, double y, double side) { return {{x, y}, {x + side, y}, {x + side, y + side}, {x, y + side}}; }

}  // namespace

TEST_CASE("Squares that overlap, touch or are the same have the areas of set algebra") {
  const Rings a = {square(0, 0, 4)}, over = {square(2, 2, 4)}, beside = {square(4, 0, 4)}, apart = {square(9, 9, 1)};
  CHECK(area_mm2(intersected(a, over)) == Approx(4));
  CHECK(area_mm2(subtracted(a, over)) == Approx(12));
  CHECK(area_mm2(united({a[0], over[0]})) == Approx(28));
  CHECK(area_mm2(intersected(a, beside)) == Approx(0).margin(1e-4));
  CHECK(area_mm2(subtracted(a, beside)) == Approx(16));
  CHECK(area_mm2(united({a[0], beside[0]})) == Approx(32));
  CHECK(area_mm2(intersected(a, a)) == Approx(16));
  CHECK(area_mm2(subtracted(a, a)) == Approx(0).margin(1e-4));
  CHECK(area_mm2(united({a[0], a[0]})) == Approx(16));
  CHECK(area_mm2(intersected(a, apart)) == 0);
  CHECK(area_mm2(subtracted(a, apart)) == Approx(16));
  CHECK(intersected(a, {}).empty());
}

TEST_CASE("Holes are kept and cut") {
  const Rings ring = {shapes::circle(5, {0, 0}, 720), shapes::circle(2, {0, 0}, 720, true)};
  const Rings half = {{{-9, 0}, {9, 0}, {9, 9}, {-9, 9}}};
  const double area = area_mm2(ring);
  CHECK(area_mm2(intersected(ring, half)) == Approx(area / 2).epsilon(1e-6));
  CHECK(area_mm2(subtracted(ring, half)) == Approx(area / 2).epsilon(1e-6));
  const Rings plug = {shapes::circle(2, {0, 0}, 720)};
  CHECK(area_mm2(intersected(ring, plug)) == Approx(0).margin(1e-4));
}

TEST_CASE("An outline that overlaps itself is told from one that does not") {
  CHECK_FALSE(overlapsItself({shapes::circle(5, {0, 0}, 200), shapes::circle(2, {0, 0}, 200, true)}));
  CHECK_FALSE(overlapsItself({square(0, 0, 4), square(4, 0, 4)}));
  CHECK(overlapsItself({square(0, 0, 4), square(3, 1, 4)}));
  CHECK(overlapsItself({square(0, 0, 4), square(1, 1, 1)}));      // solid within solid
  CHECK(overlapsItself({shapes::circle(2, {0, 0}, 200, true)}));  // a hole in nothing
  CHECK_FALSE(overlapsItself({}));
}
