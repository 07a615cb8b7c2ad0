#include <catch2/catch.hpp>

#include "core/error.h"
#include "mesh/beams.h"
#include "mesh/measures.h"
#include "shapes.h"
#include "slice_print/inputs.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

const Eigen::Vector3d kUp(0, 0, 1);

Solid solid(mesh::TriangleMesh mesh, const std::string& material) {
  Solid result;
  result.material = material, result.mesh = std::move(mesh);
  return result;
}

Totals sliced(const Part& part, double layer_mm) {
  Layer kept;
  return run(part, {.layer_mm = layer_mm, .hatch = false}, shapes::discard(), -1, kept);
}

}  // namespace

TEST_CASE("Bodies that overlap are one outline, and the first keeps what both have") {
  std::vector<Solid> solids;
  solids.push_back(solid(shapes::box({0, 0, 0}, {4, 4, 2}), "a"));
  solids.push_back(solid(shapes::box({3, 0, 0}, {8, 4, 1}), "b"));   // 1 mm of x in common
  solids.push_back(solid(shapes::box({8, 0, 0}, {10, 4, 1}), "c"));  // touches
  const Part part = Part::ofSolids(std::move(solids), kUp);
  CHECK(part.size_mm().isApprox(Eigen::Vector3d(10, 4, 2)));
  Layer kept;
  const Totals totals = run(part, {.layer_mm = 0.1, .hatch = false}, shapes::discard(), 3, kept);
  CHECK(totals.sliced_volume_mm3 == Approx(32 + 4 * 4 + 8));
  REQUIRE(totals.body_volume_mm3.size() == 3);
  CHECK(totals.body_volume_mm3[0] == Approx(32));
  CHECK(totals.body_volume_mm3[1] == Approx(16));
  CHECK(totals.body_volume_mm3[2] == Approx(8));
  CHECK(totals.overlapping_layers == 10);
  REQUIRE(kept.bodies.size() == 3);
  CHECK(area_mm2(kept.bodies[1]) == Approx(16));
  CHECK(area_mm2(kept.slice) == Approx(40));
}

TEST_CASE("A level set and a mesh are bodies of one part") {
  std::vector<Solid> solids(2);
  solids[0].level_set = shapes::sphereLevelSet(4, {0, 0, 0}, 0.1);
  solids[1].mesh = shapes::box({10, -1, -2}, {12, 1, 1});
  const Part part = Part::ofSolids(std::move(solids), kUp);
  const Totals totals = sliced(part, 0.05);
  CHECK(totals.body_volume_mm3[0] == Approx(4 * M_PI / 3 * 64).epsilon(1e-3));
  CHECK(totals.body_volume_mm3[1] == Approx(12).epsilon(2e-2));
  CHECK(totals.overlapping_layers == 0);
}

TEST_CASE("Overlaps within one mesh count once") {
  mesh::TriangleMesh cross = shapes::box({0, 1, 0}, {3, 2, 1});
  shapes::addBox(cross, {1, 0, 0}, {2, 3, 1});
  const Totals totals = sliced(Part::ofMesh(cross, kUp), 0.1);
  CHECK(totals.sliced_volume_mm3 == Approx(5));
  CHECK(totals.overlapping_layers == 10);
}

TEST_CASE("Shrinkage is made up for along the machine's axes") {
  std::vector<Solid> solids;
  solids.push_back(solid(shapes::box({0, 0, 0}, {2, 3, 4}), ""));
  const Part part = Part::ofSolids(std::move(solids), {0, 1, 0}, {1.25, 1.25, 1.5});  // y goes up
  CHECK(part.size_mm().isApprox(Eigen::Vector3d(2.5, 5, 4.5)));
  CHECK(part.volume_mm3() == Approx(24 * 1.25 * 1.25 * 1.5));
}

TEST_CASE("Beams are sliced as the union of their cones and balls") {
  Solid beams;
  beams.beams = mesh::triangulated({{{0, 0, 0}, {0, 0, 20}}, {{.node = {0, 1}, .radius_mm = {1, 1}}}}, 64);
  const Part part = Part::ofSolids({beams}, kUp);
  CHECK(sliced(part, 0.05).sliced_volume_mm3 == Approx(M_PI * 20 + 4 * M_PI / 3).epsilon(2e-3));
  // Steinmetz: two cylinders of radius 1 that cross have 16/3 in common.
  Solid cross;
  cross.beams =
      mesh::triangulated({{{-10, 0, 0}, {10, 0, 0}, {0, -10, 0}, {0, 10, 0}},
                          {{.node = {0, 1}, .radius_mm = {1, 1}, .cap = {mesh::BeamCap::Butt, mesh::BeamCap::Butt}},
                           {.node = {2, 3}, .radius_mm = {1, 1}, .cap = {mesh::BeamCap::Butt, mesh::BeamCap::Butt}}}},
                         96);
  CHECK(sliced(Part::ofSolids({cross}, kUp), 0.01).sliced_volume_mm3 == Approx(2 * M_PI * 20 - 16.0 / 3).epsilon(2e-3));
  Solid clipped = beams;
  clipped.clip = shapes::box({-3, -3, 5}, {3, 3, 8});
  clipped.clipping = mesh::BeamClip::Inside;
  CHECK(sliced(Part::ofSolids({clipped}, kUp), 0.05).sliced_volume_mm3 == Approx(M_PI * 3).epsilon(1e-2));
  clipped.clipping = mesh::BeamClip::Outside;
  CHECK(sliced(Part::ofSolids({clipped}, kUp), 0.05).sliced_volume_mm3 ==
        Approx(M_PI * 17 + 4 * M_PI / 3).epsilon(2e-3));
  clipped.clip = shapes::box({30, 30, 5}, {31, 31, 8});
  clipped.clipping = mesh::BeamClip::Inside;
  CHECK_THROWS_AS(Part::ofSolids({clipped}, kUp), core::Error);
}

TEST_CASE("A part that is larger than the machine is refused") {
  const Part part = Part::ofMesh(shapes::box({0, 0, 0}, {2, 3, 4}), kUp);
  CHECK_NOTHROW(requireRoom(part, {2, 3, 4}));
  CHECK_THROWS_AS(requireRoom(part, {2, 3, 3.9}), core::Error);
}
