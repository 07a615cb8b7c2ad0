#pragma once
#include <Eigen/Core>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "simulate/materials.h"
#include "simulate/results.h"

namespace osteo::simulate {

/// Symmetric tensor of a Voigt vector; shear entries are multiplied by `shear` (½ for engineering strains).
Eigen::Matrix3d tensorOf(const Vector6d& voigt, double shear);
/// Eigenvalues, the largest first.
Eigen::Vector3d principalValues(const Eigen::Matrix3d& tensor);
double vonMises(const Vector6d& stress);

/// Share of the material's limit by its own criterion; 0 without one.
double demandOf(const Material& material, const Vector6d& stress, const Eigen::Vector3d& principal_strains);
const char* criterionName(Criterion criterion);

/// Whether failure laws of bone may speak of the material: bone by its criterion, or the plain one of a standard test.
bool isBone(const Material& material);

/// Weibull's probability that a brittle material of the list breaks, 1 − exp(−Σ (V/V0) (σ1/σ0)^m) over its elements
/// with σ1 in tension only (Weibull, J Appl Mech 18 (1951) 293-297), and the factor on the load at which it is 1 %.
nlohmann::json weibull(const VoxelModel& model, const ElementResults& results, const std::vector<Filler>& fillers,
                       std::size_t filler);

/// Share of the fatigue strength that cycles between the case and `cycle_ratio` times the case ask for: signed von
/// Mises stress (sign of the hydrostatic part), Goodman's equivalent fully reversed amplitude with a mean in tension
/// only. At most kBreaksAtOnce, where the mean reaches the ultimate strength.
double fatigueDemand(const Filler& filler, const Vector6d& stress, double cycle_ratio);
constexpr double kBreaksAtOnce = 1e6;

/// Safety and life of a material from its elements' demands (those that count): keys of the record.
nlohmann::json fatigueOf(const Filler& filler, const std::vector<float>& demands, double cycle_ratio);

}  // namespace osteo::simulate
