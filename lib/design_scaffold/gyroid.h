#pragma once
#include <Eigen/Core>
#include <string>

namespace osteo::design_scaffold {

/// Which side of the gyroid is solid: the network G < t (t in ±1.5), or the sheet |G| < t (t in 0…1.5).
enum class Kind { Network, Sheet };

/// Schoen's gyroid by its usual nodal approximation (Schoen, NASA TN D-5541, 1970; von Schnering & Nesper, Z Phys B 83,
/// 1991), G(u) = sin x cos y + sin y cos z + sin z cos x, with u in radians (2π per cell).
double gyroid(const Eigen::Vector3d& u);
/// The same with its gradient, for the price of one.
double gyroid(const Eigen::Vector3d& u, Eigen::Vector3d& gradient);

/// The solid share of the periodic unit cell, exact to 1e-9: the integral over z is closed, those over x and y are done
/// by Gauss–Legendre quadrature between the known points where the integrand isn't smooth.
double volumeFraction(Kind kind, double t);

/// The iso value t whose volume fraction is the wanted one, by bisection with inverse interpolation (Ridders 1979).
/// Throws Usage unless the fraction lies in kMinFraction…kMaxFraction.
double isoValue(Kind kind, double volume_fraction);

/// Outside of this range a gyroid network falls apart or closes its pores (|t| > √2: VF 0.0167 and 0.9833).
constexpr double kMinFraction = 0.05, kMaxFraction = 0.95;

}  // namespace osteo::design_scaffold
