#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "design_scaffold/periodic_distance.h"

namespace osteo::design_scaffold {

/// A spinodoid: the level set of a Gaussian random field of one wavelength, Φ(x) = √(2/N) Σ cos(k_n·x + γ_n), whose
/// wave vectors lie within cones around the axes (Kumar, Tan, Zheng & Kochmann, npj Computational Materials 6:73,
/// 2020); solid where Φ < t, a sheet where |Φ| < t. The box of kWaves wavelengths repeats: wave vectors are those of
/// its Fourier series whose lengths lie within 8 % of kWaves.
constexpr int kWaves = 6;

/// Φ at the nodes. `cone_deg`: half-angles of the cones around x, y, z; 0: none there; 90 in any: all directions.
/// Throws Config when no wave vector is left.
std::vector<float> spinodoidField(PeriodicNodes nodes, const Eigen::Vector3d& cone_deg, std::uint64_t seed);

/// The level below which (network) or within which (sheet) the wanted share of the samples lies.
double spinodoidLevel(std::vector<float> field, bool is_sheet, double share);

}  // namespace osteo::design_scaffold
