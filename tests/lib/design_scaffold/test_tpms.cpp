#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "design_scaffold/lattice.h"
#include "design_scaffold/tpms.h"

using namespace osteo::design_scaffold;
using Eigen::Vector3d;

namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

Tpms surfaceOf(std::size_t n) { return tpmsNamed(tpmsNames()[n]); }

/// Share of a cell with negative distance, by counting points off the lattice's own nodes.
double counted(const Lattice& lattice, int side) {
  const double cell = lattice.spec().cell_mm;
  std::int64_t solid = 0;
  for (int k = 0; k < side; ++k)
    for (int j = 0; j < side; ++j)
      for (int i = 0; i < side; ++i)
        solid += lattice.distance_mm(cell / side * Vector3d(i + 0.5, j + 0.5, k + 0.5)) < 0 ? 1 : 0;
  return static_cast<double>(solid) / std::pow(side, 3);
}

}  // namespace

TEST_CASE("nodal functions have the values of their formulas") {
  Vector3d g;
  const Vector3d zero = Vector3d::Zero(), quarter = Vector3d::Constant(0.5 * std::numbers::pi);
  CHECK(nodal(Tpms::Primitive, zero, g) == Approx(3));
  CHECK(nodal(Tpms::Diamond, quarter, g) == Approx(1));
  CHECK(nodal(Tpms::Iwp, zero, g) == Approx(3));
  CHECK(nodal(Tpms::Iwp, {0, 0, std::numbers::pi}, g) == Approx(-5));
  CHECK(nodal(Tpms::Neovius, zero, g) == Approx(13));
  CHECK(nodal(Tpms::FischerKochS, {0, 0.5 * std::numbers::pi, 0}, g) == Approx(1));
  CHECK(nodal(Tpms::Lidinoid, zero, g) == Approx(-1.35));
  CHECK(nodal(Tpms::Frd, zero, g) == Approx(1));
  CHECK(nodal(Tpms::Frd, {std::numbers::pi, 0, 0}, g) == Approx(-7));
}

TEST_CASE("nodal gradients agree with differences, and values repeat after a cell") {
  constexpr double kStep = 1e-5;
  const Vector3d u(0.3, 1.7, -2.2);
  for (std::size_t n = 0; n < tpmsNames().size(); ++n) {
    INFO(tpmsNames()[n]);
    Vector3d gradient, other;
    const double value = nodal(surfaceOf(n), u, gradient);
    CHECK(nameOf(surfaceOf(n)) == tpmsNames()[n]);
    for (int axis = 0; axis < 3; ++axis) {
      const Vector3d by = kStep * Vector3d::Unit(axis);
      const double slope = (nodal(surfaceOf(n), u + by, other) - nodal(surfaceOf(n), u - by, other)) / (2 * kStep);
      CHECK(gradient[axis] == Approx(slope).margin(1e-8));
      CHECK(nodal(surfaceOf(n), u + kTwoPi * Vector3d::Unit(axis), other) == Approx(value).margin(1e-12));
    }
  }
  CHECK_THROWS_AS(tpmsNamed("schwarz"), osteo::core::Error);
}

TEST_CASE("the averaged cell finds the known share of a slab-like surface") {
  // Primitive at F = 0 halves the cell; at F < -1 it falls into pieces around (π,π,π) that a spherical average bounds.
  CHECK(volumeFraction(Tpms::Primitive, Kind::Network, 0) == Approx(0.5).margin(1e-6));
  CHECK(volumeFraction(Tpms::Diamond, Kind::Network, 0) == Approx(0.5).margin(1e-6));
  CHECK(volumeFraction(Tpms::Neovius, Kind::Network, 0) == Approx(0.5).margin(1e-6));
  CHECK(volumeFraction(Tpms::FischerKochS, Kind::Network, 0) == Approx(0.5).margin(1e-6));
  // The ball around (π,π,π): F = -3 + r²/2 - (x⁴ + y⁴ + z⁴)/24; to second order r² = 2 (t + 3).
  const double radius = std::sqrt(2 * 0.02);
  CHECK(volumeFraction(Tpms::Primitive, Kind::Network, -2.98) ==
        Approx(4.0 / 3.0 * std::numbers::pi * std::pow(radius / kTwoPi, 3)).epsilon(0.02));
}

TEST_CASE("volume fractions from 0.1 to 0.9 come back from every surface") {
  struct Level {
    Kind kind;
    double wanted, t;
    std::int64_t solid = 0;
  };
  constexpr int kSide = 150;
  for (std::size_t n = 0; n < tpmsNames().size(); ++n) {
    std::vector<Level> levels;
    for (const Kind kind : {Kind::Network, Kind::Sheet})
      for (const double wanted : {0.1, 0.5, 0.9})
        levels.push_back({kind, wanted, isoValue(surfaceOf(n), kind, wanted)});
    // Counted by the formula itself, on points that the averages don't use.
    Vector3d g;
    for (int k = 0; k < kSide; ++k)
      for (int j = 0; j < kSide; ++j)
        for (int i = 0; i < kSide; ++i) {
          const double value = nodal(surfaceOf(n), kTwoPi / kSide * Vector3d(i + 0.31, j + 0.17, k + 0.43), g);
          for (Level& level : levels)
            level.solid += value < level.t && (level.kind == Kind::Network || value > -level.t) ? 1 : 0;
        }
    for (const Level& level : levels) {
      INFO(tpmsNames()[n] << (level.kind == Kind::Network ? " network " : " sheet ") << level.wanted);
      CHECK(volumeFraction(surfaceOf(n), level.kind, level.t) == Approx(level.wanted).margin(2e-6));
      CHECK(static_cast<double>(level.solid) / std::pow(kSide, 3) == Approx(level.wanted).margin(5e-4));
    }
  }
  for (const double impossible : {0.0, 0.02, 0.98, 1.0, std::nan("")})
    CHECK_THROWS_AS(isoValue(Tpms::Diamond, Kind::Network, impossible), osteo::core::Error);
}

TEST_CASE("every lattice's distances are distances and hold its volume fraction") {
  for (std::size_t n = 0; n < tpmsNames().size(); ++n)
    for (const Kind kind : {Kind::Network, Kind::Sheet}) {
      INFO(tpmsNames()[n] << (kind == Kind::Network ? " network" : " sheet"));
      const Lattice lattice({kind, 2.0, 0.4, Vector3d::Zero(), latticeNamed(tpmsNames()[n])});
      CHECK(counted(lattice, 100) == Approx(0.4).margin(0.002));
      // Along its own gradient a distance changes by what one walks, where it is smooth.
      double steepest = 0;
      for (int i = 0; i < 4000; ++i) {
        const Vector3d p(0.013 * i, 0.0071 * i, 0.0037 * i);
        const Vector3d q = p + 0.05 * Vector3d(std::cos(i), std::sin(i), 0);
        steepest = std::max(steepest, std::abs(lattice.distance_mm(q) - lattice.distance_mm(p)) / 0.05);
      }
      CHECK(steepest < 1.03);
      CHECK(steepest > 0.9);
    }
}
