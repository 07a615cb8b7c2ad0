#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "design_scaffold/design_limits.h"
#include "simulate/brick.h"
#include "simulate/failure.h"
#include "simulate/loads.h"

using namespace osteo;
using namespace osteo::design_scaffold;

namespace {

const SolidPhase kSolid{"solid", 10, 0.3, 1};

/// Unit cubes where `is_full`.
template <class IsFull>
std::unique_ptr<simulate::VoxelModel> cubes(const Eigen::Vector3i& size, const IsFull& is_full) {
  simulate::Filling filling;
  filling.frame.size = size;
  filling.frame.spacing_mm.setConstant(1);
  filling.frame.origin_mm.setConstant(0.5);
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i) filling.material.push_back(is_full(i, k) ? 1 : 0);
  return std::make_unique<simulate::VoxelModel>(simulate::buildModel(
      filling, [](std::uint16_t, float, float) { return simulate::isotropic(kSolid.modulus_mpa, kSolid.poisson); }));
}

Shares all(const simulate::VoxelModel& model) {
  const auto n = static_cast<std::size_t>(model.elements);
  return {std::vector<double>(n, 1.0), std::vector<double>(n, 0.0)};
}

DensityModel modelOf(std::unique_ptr<simulate::VoxelModel> mesh, const Shares& shares,
                     const std::vector<DesignCase>& cases, double tolerance,
                     simulate::StopBy stop = simulate::StopBy::Residual) {
  simulate::SolveOptions options;
  options.tolerance = tolerance;
  options.stop = stop;
  return {std::move(mesh), simpLaw(simulate::isotropic(kSolid.modulus_mpa, kSolid.poisson), 3, 1e-3), shares, cases,
          options};
}

Yardstick yardstickOf(const Goal& goal, const std::vector<std::string>& cases) {
  Yardstick by{goal, nullptr, kSolid};
  by.cases = cases;
  return by;
}

/// A bar along x, held at one end: pulled down at the other, and stretched.
std::vector<DesignCase> bendAndStretch(const simulate::VoxelModel& mesh) {
  const simulate::Operator K(mesh);
  const int end = mesh.frame.size[0];
  DesignCase loaded, moved;
  simulate::forEachNode(mesh, [&](std::int64_t n, int i, int, int) {
    for (int axis = 0; axis < 3; ++axis) {
      if (i == 0) loaded.conditions.fixed.push_back({axis * K.stride() + n, 0});
      if (i == 0 || i == end)
        moved.conditions.fixed.push_back({axis * K.stride() + n, i == end && axis == 0 ? 0.1 : 0});
    }
  });
  loaded.conditions.force = K.zeros();
  loaded.conditions.force[static_cast<std::size_t>(2 * K.stride() + mesh.nodeAt(end, 1, 1))] = -1;
  return {loaded, moved};
}

/// Densities of some elements, and a way on which they change.
struct Course {
  std::vector<double> start, way;
  Course(std::uint64_t seed, std::size_t elements) {
    const core::Random random(seed);
    for (std::size_t e = 0; e < elements; ++e)
      start.push_back(0.3 + 0.5 * random.uniform(e)), way.push_back(random.uniform(100 + e) - 0.5);
  }
  /// Of a function of the densities, by a central difference. Stiffnesses are floats: a larger step than elsewhere.
  template <class F>
  double change(const F& of) const {
    constexpr double kStep = 1e-3;
    double out = 0;
    for (const double sign : {1.0, -1.0}) {
      std::vector<double> there = start;
      for (std::size_t e = 0; e < there.size(); ++e) there[e] += sign * kStep * way[e];
      out += sign * of(there) / (2 * kStep);
    }
    return out;
  }
  double promised(const std::vector<double>& derivative) const {
    return std::inner_product(way.begin(), way.end(), derivative.begin(), 0.0);
  }
};

double stressChange(DensityModel& model, const Course& course, const Yardstick& by, std::size_t c) {
  return course.change([&](const std::vector<double>& there) {
    model.solve(there);
    return std::log(stressNorm(model, c, there, by, 2).value);
  });
}

}  // namespace

