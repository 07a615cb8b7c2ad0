#include "design_scaffold/stiffness.h"

#include <Eigen/LU>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "simulate/effective.h"
#include "simulate/voxel_model.h"

namespace osteo::design_scaffold {

SolidPhase solidPhase(const ImplantLibrary& library, const std::string& name) {
  const simulate::Material& solid = library.at(name).solid;
  if (solid.modulus_mpa <= 0)
    throw core::Error(core::Exit::Config, {.what = name + " has no modulus of its own", .expected = "modulus_mpa"});
  return {name, solid.modulus_mpa, solid.poisson, solid.strength_mpa};
}

// Node samples in each element, smoothed over a step.
simulate::Filling elementsOf(const Cube& cube, int most) {
  int side = cube.nodes.side;
  for (int part = 2; side > most || cube.nodes.side % side != 0; ++part) {
    if (cube.nodes.side % part == 0) side = cube.nodes.side / part;
  }
  constexpr float kLeast = 0.02F;  // of an element; less would only make the system stiff
  simulate::Filling filling;
  filling.frame.size = Eigen::Vector3i::Constant(side);
  filling.frame.spacing_mm.setConstant(cube.size_mm / side);
  filling.is_periodic = true;
  const auto count = static_cast<std::size_t>(filling.frame.voxelCount());
  filling.value.resize(count);
  filling.material.resize(count);
  const int part = cube.nodes.side / side;
  core::parallelFor(side, [&](std::int64_t k) {
    for (int j = 0; j < side; ++j)
      for (int i = 0; i < side; ++i) {
        double sum = 0;
        for (int n = 0; n < part * part * part; ++n) {
          const std::size_t at = cube.nodes.at(part * i + n % part, part * j + n / part % part,
                                               part * static_cast<int>(k) + n / part / part);
          sum += std::clamp(0.5 - cube.distance_mm[at] / cube.step_mm(), 0.0, 1.0);
        }
        const auto share = static_cast<float>(sum / (part * part * part));
        const std::size_t e = static_cast<std::size_t>(i + side * (j + side * k));
        filling.value[e] = share;
        filling.material[e] = share >= kLeast ? 1 : 0;
      }
  });
  return filling;
}

nlohmann::json effectiveStiffness(const Cube& cube, const SolidPhase& solid, int side) {
  const simulate::Elastic base = simulate::isotropic(solid.modulus_mpa, solid.poisson);
  const simulate::VoxelModel model = simulate::buildModel(
      elementsOf(cube, side), [&](std::uint16_t, float value, float) { return static_cast<double>(value) * base; });
  const simulate::Operator stiffness(model);
  simulate::SolveOptions options;
  options.tolerance = 1e-5;
  nlohmann::json out = simulate::describeStiffness(simulate::effectiveStiffness(stiffness, "periodic", options), model);
  out.erase("volume_fraction");  // counts cut elements whole
  out["elements_along_edge"] = model.frame.size[0];
  return out;
}

double meanModulus_mpa(const nlohmann::json& stiffness) {
  simulate::Matrix6d c;
  for (int row = 0; row < 6; ++row)
    for (int column = 0; column < 6; ++column)
      c(row, column) = stiffness.at("stiffness_tensor_mpa").at(row).at(column).get<double>();
  const simulate::Matrix6d compliance = c.inverse();
  return (1 / compliance(0, 0) + 1 / compliance(1, 1) + 1 / compliance(2, 2)) / 3;
}

}  // namespace osteo::design_scaffold
