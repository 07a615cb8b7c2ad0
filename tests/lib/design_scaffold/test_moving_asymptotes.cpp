#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "design_scaffold/moving_asymptotes.h"

using namespace osteo::design_scaffold;

namespace {

/// Value and derivative of a function.
struct Value {
  double value;
  std::vector<double> derivative;
};
using Function = Value (*)(const std::vector<double>&);

std::vector<double> solved(std::vector<double> x, const MovingAsymptotes::Bounds& bounds, Function objective,
                           const std::vector<Function>& constraints, int steps) {
  MovingAsymptotes mma(bounds);
  for (int it = 0; it < steps; ++it) {
    std::vector<Constraint> at;
    for (const Function f : constraints) {
      const Value v = f(x);
      at.push_back({v.value, v.derivative});
    }
    x = mma.next(x, objective(x).derivative, at);
  }
  return x;
}

/// Mass of Svanberg's cantilever of five hollow beams, and the displacement of its tip.
Value mass(const std::vector<double>& x) {
  return {0.0624 * std::accumulate(x.begin(), x.end(), 0.0), std::vector<double>(5, 0.0624)};
}
constexpr std::array<double, 5> kArms = {61, 37, 19, 7, 1};
Value tip(const std::vector<double>& x) {
  Value out{-1, {}};
  for (std::size_t j = 0; j < 5; ++j) {
    out.value += kArms[j] / std::pow(x[j], 3);
    out.derivative.push_back(-3 * kArms[j] / std::pow(x[j], 4));
  }
  return out;
}

/// Svanberg's two bars: weight, and the stress of each.
Value weight(const std::vector<double>& x) {
  const double root = std::sqrt(1 + x[1] * x[1]);
  return {x[0] * root, {root, x[0] * x[1] / root}};
}
Value barStress(const std::vector<double>& x, double sign) {
  const double root = std::sqrt(1 + x[1] * x[1]), force = 8 / x[0] + sign / (x[0] * x[1]);
  return {0.124 * root * force - 1,
          {-0.124 * root * force / x[0], 0.124 * (x[1] / root * force - sign * root / (x[0] * x[1] * x[1]))}};
}

Value square(const std::vector<double>& x) {
  return {x[0] * x[0] + x[1] * x[1] + x[2] * x[2], {2 * x[0], 2 * x[1], 2 * x[2]}};
}
Value ball(const std::vector<double>& x, const std::array<double, 3>& centre) {
  Value out{-9, {}};
  for (std::size_t j = 0; j < 3; ++j) {
    out.value += (x[j] - centre[j]) * (x[j] - centre[j]);
    out.derivative.push_back(2 * (x[j] - centre[j]));
  }
  return out;
}

}  // namespace

TEST_CASE("moving asymptotes find the lightest cantilever of five beams, known in closed form") {
  // By Lagrange, each beam is as thick as the fourth root of its arm.
  double roots = 0;
  for (const double arm : kArms) roots += std::pow(arm, 0.25);
  const auto x = solved(std::vector<double>(5, 5.0), {1, 10, 9}, mass, {tip}, 20);
  CHECK(mass(x).value == Approx(0.0624 * std::pow(roots, 4.0 / 3)).epsilon(1e-5));  // 1.3400
  CHECK(tip(x).value == Approx(0).margin(1e-5));
  for (std::size_t j = 0; j < 5; ++j) CHECK(x[j] == Approx(std::pow(kArms[j], 0.25) * std::cbrt(roots)).epsilon(2e-3));
}

TEST_CASE("moving asymptotes meet a constraint that binds beside one that doesn't") {
  const auto x = solved({1.5, 0.5}, {0.1, 4, 4}, weight,
                        {[](const std::vector<double>& at) { return barStress(at, 1); },
                         [](const std::vector<double>& at) { return barStress(at, -1); }},
                        25);
  CHECK(weight(x).value == Approx(1.5087).epsilon(1e-3));
  CHECK(x[0] == Approx(1.4118).epsilon(5e-3));
  CHECK(x[1] == Approx(0.3770).epsilon(2e-2));
  CHECK(barStress(x, 1).value == Approx(0).margin(1e-4));
  CHECK(barStress(x, -1).value < -0.1);
}

TEST_CASE("moving asymptotes end where two constraints meet, also from a start that breaks both") {
  for (const std::vector<double>& start : {std::vector<double>{4, 3, 2}, std::vector<double>{0, 0, 5}}) {
    const auto x = solved(start, {0, 5, 5}, square,
                          {[](const std::vector<double>& at) {
                             return ball(at, {5, 2, 1});
                           },
                           [](const std::vector<double>& at) {
                             return ball(at, {3, 4, 3});
                           }},
                          30);
    CHECK(x[0] == Approx(2.0175).epsilon(1e-3));
    CHECK(x[1] == Approx(1.7800).epsilon(1e-3));
    CHECK(x[2] == Approx(1.2375).epsilon(1e-3));
  }
}

TEST_CASE("moving asymptotes keep to bounds and move, and what nothing asks for stays") {
  MovingAsymptotes mma({0, 1, 0.2});
  std::vector<double> objective(50, -1.0);
  objective[7] = 0;
  const auto x = mma.next(std::vector<double>(50, 0.9), objective, {});
  for (std::size_t j = 0; j < 50; ++j) CHECK(x[j] == Approx(j == 7 ? 0.9 : 1.0).margin(j == 7 ? 1e-9 : 0.06));
  const auto back = mma.next(x, std::vector<double>(50, 1.0), {});
  for (const double v : back) CHECK(v >= 0.7 - 1e-12);
}