TEST_CASE("a stress form is von Mises' stress, and its derivatives are its own") {
  const simulate::Elastic solid = simulate::isotropic(10, 0.3);
  simulate::Vector6d strain;
  strain << 0.01, -0.004, 0.002, 0.005, -0.003, 0.007;
  const double shear = 5 / 1.3;
  CHECK(std::sqrt(weighed(solidStress(shear).value, strainParts(strain))) ==
        Approx(simulate::vonMises(simulate::stressOf(solid, strain))));
  StressForm any = relaxedStress(shear, 0.4);
  CHECK(weighed(any.value, strainParts(strain)) ==
        Approx(0.4 * weighed(solidStress(shear).value, strainParts(strain))));
  any.value[0] = 30;  // of a lattice, a volume change stresses the walls as well
  const simulate::Vector6d slope = byStrain(any, strain);
  for (int q = 0; q < 6; ++q) {
    simulate::Vector6d more = strain, less = strain;
    more[q] += 1e-6, less[q] -= 1e-6;
    CHECK((weighed(any.value, strainParts(more)) - weighed(any.value, strainParts(less))) / 2e-6 ==
          Approx(slope[q]).epsilon(1e-6));
  }
}

TEST_CASE("the derivatives of the stress and stiffness limits, with skin and cut elements, of loads and of moves") {
  auto mesh = cubes({5, 3, 3}, [](int, int) { return true; });
  Shares shares = all(*mesh);
  shares.body[3] = 0.6, shares.solid[7] = 1, shares.solid[8] = 0.5;
  const auto cases = bendAndStretch(*mesh);
  DensityModel model = modelOf(std::move(mesh), shares, cases, 1e-12);
  const Goal goal;
  Yardstick by = yardstickOf(goal, {"bend", "stretch"});
  by.bone_works_n_mm = {0.3, 0.2};
  const Course course(11, 45);
  model.solve(course.start);
  StressLimit limit(by, 2);
  const std::vector<Constraint> stress = limit(model, course.start), stiff = stiffnessLimit(model, by, 0.5);
  REQUIRE(stress.size() == 2);
  // Steered to the percentile itself.
  for (std::size_t c = 0; c < 2; ++c)
    CHECK(std::exp(stress[c].value) * 2 == Approx(peakStress_mpa(model, course.start, c, by)));
  const double change = course.change([&](const std::vector<double>& there) {
    model.solve(there);
    return stiffnessLimit(model, by, 0.5)[0].value;
  });
  CHECK(change == Approx(course.promised(stiff[0].derivative)).epsilon(2e-3));
  for (std::size_t c = 0; c < 2; ++c)
    CHECK(stressChange(model, course, by, c) == Approx(course.promised(stress[c].derivative)).epsilon(2e-3));
}

TEST_CASE("the derivative of the stress limit where a rigid end is loaded at a point that moves freely, or in part") {
  auto mesh = cubes({5, 3, 3}, [](int, int) { return true; });
  const Shares shares = all(*mesh);
  const simulate::Operator K(*mesh);
  const simulate::Scene scene{*mesh, {}, {}};
  const auto ended = [&](const std::optional<double>& across) {
    simulate::Remote tip;
    tip.point_mm = {8, 1, 2};
    tip.force_n = {0.3, 0.1, -0.5}, tip.moment_n_mm = {0.4, 1, 0};
    tip.displacement_mm[1] = across, tip.rotation_rad[2] = across;
    simulate::LoadCase c{"c", "", {}, {}, false};
    c.constraints.resize(2);
    c.constraints[0].region.side = "x-", c.constraints[1].region.side = "x+";
    c.constraints[0].displacement_mm = {0.0, 0.0, 0.0};
    c.constraints[1].remote = tip;
    return DesignCase{simulate::place(scene, K, c)};
  };
  DensityModel model = modelOf(std::move(mesh), shares, {ended({}), ended(0.0)}, 1e-12);
  const Goal goal;
  const Yardstick by = yardstickOf(goal, {"free", "in part"});
  const Course course(12, 45);
  model.solve(course.start);
  StressLimit limit(by, 2);
  const std::vector<Constraint> stress = limit(model, course.start);
  for (std::size_t c = 0; c < 2; ++c) {
    const double promised = course.promised(stress[c].derivative);
    CHECK(std::abs(promised) > 1e-3);
    CHECK(stressChange(model, course, by, c) == Approx(promised).epsilon(2e-3));
  }
}

