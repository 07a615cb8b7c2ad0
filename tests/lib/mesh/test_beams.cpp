#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "mesh/beams.h"
#include "mesh/measures.h"

using namespace osteo;
using namespace osteo::mesh;

namespace {

BeamLattice single(double r1, double r2, BeamCap cap) {
  return {{{1, 2, 3}, {1, 2, 13}}, {{.node = {0, 1}, .radius_mm = {r1, r2}, .cap = {cap, cap}}}};
}

}  // namespace

TEST_CASE("a beam is a closed, outward cone with the volume of its formula") {
  const double r1 = 2, r2 = 1, length = 10, cone = M_PI * length / 3 * (r1 * r1 + r1 * r2 + r2 * r2);
  const TriangleMesh butt = triangulated(single(r1, r2, BeamCap::Butt));
  CHECK(topology(butt).closed());
  CHECK(volume_mm3(butt) == Approx(cone).epsilon(1e-9));
  const TriangleMesh half = triangulated(single(r1, r2, BeamCap::Hemisphere), 128);
  CHECK(topology(half).closed());
  CHECK(volume_mm3(half) == Approx(cone + 2 * M_PI / 3 * (r1 * r1 * r1 + r2 * r2 * r2)).epsilon(1e-3));
  const TriangleMesh whole = triangulated(single(r1, r2, BeamCap::Sphere), 128);  // overlapping: a cone and two balls
  CHECK(topology(whole).components == 3);
  CHECK(volume_mm3(whole) == Approx(cone + 4 * M_PI / 3 * (r1 * r1 * r1 + r2 * r2 * r2)).epsilon(1e-3));
  CHECK(bounds(whole).min.z() == Approx(1));
  CHECK(bounds(whole).max.z() == Approx(14));
}

TEST_CASE("a node has one ball, the largest that its beams ask for") {
  BeamLattice lattice = single(1, 1, BeamCap::Sphere);
  lattice.nodes.push_back({11, 2, 3});
  lattice.beams.push_back({.node = {0, 2}, .radius_mm = {3, 1}, .cap = {BeamCap::Sphere, BeamCap::Butt}});
  const TriangleMesh mesh = triangulated(lattice);
  CHECK(topology(mesh).components == 4);
  CHECK(bounds(mesh).min.z() == Approx(0).margin(0.02));  // the polygon of a circle's area reaches out of it
}

TEST_CASE("beams without radius or node are refused") {
  BeamLattice lattice = single(1, 0, BeamCap::Sphere);
  CHECK_THROWS_AS(triangulated(lattice), core::Error);
  lattice = single(1, 1, BeamCap::Sphere);
  lattice.beams[0].node[1] = 7;
  CHECK_THROWS_AS(triangulated(lattice), core::Error);
}
