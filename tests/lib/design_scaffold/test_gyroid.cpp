#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "design_scaffold/lattice.h"

using namespace osteo::design_scaffold;

TEST_CASE("the gyroid's volume fraction is the integral of its unit cell") {
  CHECK(volumeFraction(Kind::Network, -0.9) == Approx(0.204782).margin(1e-6));
  CHECK(volumeFraction(Kind::Network, -0.3) == Approx(0.403276).margin(1e-6));
  CHECK(volumeFraction(Kind::Network, 0) == Approx(0.5).margin(1e-12));
  CHECK(volumeFraction(Kind::Network, 0.61) == Approx(0.697929).margin(1e-6));
  CHECK(volumeFraction(Kind::Sheet, 0.3) == Approx(0.193448).margin(1e-6));
  CHECK(volumeFraction(Kind::Network, -1.6) == 0);
  CHECK(volumeFraction(Kind::Network, 1.6) == 1);
  for (const double t : {0.1, 0.7, 1.2, 1.45})
    CHECK(volumeFraction(Kind::Network, -t) == Approx(1 - volumeFraction(Kind::Network, t)).margin(1e-12));
}

TEST_CASE("a plain count of the unit cell agrees with the quadrature where its kinks lie differently") {
  // Midpoints on 1500² columns; each column's share is closed.
  constexpr int kSide = 1500;
  for (const double t : {-1.45, -1.0, -0.5}) {
    double sum = 0;
    for (int i = 0; i < kSide; ++i)
      for (int j = 0; j < kSide; ++j) {
        const double x = (i + 0.5) * 2 * std::numbers::pi / kSide, y = (j + 0.5) * 2 * std::numbers::pi / kSide;
        const double u = (t - std::sin(x) * std::cos(y)) / std::hypot(std::sin(y), std::cos(x));
        sum += 1 - std::acos(std::clamp(u, -1.0, 1.0)) / std::numbers::pi;
      }
    CHECK(volumeFraction(Kind::Network, t) == Approx(sum / kSide / kSide).margin(1e-6));
  }
}

TEST_CASE("a volume fraction leads to its iso value and back") {
  CHECK(isoValue(Kind::Network, 0.4) == Approx(-0.3101190).margin(5e-7));
  CHECK(isoValue(Kind::Sheet, 0.5) == Approx(0.7664975).margin(5e-7));
  for (const Kind kind : {Kind::Network, Kind::Sheet})
    for (double wanted = 0.05; wanted < 0.951; wanted += 0.05)
      CHECK(volumeFraction(kind, isoValue(kind, wanted)) == Approx(wanted).margin(1e-9));
  CHECK(isoValue(Kind::Sheet, 0.3) == Approx(std::abs(isoValue(Kind::Network, 0.35))).margin(1e-9));
  for (const double impossible : {0.0, 0.01, 0.99, std::nan("")})
    CHECK_THROWS_AS(isoValue(Kind::Network, impossible), osteo::core::Error);
}

TEST_CASE("the gradient is the derivative") {
  const Eigen::Vector3d at(0.3, -1.1, 2.7);
  Eigen::Vector3d gradient;
  CHECK(gyroid(at, gradient) == Approx(gyroid(at)));
  for (int axis = 0; axis < 3; ++axis) {
    const Eigen::Vector3d step = 1e-6 * Eigen::Vector3d::Unit(axis);
    CHECK(gradient[axis] == Approx((gyroid(at + step) - gyroid(at - step)) / 2e-6).margin(1e-8));
  }
}

TEST_CASE("tabulated distances are true: unit slope, known spheres, volume and area") {
  const Lattice lattice({Kind::Network, 2.0, 0.5});
  CHECK(lattice.pore_mm() / 2.0 == Approx(0.459316).margin(2e-4));
  CHECK(lattice.wall_mm() / 2.0 == Approx(0.459316).margin(2e-4));
  CHECK(lattice.area_per_mm() * 2.0 == Approx(3.09165).epsilon(0.01));
  double worst = 0, inside = 0;
  constexpr int kSide = 60;
  for (int n = 0; n < kSide * kSide * kSide; ++n) {
    const Eigen::Vector3d p(2.0 * (n % kSide + 0.37) / kSide, 2.0 * (n / kSide % kSide + 0.21) / kSide,
                            2.0 * (static_cast<double>(n / kSide / kSide) + 0.64) / kSide);
    const double d = lattice.distance_mm(p);
    inside += std::clamp(0.5 - d * kSide / 2.0, 0.0, 1.0);
    if (std::abs(d) > 0.2) continue;
    Eigen::Vector3d gradient;
    for (int axis = 0; axis < 3; ++axis) {
      const Eigen::Vector3d step = 0.01 * Eigen::Vector3d::Unit(axis);
      gradient[axis] = (lattice.distance_mm(p + step) - lattice.distance_mm(p - step)) / 0.02;
    }
    worst = std::max(worst, std::abs(gradient.norm() - 1));
    Eigen::Vector3d unused;
    const double residual = gyroid((p - d * gradient / gradient.norm()) * std::numbers::pi, unused);
    if (std::abs(residual) > 0.01) FAIL("the foot point lies off the surface by " << residual);
  }
  CHECK(worst < 0.01);
  CHECK(inside / (kSide * kSide * kSide) == Approx(0.5).margin(1e-4));
}

TEST_CASE("the lattice is periodic from its origin, and a sheet is as thick as its share demands") {
  const Lattice moved({Kind::Sheet, 3.0, 0.3, {0.4, -1.0, 2.0}});
  const Lattice plain({Kind::Sheet, 3.0, 0.3});
  const Eigen::Vector3d p(1.7, 0.2, -4.1);
  CHECK(plain.distance_mm(p) == Approx(plain.distance_mm(p + Eigen::Vector3d(3, -6, 9))).margin(1e-5));
  CHECK(plain.distance_mm(p) == Approx(moved.distance_mm(p + Eigen::Vector3d(0.4, -1.0, 2.0))).margin(1e-5));
  const double mean_mm = 0.3 * 3.0 / 3.09165;
  CHECK(plain.wall_mm() < mean_mm);
  CHECK(plain.wall_mm() > 0.7 * mean_mm);
}