TEST_CASE("a stress limit holds in a case that stiffness hardly counts, at the price of compliance") {
  auto mesh = cubes({12, 5, 5}, [](int, int) { return true; });
  const Shares shares = all(*mesh);
  const simulate::Operator K(*mesh);
  DesignCase down = bendAndStretch(*mesh)[0], aside = down;
  down.conditions.force = aside.conditions.force = K.zeros();
  for (int j = 0; j <= 5; ++j)
    for (int k = 0; k <= 5; ++k) {
      const std::int64_t n = mesh->nodeAt(12, j, k);
      down.conditions.force[static_cast<std::size_t>(2 * K.stride() + n)] = -0.01;
      aside.conditions.force[static_cast<std::size_t>(K.stride() + n)] = 0.01;
    }
  aside.weight = 1e-3;
  DensityModel model = modelOf(std::move(mesh), shares, {down, aside}, 1e-5, simulate::StopBy::Energy);
  const Goal goal;
  const Yardstick by = yardstickOf(goal, {"down", "aside"});
  struct Outcome {
    double compliance, peak, other_peak, volume;
  };
  const auto made = [&](double most_mpa) {
    Topology topology(model, {.radius_elements = 1.5, .by_asymptotes = true}, 0.5);
    if (most_mpa > 0) topology.limit(StressLimit(by, most_mpa));
    model.forget();
    for (int it = 0; it < 40; ++it) topology.advance(0.5);
    const std::vector<double> density = topology.densities();
    model.solve(density);
    return Outcome{model.works_n_mm()[0], peakStress_mpa(model, density, 1, by), peakStress_mpa(model, density, 0, by),
                   topology.volumeFraction()};
  };
  const Outcome stiff = made(0), safe = made(0.7 * stiff.peak);
  INFO(stiff.compliance << " N mm, " << stiff.peak << " and " << stiff.other_peak << " MPa; limited " << safe.compliance
                        << " N mm, " << safe.peak << " and " << safe.other_peak << " MPa, " << safe.volume);
  CHECK(safe.peak < 0.72 * stiff.peak);
  CHECK(safe.other_peak < 0.72 * stiff.peak);
  CHECK(safe.volume < 0.505);
  CHECK(safe.compliance > stiff.compliance);
  CHECK(safe.compliance < 1.5 * stiff.compliance);
}

TEST_CASE("a design that shall not be stiffer than bone ends just as stiff, and leaves material out") {
  auto mesh = cubes({12, 3, 6}, [](int, int) { return true; });
  const Shares shares = all(*mesh);
  const auto cases = bendAndStretch(*mesh);
  DensityModel model = modelOf(std::move(mesh), shares, {cases[0]}, 1e-6);
  const Goal goal;
  Yardstick by = yardstickOf(goal, {"bend"});
  model.solve(std::vector<double>(shares.body.size(), 1.0));
  by.bone_works_n_mm = {5 * model.works_n_mm()[0]};  // bone of a fifth of the solid's modulus
  Topology topology(model, {.radius_elements = 1.5, .by_asymptotes = true}, 0.8);
  topology.limit([&by](DensityModel& own, const std::vector<double>&) { return stiffnessLimit(own, by, 1); });
  for (int it = 0; it < 40; ++it) topology.advance(0.8);
  model.solve(topology.densities());
  CHECK(stiffnessRatio(model, by, 0) == Approx(1).epsilon(0.01));
  CHECK(topology.volumeFraction() < 0.8);
}
