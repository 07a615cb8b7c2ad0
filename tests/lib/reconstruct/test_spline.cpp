#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "reconstruct/point_grid.h"
#include "reconstruct/spline.h"

using namespace osteo;
using Eigen::Vector3d;
using Kernel = reconstruct::Spline::Kernel;

namespace {

std::vector<Vector3d> cloud(int count) {
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> uniform(-30, 30);
  std::vector<Vector3d> out;
  for (int i = 0; i < count; ++i) out.emplace_back(uniform(random) + 200, uniform(random), uniform(random) - 50);
  return out;
}

}  // namespace

TEST_CASE("splines without smoothing pass through their values") {
  const auto points = cloud(120);
  std::vector<double> values;
  for (const auto& p : points) values.push_back(std::sin(p[0] / 7) + p[1] * p[2] / 500);
  for (const Kernel kernel : {Kernel::Biharmonic, Kernel::ThinPlate, Kernel::Fading}) {
    const reconstruct::Spline spline(kernel, points, values, 0, 20);
    for (std::size_t i = 0; i < points.size(); ++i) CHECK(spline(points[i]) == Approx(values[i]).margin(1e-6));
  }
}

TEST_CASE("a thin-plate spline goes on with what is linear, a biharmonic one with what is constant, at any smoothing") {
  const auto points = cloud(60);
  std::vector<double> linear, constant(points.size(), 3.5);
  for (const auto& p : points) linear.push_back(1 + 0.3 * p[0] - 0.2 * p[1] + 0.7 * p[2]);
  const reconstruct::Spline plate(Kernel::ThinPlate, points, linear, 0.01);
  const reconstruct::Spline harmonic(Kernel::Biharmonic, points, constant, 0.01);
  const Vector3d far(260, 70, -120);
  CHECK(plate(far) == Approx(1 + 0.3 * far[0] - 0.2 * far[1] + 0.7 * far[2]).epsilon(1e-4));
  CHECK(harmonic(far) == Approx(3.5).epsilon(1e-6));
}

TEST_CASE("a fading spline keeps what is constant everywhere, and forgets a bump beyond its reach") {
  const auto points = cloud(60);
  std::vector<double> constant(points.size(), 3.5), bumped = constant;
  bumped[7] += 5;
  const Vector3d far = points[7] + Vector3d(150, 0, 0);
  CHECK(reconstruct::Spline(Kernel::Fading, points, constant, 0.01, 10)(far) == Approx(3.5).epsilon(1e-6));
  const reconstruct::Spline spline(Kernel::Fading, points, bumped, 0, 10);
  CHECK(spline(points[7]) == Approx(8.5));
  CHECK(spline(far) == Approx(3.5).margin(5.0 / 20));  // its share of the mean
  CHECK(spline(far) == Approx(spline(far + Vector3d(50, 0, 0))).margin(1e-4));
}

TEST_CASE("chosen points lie far from one another") {
  const auto points = cloud(500);
  const auto chosen = reconstruct::farthestPoints(points, 20);
  REQUIRE(chosen.size() == 20);
  double nearest = 1e300;
  for (std::size_t a = 0; a < chosen.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) nearest = std::min(nearest, (points[chosen[a]] - points[chosen[b]]).norm());
  for (const auto& p : points) {
    double covered = 1e300;
    for (const std::size_t c : chosen) covered = std::min(covered, (points[c] - p).norm());
    CHECK(covered <= nearest + 1e-9);  // else the point would have been taken
  }
  CHECK(reconstruct::farthestPoints({}, 5).empty());
  CHECK(reconstruct::farthestPoints({Vector3d::Zero(), Vector3d::Zero()}, 5).size() == 1);
}
