#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "simulate/conditions.h"
#include "simulate/materials.h"

namespace osteo::simulate {

/// What one solved case holds per element, in LPS. Stress is that of the solid material: the element's divided by its
/// solid fraction, so that boundary elements are comparable and a homogenised lattice shows the mean stress of its
/// walls.
struct ElementResults {
  std::vector<float> stress;            ///< 6 per element, Voigt, MPa
  std::vector<float> von_mises;         ///< MPa
  std::vector<float> principal_strain;  ///< 3 per element, largest first
  std::vector<float> energy;            ///< strain energy per volume of the element, MPa
  std::vector<float> displacement;      ///< 3 per element, mean of its nodes, mm
  std::vector<float> demand;            ///< share of the material's limit by its own criterion; 0 without one
};
ElementResults evaluate(const Operator& K, const Field& u, const std::vector<Filler>& fillers);

/// The record of a case: reactions, energies and their balance, peaks as percentiles, safety factors.
nlohmann::json summarise(const Operator& K, const Conditions& conditions, const Field& u, const ElementResults& results,
                         const std::vector<Filler>& fillers);

/// A field of a case as values on the model's grid, channel fastest: von_mises, stress, displacement, sed (strain
/// energy density, MPa) or principal_strain; 0 where there is no element.
std::vector<float> fieldOnGrid(const VoxelModel& model, const ElementResults& results, const std::string& name,
                               int& channels);

/// Names that fieldOnGrid knows.
const std::vector<std::string>& fieldNames();

/// Value below which the share p of the values lies (nearest rank); 0 for none.
double percentile(std::vector<float> values, double p);

}  // namespace osteo::simulate
