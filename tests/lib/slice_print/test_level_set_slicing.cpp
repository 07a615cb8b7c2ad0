#include <catch2/catch.hpp>

#include "core/error.h"
#include "mesh/measures.h"
#include "shapes.h"
#include "slice_print/level_set_slicer.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {
const Eigen::Vector3d kUp(0, 0, 1);
}

TEST_CASE("A level-set sphere is sliced as exactly as it is sampled") {
  const Eigen::Vector3d centre(1.03, -20.21, 7.77);
  const Part part = Part::ofLevelSet(shapes::sphereLevelSet(10, centre, 0.2), kUp);
  CHECK_FALSE(part.isMesh());
  CHECK((part.size_mm() - Eigen::Vector3d::Constant(20)).norm() < 0.02);
  const Eigen::Vector3d shift = part.machineFromLps().topRightCorner<3, 1>();
  CHECK((shift + centre - Eigen::Vector3d::Constant(10)).norm() < 0.02);
  const Stack stack = stackOver(part.size_mm().z(), 0.03);
  const auto slices = shapes::slices(part, stack);
  const double truth = 4 * M_PI / 3 * 1000;
  CHECK(std::abs(shapes::volume_mm3(slices, 0.03) / truth - 1) < 5e-4);
  CHECK(std::abs(part.volume_mm3() / shapes::volume_mm3(slices, 0.03) - 1) < 5e-4);
  for (const Rings& rings : slices) {
    REQUIRE(rings.size() <= 1);
    for (const Ring& ring : rings) REQUIRE(signedArea_mm2(ring) > 0);
  }
  CHECK(part.overhangArea_mm2(45) == Approx(184.0302).epsilon(0.01));
  CHECK(part.overhangArea_mm2(90) == Approx(628.3185).epsilon(0.01));
}

TEST_CASE("A hollow sphere keeps its cavity clockwise") {
  const auto outer = shapes::sphereLevelSet(8, {0, 0, 0}, 0.25), inner = shapes::sphereLevelSet(5, {0, 0, 0}, 0.25);
  const Part part = Part::ofLevelSet(levelset::subtract(outer, inner), kUp);
  const auto slices = shapes::slices(part, stackOver(part.size_mm().z(), 0.05));
  CHECK(shapes::volume_mm3(slices, 0.05) == Approx(4 * M_PI / 3 * (512 - 125)).epsilon(1e-3));
  const Rings& middle = slices[slices.size() / 2];
  REQUIRE(middle.size() == 2);
  CHECK(signedArea_mm2(middle[0]) * signedArea_mm2(middle[1]) < 0);
}

TEST_CASE("A solid far thicker than the narrow band is solid inside") {
  const Part part = Part::ofLevelSet(shapes::sphereLevelSet(5, {0, 0, 0}, 0.1), kUp);
  const auto slices = shapes::slices(part, stackOver(part.size_mm().z(), 0.5));
  CHECK(slices[slices.size() / 2].size() == 1);
}

TEST_CASE("Gyroid cube: level set, mesh and formula agree") {
  const auto slicedVolume = [](const Part& part, double layer_mm) {
    return shapes::volume_mm3(shapes::slices(part, stackOver(part.size_mm().z(), layer_mm)), layer_mm);
  };
  const auto coarse = shapes::gyroidCube(5, 2.5, 0.1), fine = shapes::gyroidCube(5, 2.5, 0.05);
  const Part from_grid = Part::ofLevelSet(fine, kUp);
  const double at_coarse = slicedVolume(Part::ofLevelSet(coarse, kUp), 0.025),
               at_fine = slicedVolume(from_grid, 0.0125);
  CHECK(at_fine == Approx(mesh::volume_mm3(levelset::toMesh(fine))).epsilon(2e-4));
  // The level set's own measure follows the bend of the field between its samples: twice as near to the formula.
  CHECK(from_grid.volume_mm3() == Approx(0.403276 * 125).epsilon(2.5e-3));
  // The trilinear field cuts the convex struts' corners by O(voxel²): what is left after extrapolation is the
  // formula's.
  CHECK((4 * at_fine - at_coarse) / 3 == Approx(0.403276 * 125).epsilon(5e-4));
  const mesh::TriangleMesh mesh = levelset::toMesh(coarse);
  const double of_mesh = slicedVolume(Part::ofMesh(mesh, kUp), 0.0125);
  CHECK(of_mesh == Approx(mesh::volume_mm3(mesh)).epsilon(2e-4));
  CHECK(of_mesh == Approx(at_coarse).epsilon(5e-4));
  // Other directions go through the mesh and keep the volume.
  const Part tilted = Part::ofLevelSet(coarse, {1, 1, 1});
  CHECK(tilted.isMesh());
  CHECK(slicedVolume(tilted, 0.0125) == Approx(of_mesh).epsilon(2e-4));
}

TEST_CASE("An empty level set is refused") {
  const auto nothing = levelset::fromFunction([](const Eigen::Vector3d&) { return 5.0; }, {0, 0, 0}, {3, 3, 3}, 0.5);
  try {
    Part::ofLevelSet(nothing, kUp);
    FAIL("an empty level set was taken");
  } catch (const core::Error& error) {
    CHECK(error.code() == core::Exit::DataError);
  }
}
