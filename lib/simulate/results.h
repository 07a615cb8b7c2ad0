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
  std::vector<float> shielding;         ///< change of strain energy density against the intact bone; empty without one
  std::vector<float> displacement;      ///< 3 per element, mean of its nodes, mm
  std::vector<float> demand;            ///< share of the material's limit by its own criterion; 0 without one
  std::vector<float> fatigue;           ///< the same for cycles of the case; empty when no material says its strength
};

/// What is asked of the results beyond the solution.
struct Evaluation {
  double smoothing_mm = 0;  ///< radius over which peaks are averaged; 0: 1.5 elements
  double cycle_ratio = 0;   ///< R: the case cycles between itself and R times itself
};

ElementResults evaluate(const Operator& K, const Field& u, const std::vector<Filler>& fillers,
                        const Evaluation& evaluation = {});

/// The record of a case: reactions, energies and their balance, peaks as percentiles, safety factors.
nlohmann::json summarise(const Operator& K, const Conditions& conditions, const Field& u, const ElementResults& results,
                         const std::vector<Filler>& fillers, const Evaluation& evaluation = {});

/// Value below which the share p of the values lies (nearest rank); 0 for none.
double percentile(std::vector<float> values, double p);

}  // namespace osteo::simulate
