#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "design_scaffold/cube.h"
#include "design_scaffold/flow.h"
#include "design_scaffold/lattice.h"
#include "design_scaffold/throat.h"

using namespace osteo::design_scaffold;
using Eigen::Vector3d;

namespace {

/// Samples of a function in a cell of 1 mm.
template <class F>
std::vector<float> sampled(PeriodicNodes nodes, const F& f) {
  std::vector<float> out(nodes.size());
  for (int k = 0; k < nodes.side; ++k)
    for (int j = 0; j < nodes.side; ++j)
      for (int i = 0; i < nodes.side; ++i)
        out[nodes.at(i, j, k)] = static_cast<float>(f(Vector3d(i, j, k) / nodes.side));
  return out;
}

double tube(const Vector3d& p) { return 0.25 - std::hypot(p.x() - 0.513, p.y() - 0.492); }
double duct(const Vector3d& p) { return 0.25 - std::max(std::abs(p.x() - 0.51), std::abs(p.y() - 0.49)); }
double slit(const Vector3d& p) { return 0.2 - std::abs(p.y() - 0.493); }

std::vector<float> gyroidPeriod(PeriodicNodes nodes, double volume_fraction) {
  const Lattice lattice({Kind::Network, 1.0, volume_fraction});
  return sampled(nodes, [&](const Vector3d& p) { return lattice.distance_mm(p); });
}

}  // namespace

TEST_CASE("a tube, a duct and a slit let through what theory says") {
  for (const int side : {32, 48}) {
    const PeriodicNodes nodes{side};
    INFO(side << " nodes");
    const double step = 1.0 / side;
    const Permeability round = permeability(sampled(nodes, tube), nodes, step, 2);
    CHECK(round.converged);
    CHECK(round.k_m2 == Approx(1.534e-9).epsilon(0.02));
    CHECK(permeability(sampled(nodes, duct), nodes, step, 2).k_m2 == Approx(2.1965e-9).epsilon(0.02));
    CHECK(permeability(sampled(nodes, slit), nodes, step, 0).k_m2 ==
          Approx(std::pow(0.4, 3) / 12 * 1e-6).epsilon(0.01));
    CHECK(permeability(sampled(nodes, tube), nodes, step, 0).k_m2 < 1e-14);
  }
}

TEST_CASE("flow through a lattice settles, converges with the nodes and is the same along all axes") {
  const PeriodicNodes coarse{32}, fine{64};
  const std::vector<float> few = gyroidPeriod(coarse, 0.4), many = gyroidPeriod(fine, 0.4);
  const Permeability x = permeability(few, coarse, 1.0 / 32, 0), y = permeability(few, coarse, 1.0 / 32, 1);
  const Permeability better = permeability(many, fine, 1.0 / 64, 0);
  INFO("rounds " << x.iterations << " and " << better.iterations << ", k " << x.k_m2 << " and " << better.k_m2);
  CHECK(x.converged);
  CHECK(better.converged);
  CHECK(y.k_m2 == Approx(x.k_m2).epsilon(1e-3));
  CHECK(x.k_m2 == Approx(better.k_m2).epsilon(0.03));
  CHECK(better.iterations < 120);
}

TEST_CASE("balls in a row hinder the flow as Zick and Homsy found") {
  // Simple cubic arrays (J Fluid Mech 115:13, 1982, table 2): share of the balls and drag K, F = 6πμaKU.
  const PeriodicNodes nodes{48};
  for (const auto& [share, drag] : {std::pair{0.125, 4.292}, std::pair{0.343, 15.4}}) {
    const double a = std::cbrt(3 * share / (4 * std::numbers::pi));
    const auto ball = [a = a](const Vector3d& p) { return (p - Vector3d(0.501, 0.498, 0.503)).norm() - a; };
    const double k = permeability(sampled(nodes, ball), nodes, 1.0 / 48, 0).k_m2 * 1e6;
    CHECK(2 * a * a / (9 * share * k) == Approx(drag).epsilon(0.02));
  }
}

TEST_CASE("diffusion takes the way that the pores leave") {
  const PeriodicNodes nodes{48};
  CHECK(tortuosity(sampled(nodes, tube), nodes, 1.0 / 48, 2) == Approx(1).epsilon(1e-3));
  CHECK(std::isinf(tortuosity(sampled(nodes, tube), nodes, 1.0 / 48, 0)));
  // Dilute balls: D/D0 = 2 (1 − c) / (2 + c) of the whole (Maxwell 1873), so τ = (2 + c)/2.
  const double a = 0.2, c = 4.0 / 3 * std::numbers::pi * a * a * a;
  const auto ball = [a](const Vector3d& p) { return (p - Vector3d(0.501, 0.498, 0.503)).norm() - a; };
  CHECK(tortuosity(sampled(nodes, ball), nodes, 1.0 / 48, 1) == Approx(1 + c / 2).epsilon(2e-3));
}

TEST_CASE("throats are those of the surfaces") {
  const PeriodicNodes nodes{64};
  const auto gyroid = throatRadii(gyroidPeriod(nodes, 0.5), nodes);
  for (const double radius : gyroid) CHECK(2 * radius == Approx(0.4330).epsilon(0.02));
  const Lattice primitive({Kind::Network, 1.0, 0.5, Vector3d::Zero(), LatticeType::Primitive});
  const auto p = throatRadii(sampled(nodes, [&](const Vector3d& at) { return primitive.distance_mm(at); }), nodes);
  for (const double radius : p) CHECK(2 * radius == Approx(std::sqrt(2.0) / 3).epsilon(0.01));
  const auto along = throatRadii(sampled(nodes, tube), nodes);
  CHECK(along[2] == Approx(0.25).margin(0.87 / 64));
  CHECK(along[0] == 0);
  CHECK(along[1] == 0);
}
