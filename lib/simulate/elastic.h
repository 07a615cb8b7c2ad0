#pragma once
#include <Eigen/Core>

namespace osteo::simulate {

using Vector6d = Eigen::Matrix<double, 6, 1>;  ///< Voigt order xx yy zz yz xz xy, engineering shear strain

/// Cubic stiffness along the grid's axes, MPa; isotropic when c44 = (c11 − c12)/2.
struct Elastic {
  double c11 = 0, c12 = 0, c44 = 0;
};

/// Isotropic stiffness from Young's modulus (MPa) and Poisson's ratio.
inline Elastic isotropic(double modulus_mpa, double poisson) {
  const double c44 = modulus_mpa / (2 * (1 + poisson));
  const double c12 = modulus_mpa * poisson / ((1 + poisson) * (1 - 2 * poisson));
  return {c12 + 2 * c44, c12, c44};
}

inline Elastic operator*(double factor, const Elastic& e) { return {factor * e.c11, factor * e.c12, factor * e.c44}; }

/// Stress (MPa) of a strain.
inline Vector6d stressOf(const Elastic& e, const Vector6d& strain) {
  Vector6d stress = e.c44 * strain;
  const double trace = strain.head<3>().sum();
  for (int c = 0; c < 3; ++c) stress[c] = (e.c11 - e.c12) * strain[c] + e.c12 * trace;
  return stress;
}

}  // namespace osteo::simulate
