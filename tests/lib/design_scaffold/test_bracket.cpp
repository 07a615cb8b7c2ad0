#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "design_scaffold/design_limits.h"
#include "simulate/brick.h"
#include "simulate/failure.h"

using namespace osteo;
using namespace osteo::design_scaffold;

namespace {

const SolidPhase kSolid{"solid", 1, 0.3, 1};
const std::string kCase = "tip";

/// The classical L: hung up by its upper end, pulled down by 1 N at the tip, one element deep. x along the lower arm, z
/// along the upright one, arms two fifths of a side wide.
struct Bracket {
  int side, arm;
  double radius;
  std::unique_ptr<DensityModel> model;
};

Bracket bracketOf(int side, double radius) {
  Bracket out{side, 2 * side / 5, radius, nullptr};
  simulate::Filling filling;
  filling.frame.size = {side, 1, side};
  filling.frame.spacing_mm.setConstant(1);
  filling.frame.origin_mm.setConstant(0.5);
  for (int k = 0; k < side; ++k)
    for (int i = 0; i < side; ++i) filling.material.push_back(i < out.arm || k < out.arm ? 1 : 0);
  const simulate::Elastic solid = simulate::isotropic(kSolid.modulus_mpa, kSolid.poisson);
  auto mesh = std::make_unique<simulate::VoxelModel>(
      simulate::buildModel(filling, [&](std::uint16_t, float, float) { return solid; }));
  const simulate::Operator K(*mesh);
  const int patch = std::max(2, side / 12);
  DesignCase tip;
  tip.conditions.force = K.zeros();
  simulate::forEachNode(*mesh, [&](std::int64_t n, int i, int, int k) {
    for (int axis = 0; k == side && axis < 3; ++axis) tip.conditions.fixed.push_back({axis * K.stride() + n, 0});
    if (i == side && k >= out.arm - patch)
      tip.conditions.force[static_cast<std::size_t>(2 * K.stride() + n)] =
          (k == out.arm - patch || k == out.arm ? -0.25 : -0.5) / patch;
  });
  simulate::SolveOptions options;
  options.tolerance = 1e-4;
  options.stop = simulate::StopBy::Energy;
  const auto elements = static_cast<std::size_t>(mesh->elements);
  const Shares shares{std::vector<double>(elements, 1.0), std::vector<double>(elements, 0.0)};
  out.model = std::make_unique<DensityModel>(std::move(mesh), simpLaw(solid, 3, 1e-6), shares,
                                             std::vector<DesignCase>{tip}, options);
  return out;
}

struct Outcome {
  double compliance, p98_mpa, corner_mpa, volume, eroded;
};

/// Von Mises stress of the solid within an eighth of the side around the inner corner, the largest.
double cornerStress_mpa(const Bracket& bracket, const std::vector<double>& density) {
  const DensityModel& model = *bracket.model;
  double most = 0;
  simulate::forEachElement(model.model(), [&](std::int64_t e, int i, int, int k, const auto& nodes) {
    const bool is_near = std::max(std::abs(i - bracket.arm), std::abs(k - bracket.arm)) < bracket.side / 8;
    if (!is_near || density[static_cast<std::size_t>(e)] < 0.5) return;
    const auto strain = simulate::centreStrain(model.displacements_mm()[0].data(), model.stiffness().stride(), nodes,
                                               model.model().frame.spacing_mm);
    most = std::max(most, simulate::vonMises(simulate::stressOf(model.law().solid, strain)));
  });
  return most;
}

/// The design of a bracket as the loop makes solid ones; 0 MPa: no limit.
Outcome made(const Bracket& bracket, double most_mpa, int steps) {
  constexpr double kVolume = 0.4;
  DensityModel& model = *bracket.model;
  const Goal goal;
  Yardstick by{goal, nullptr, kSolid};
  by.cases = {kCase};
  DesignRules rules;
  rules.radius_elements = bracket.radius;
  rules.move = 0.1;
  rules.is_projected = true;
  rules.margin = 0.25;
  rules.by_asymptotes = true;
  Topology topology(model, rules, kVolume);
  if (most_mpa > 0) topology.limit(StressLimit(by, most_mpa));
  model.forget();
  for (int step = 0; step < steps; ++step) {
    topology.sharpen(sharpnessAt(step, steps));
    topology.advance(kVolume);
  }
  topology.settle(kVolume);
  Outcome out{};
  model.solve(topology.densities(Topology::Made::Eroded));
  out.eroded = model.works_n_mm()[0];
  const std::vector<double> density = topology.densities();
  model.solve(density);
  out.compliance = model.works_n_mm()[0];
  out.p98_mpa = peakStress_mpa(model, density, 0, by);
  out.corner_mpa = cornerStress_mpa(bracket, density);
  out.volume = topology.volumeFraction();
  return out;
}

}  // namespace

TEST_CASE("a stress limit relieves the inner corner of an L at equal volume") {
  const Bracket bracket = bracketOf(40, 2);
  const Outcome stiff = made(bracket, 0, 45), safe = made(bracket, 0.8 * stiff.p98_mpa, 45);
  INFO("stiff " << stiff.compliance << " N mm, " << stiff.p98_mpa << " MPa, " << stiff.corner_mpa
                << " at the corner; safe " << safe.compliance << ", " << safe.p98_mpa << ", " << safe.corner_mpa
                << ", eroded " << safe.eroded);
  CHECK(safe.volume == Approx(stiff.volume).margin(0.002));
  CHECK(safe.p98_mpa < 0.82 * stiff.p98_mpa);
  CHECK(safe.corner_mpa < 0.85 * stiff.corner_mpa);
  CHECK(safe.compliance < 1.1 * stiff.compliance);
  CHECK(safe.eroded < 10 * safe.compliance);  // in one piece
}

// scripts/bench/design_scaffold_bracket runs it.
TEST_CASE("the L at the size of the literature", "[.][bracket]") {
  const Bracket bracket = bracketOf(100, 4);
  const Outcome stiff = made(bracket, 0, 100);
  const auto tell = [](double share, const Outcome& o) {
    std::printf("share %.2f compliance %.5g p98 %.5g corner %.5g volume %.4f eroded %.5g\n", share, o.compliance,
                o.p98_mpa, o.corner_mpa, o.volume, o.eroded);
    std::fflush(stdout);
  };
  tell(1, stiff);
  for (const double share : {0.9, 0.8, 0.7}) tell(share, made(bracket, share * stiff.p98_mpa, 100));
}
