#include <Eigen/Geometry>
#include <catch2/catch.hpp>

#include "shapes.h"
#include "slice_print/orientation.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

/// A cone of radius 5 and height 12 on z = 0, turned by a rotation.
mesh::TriangleMesh cone(const Eigen::Matrix3d& turn) {
  constexpr std::uint32_t kSides = 90;
  mesh::TriangleMesh mesh;
  mesh.vertices = {{0, 0, 0}, {0, 0, 12}};
  for (std::uint32_t k = 0; k < kSides; ++k)
    mesh.vertices.emplace_back(5 * std::cos(2 * M_PI * k / kSides), 5 * std::sin(2 * M_PI * k / kSides), 0);
  for (std::uint32_t k = 0; k < kSides; ++k) {
    const std::uint32_t a = 2 + k, b = 2 + (k + 1) % kSides;
    mesh.triangles.push_back({0, b, a});
    mesh.triangles.push_back({1, a, b});
  }
  for (Eigen::Vector3d& v : mesh.vertices) v = turn * v;
  return mesh;
}

}  // namespace

TEST_CASE("A direction's terms are those of the surface") {
  const OrientationRule rule{.overhang_deg = 45, .layer_mm = 0.1};
  const Orientation ball = assess(shapes::sphere(10, {3, 4, 5}, 300, 600), {1, 2, 3}, rule);
  CHECK(ball.support_area_mm2 == Approx(184.0302).epsilon(0.01));
  CHECK(ball.height_mm == Approx(20).epsilon(1e-3));
  CHECK(ball.mean_cusp_mm == Approx(0.05).epsilon(1e-3));  // mean |cosine| over a sphere is ½
  // Prisms below the cap: ∫ (R − √(R² − r²)) 2πr dr up to R/√2.
  const double r = 10 / std::sqrt(2.0), prisms = M_PI * 10 * r * r - 2 * M_PI / 3 * (1000 - r * r * r);
  CHECK(ball.support_volume_mm3 == Approx(prisms).epsilon(0.02));
  mesh::TriangleMesh beam = shapes::box({8, 0, 0}, {12, 10, 10});
  shapes::addBox(beam, {0, 0, 10}, {20, 10, 12});
  const Orientation upright = assess(beam, {0, 0, 1}, rule);
  CHECK(upright.support_area_mm2 == Approx(200));  // the beam's underside, as a body of its own
  CHECK(upright.support_volume_mm3 == Approx(2000));
  CHECK(upright.mean_cusp_mm == 0);
  CHECK(assess(beam, {0, 0, -1}, rule).support_area_mm2 < 200);
}

TEST_CASE("A cone stands on its base however it comes") {
  const Eigen::Matrix3d turn = Eigen::AngleAxisd(1.1, Eigen::Vector3d(1, -2, 0.5).normalized()).toRotationMatrix();
  const auto best = bestOrientations(cone(turn), {}, 4);
  REQUIRE(best.size() == 4);
  CHECK(best[0].direction.dot(turn * Eigen::Vector3d::UnitZ()) > 1 - 1e-6);
  CHECK(best[0].support_area_mm2 == 0);
  CHECK(best[0].height_mm == Approx(12));
  for (std::size_t n = 1; n < best.size(); ++n) {
    CHECK(best[n].score >= best[n - 1].score);
    CHECK(best[n].direction.dot(best[0].direction) < std::cos(10 * M_PI / 180));
  }
}

TEST_CASE("A bar lies flat, on the side that its bearing face leaves free") {
  const mesh::TriangleMesh bar = shapes::box({0, 0, 0}, {40, 6, 4});
  const auto best = bestOrientations(bar, {}, 3);
  CHECK(std::abs(best[0].direction.z()) > 1 - 1e-9);
  CHECK(best[0].height_mm == Approx(4));
  CHECK(best[0].mean_cusp_mm == 0);
}

TEST_CASE("Bearing surface is kept free of supports") {
  // A mushroom whose cap overhangs on either side of its stem: upside down it needs no support at all.
  mesh::TriangleMesh mesh = shapes::box({-3, -3, 0}, {3, 3, 10});
  shapes::addBox(mesh, {-8, -8, 9.9}, {8, 8, 12});
  OrientationRule rule;
  CHECK(bestOrientations(mesh, rule, 1)[0].direction.z() < -0.999);
  // Its top is near: as a bearing face that faces down but lies on the plate, it costs nothing.
  rule.bearing_triangles = trianglesNear(mesh, shapes::box({-8, -8, 12}, {8, 8, 12.1}), 0.5);
  CHECK(std::count(rule.bearing_triangles.begin(), rule.bearing_triangles.end(), 1) == 2);
  const Orientation upright = assess(mesh, {0, 0, 1}, rule), leaning = assess(mesh, {0, 0.5, -1}, rule);
  CHECK(upright.bearing_area_mm2 == 0);
  CHECK(leaning.bearing_area_mm2 == Approx(256));
  OrientationRule plain;
  CHECK(leaning.score - assess(mesh, {0, 0.5, -1}, plain).score == Approx(plain.bearing_weight));
}
