#include "design_scaffold/measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "core/progress.h"
#include "design_scaffold/flow.h"
#include "design_scaffold/thickness.h"
#include "design_scaffold/throat.h"
#include "design_scaffold/verdicts.h"
#include "levelset/components.h"

namespace osteo::design_scaffold {
namespace {

void reportDiameters(nlohmann::json& results, const std::string& name, const Diameters& diameters) {
  results[name] = diameters.mean_mm;
  results["p05_" + name] = diameters.p05_mm;
  results["p50_" + name] = diameters.p50_mm;
  results["p95_" + name] = diameters.p95_mm;
  results["max_" + name] = diameters.max_mm;
}

/// Pores that a ball of the powder's diameter can't leave: the solid grown by its radius closes them.
void reportPowder(nlohmann::json& results, const Design& made, double powder_mm) {
  const double reach = 0.5 * powder_mm, voxel = made.solid.voxel_mm();
  results["powder_mm"] = powder_mm;
  // Beyond the band a distance says nothing: voxels so fine see all that they can.
  const double radius = std::min(reach, (levelset::kHalfWidth_voxels - 1) * voxel);
  const levelset::Components pores(made.solid, levelset::Components::Side::Outside, radius);
  double trapped = 0;
  for (const levelset::Piece& piece : pores.pieces())
    if (!piece.reaches_border) trapped += piece.volume_mm3;
  results["trapped_powder_mm3"] = trapped;
  results["trapped_powder_tested_mm"] = 2 * radius;
}

void reportCube(nlohmann::json& results, const Cube& cube) {
  results["cube"] = {{"size_mm", cube.size_mm},
                     {"nodes_along_edge", cube.nodes.side},
                     {"porosity", cube.porosity()},
                     {"is_of_result", cube.is_of_result},
                     {"is_exact_period", cube.is_exact}};
}

/// Axes that have to be asked one by one; where x, y and z are alike, x stands for all.
int axesOf(const Design& made) {
  const LatticeType type = made.infill.spec().type;
  const bool is_alike = !made.infill.isGraded() && type != LatticeType::Voronoi && type != LatticeType::Spinodoid;
  return is_alike ? 1 : 3;
}

void reportFlow(nlohmann::json& results, const Design& made, const Cube& cube) {
  const int axes = axesOf(made);
  core::Progress progress("flow through the pores", 2 * axes);
  std::array<double, 3> k{}, tau{};
  bool converged = true;
  for (int axis = 0; axis < 3; ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    if (axis >= axes) {
      k[a] = k[0], tau[a] = tau[0];
      continue;
    }
    const Permeability flow = permeability(cube.distance_mm, cube.nodes, cube.step_mm(), axis);
    k[a] = flow.k_m2;
    converged = converged && flow.converged;
    progress.advance();
    tau[a] = tortuosity(cube.distance_mm, cube.nodes, cube.step_mm(), axis);
    progress.advance();
  }
  if (!converged) core::warn("the flow through the pores did not settle: permeability_m2 is a lower bound");
  results["permeability_m2"] = (k[0] + k[1] + k[2]) / 3;
  results["permeability_xyz_m2"] = k;
  const double mean = (tau[0] + tau[1] + tau[2]) / 3;
  if (std::isfinite(mean)) results["tortuosity"] = mean;
}

void reportThroat(nlohmann::json& results, const Cube& cube) {
  const std::array<double, 3> radii = throatRadii(cube.distance_mm, cube.nodes);
  results["throat_diameter_mm"] = 2 * *std::min_element(radii.begin(), radii.end());
  results["max_throat_diameter_mm"] = 2 * *std::max_element(radii.begin(), radii.end());
  results["throat_diameter_xyz_mm"] = {2 * radii[0], 2 * radii[1], 2 * radii[2]};
}

void reportFabric(nlohmann::json& results, const Cube& cube) {
  const Fabric fabric = fabricOf(cube);
  results["degree_of_anisotropy"] = fabric.anisotropy;
  results["mean_intercept_length_mm"] = {fabric.lengths_mm[0], fabric.lengths_mm[1], fabric.lengths_mm[2]};
}

void reportStiffness(nlohmann::json& results, const Cube& cube, const SolidPhase& solid, int elements) {
  core::Progress progress("stiffness", 1);
  const nlohmann::json stiffness = effectiveStiffness(cube, solid, elements);
  const double modulus = meanModulus_mpa(stiffness);
  results["material"] = solid.name;
  results["solid_modulus_mpa"] = solid.modulus_mpa;
  results["stiffness_tensor_mpa"] = stiffness.at("stiffness_tensor_mpa");
  results["homogenisation"] = stiffness;
  results["homogenisation"].erase("stiffness_tensor_mpa");
  results["effective_modulus_mpa"] = modulus;
  results["relative_modulus"] = modulus / solid.modulus_mpa;
  results["strain_at_1_mpa_microstrain"] = 1e6 / modulus;
  if (solid.yield_mpa > 0)  // Gibson & Ashby, Cellular Solids, 1997: open-cell foams that yield in bending
    results["estimated_yield_mpa"] = 0.3 * std::pow(1 - cube.porosity(), 1.5) * solid.yield_mpa;
}

void reportFeatures(nlohmann::json& results, const Thickness& thickness, const Process& process) {
  reportDiameters(results, "wall_thickness_mm", thickness.wall);
  reportDiameters(results, "pore_diameter_mm", thickness.pore);
  results["smallest_feature_mm"] = thickness.wall.p05_mm;
  results["smallest_printable_feature_mm"] = process.smallest_feature_mm;
  if (thickness.wall.p05_mm > 0 && thickness.wall.p05_mm < process.smallest_feature_mm)
    core::warn(
        fmt::format("a twentieth of the walls is thinner than {:.3g} mm, and the process prints no less than {} mm",
                    thickness.wall.p05_mm, process.smallest_feature_mm));
}

}  // namespace

Measured measuredNamed(const std::string& name) {
  return name == "shape" ? Measured::Shape : name == "pores" ? Measured::Pores : Measured::All;
}

void measure(Design& made, Measured measured, const SolidPhase& solid, const Process& process,
             nlohmann::json& results) {
  if (measured == Measured::Shape) return;
  const Thickness thickness = measureThickness(made.solid, made.envelope);
  reportFeatures(results, thickness, process);
  if (thickness.wall.mean_mm > 0) made.solid.setMeta("wall_mm", fmt::format("{:.6g}", thickness.wall.mean_mm));
  reportPowder(results, made, process.powder_mm);
  if (measured == Measured::Pores || made.infill.isShape()) return;  // a shape has no cell that stands for it
  constexpr int kNodes = 64, kElements = 32;
  const bool is_foam = made.infill.lattice().cells() > 1;
  const Cube cube = representativeCube(made, is_foam ? 12 : kNodes);
  reportCube(results, cube);
  reportThroat(results, cube);
  reportFlow(results, made, cube);
  reportFabric(results, cube);
  reportStiffness(results, cube, solid, is_foam ? 72 : kElements);
  results["verdicts"] = verdicts(results);
}

}  // namespace osteo::design_scaffold
