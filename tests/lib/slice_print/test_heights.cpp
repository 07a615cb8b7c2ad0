#include <catch2/catch.hpp>

#include "core/error.h"
#include "mesh/measures.h"
#include "shapes.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

const Eigen::Vector3d kUp(0, 0, 1);

Settings adaptive(double cusp_mm, double least_mm, double most_mm) {
  Settings settings{.layer_mm = least_mm, .hatch = false};
  settings.adaptive = {cusp_mm, least_mm, most_mm};
  return settings;
}

void checkStack(const Stack& stack, double height_mm) {
  double z = 0;
  for (int layer = 0; layer < stack.layers; ++layer) {
    REQUIRE(stack.bottom_mm(layer) == z);
    REQUIRE(stack.height_mm(layer) > 0);
    z = stack.top_mm(layer);
    REQUIRE(stack.middle_mm(layer) < z);
    REQUIRE(stack.layersUpTo(stack.middle_mm(layer)) == layer + 1);
    REQUIRE(stack.layersUpTo(stack.middle_mm(layer) - 1e-9) == layer);
  }
  CHECK(z == Approx(height_mm).epsilon(1e-12));
}

}  // namespace

TEST_CASE("A cone has layers of cusp over |n_z|, a prism the thickest") {
  // A cone of half-angle 45°: |n_z| = 1/√2.
  mesh::TriangleMesh cone;
  const int n = 256;
  for (int i = 0; i < n; ++i)
    cone.vertices.emplace_back(10 * std::cos(2 * M_PI * i / n), 10 * std::sin(2 * M_PI * i / n), 0);
  cone.vertices.emplace_back(0, 0, 10);
  cone.vertices.emplace_back(0, 0, 0);
  for (std::uint32_t i = 0; i < n; ++i) {
    cone.triangles.push_back({i, (i + 1) % n, n});
    cone.triangles.push_back({(i + 1) % n, i, n + 1});
  }
  const Part part = Part::ofMesh(cone, kUp);
  const Stack stack = stackOf(part, adaptive(0.07, 0.02, 0.5));
  checkStack(stack, 10);
  for (int layer = 0; layer + 2 < stack.layers; ++layer)
    REQUIRE(stack.height_mm(layer) == Approx(0.07 * std::sqrt(2)).epsilon(1e-3));
  const Stack prism = stackOf(Part::ofMesh(shapes::box({0, 0, 0}, {5, 5, 5}), kUp), adaptive(0.01, 0.02, 0.5));
  CHECK(prism.layers == 10);
  checkStack(prism, 5);
}

TEST_CASE("A sphere has thin layers at its poles, and the volume of its mesh") {
  const mesh::TriangleMesh ball = shapes::sphere(5, {0, 0, 0}, 200, 400);
  const Part part = Part::ofMesh(ball, kUp);
  const Settings settings = adaptive(0.02, 0.02, 0.2);
  const Stack stack = stackOf(part, settings);
  checkStack(stack, part.size_mm().z());
  CHECK(stack.height_mm(0) < 0.03);
  CHECK(stack.height_mm(stack.layersUpTo(5)) > 0.15);
  const Stack equal = stackOver(part.size_mm().z(), 0.02);
  CHECK(stack.layers < 0.6 * equal.layers);
  Layer kept;
  const Totals totals = run(part, settings, shapes::discard(), -1, kept);
  CHECK(totals.stack.layers == stack.layers);
  CHECK(totals.sliced_volume_mm3 == Approx(mesh::volume_mm3(ball)).epsilon(5e-4));
  const Part grid = Part::ofLevelSet(shapes::sphereLevelSet(5, {0, 0, 0}, 0.1), kUp);
  const Totals from_grid = run(grid, settings, shapes::discard(), -1, kept);
  CHECK(from_grid.sliced_volume_mm3 == Approx(4 * M_PI / 3 * 125).epsilon(2e-3));
  CHECK(std::abs(from_grid.stack.layers - stack.layers) < stack.layers / 8);
}

TEST_CASE("Layers end at level faces, so that a stepped block is exact") {
  mesh::TriangleMesh steps = shapes::box({0, 0, 0}, {6, 6, 1.234});
  shapes::addBox(steps, {1, 1, 1.234}, {5, 5, 2.357});
  const Part part = Part::ofMesh(steps, kUp);
  const Settings settings = adaptive(0.05, 0.05, 0.2);
  const Stack stack = stackOf(part, settings);
  checkStack(stack, 2.357);
  Layer kept;
  const Totals totals = run(part, settings, shapes::discard(), -1, kept);
  CHECK(totals.sliced_volume_mm3 == Approx(36 * 1.234 + 16 * 1.123).epsilon(1e-9));
  for (int layer = 0; layer < stack.layers; ++layer) CHECK(stack.height_mm(layer) <= 0.2 + 1e-12);
}

TEST_CASE("Contradictory heights and endless stacks are refused") {
  CHECK_THROWS_AS(requireFit(adaptive(0.05, 0.3, 0.2)), core::Error);
  const Part tower = Part::ofMesh(shapes::box({0, 0, 0}, {1, 1, 3000}), kUp);
  CHECK_THROWS_AS(stackOf(tower, adaptive(0.05, 0.01, 0.2)), core::Error);
}
