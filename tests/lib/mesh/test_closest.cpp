#include <catch2/catch.hpp>
#include <limits>

#include "core/random.h"
#include "lib/mesh/shapes.h"
#include "mesh/closest.h"

using namespace osteo;
using namespace osteo::mesh;

TEST_CASE("the tree finds the same distance as a search through all triangles") {
  const auto mesh = test::torus(20, 6, 40, 24);
  const ClosestPoint nearest(mesh);
  const core::Random random(3);
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Eigen::Vector3d p(80 * random.uniform(3 * i) - 40, 80 * random.uniform(3 * i + 1) - 40,
                            30 * random.uniform(3 * i + 2) - 15);
    double brute = std::numeric_limits<double>::infinity();
    for (const auto& [a, b, c] : mesh.triangles)
      brute = std::min(brute, (closestOnTriangle(p, mesh.vertices[a], mesh.vertices[b], mesh.vertices[c]) - p).norm());
    CHECK(nearest(p).distance_mm == Approx(brute).margin(1e-12));
    CHECK((nearest(p).point - p).norm() == Approx(brute).margin(1e-12));
  }
}

TEST_CASE("the nearest point of a triangle, region by region") {
  const Eigen::Vector3d a(0, 0, 0), b(4, 0, 0), c(0, 3, 0);
  const auto at = [&](double x, double y, double z) { return closestOnTriangle({x, y, z}, a, b, c); };
  CHECK(at(-1, -1, 5) == a);
  CHECK(at(9, -1, 0) == b);
  CHECK(at(-1, 9, 2) == c);
  CHECK(at(2, -3, 1) == Eigen::Vector3d(2, 0, 0));
  CHECK(at(-2, 1, 1) == Eigen::Vector3d(0, 1, 0));
  CHECK(at(1, 1, 7).isApprox(Eigen::Vector3d(1, 1, 0)));
  CHECK(at(2 + 3, 1.5 + 4, 0).isApprox(Eigen::Vector3d(2, 1.5, 0)));
  CHECK(closestOnTriangle({1, 1, 1}, a, a, a) == a);
}

TEST_CASE("concentric spheres are their radii's difference apart") {
  const auto inner = test::sphere(10, 60, {1, 2, 3}), outer = test::sphere(12, 60, {1, 2, 3});
  const auto d = surfaceDistances(inner, outer);
  CHECK(d.mean_mm == Approx(2).margin(0.01));
  CHECK(d.max_mm == Approx(2).margin(0.02));
  CHECK(surfaceDistances(inner, inner).max_mm < 1e-12);
}

TEST_CASE("a bump on one mesh alone is seen from both sides") {
  const auto plain = test::sphere(10, 40, {0, 0, 0});
  auto bumped = plain;
  bumped.vertices[500] *= 1.5;
  CHECK(surfaceDistances(plain, bumped).max_mm == Approx(5).margin(0.05));
  CHECK(surfaceDistances(bumped, plain).max_mm == Approx(5).margin(0.05));
  CHECK(surfaceDistances(bumped, plain).p95_mm < 0.5);
}
