#pragma once
#include <Eigen/Core>
#include <array>

namespace osteo::simulate {

using Vector6d = Eigen::Matrix<double, 6, 1>;  ///< Voigt order xx yy zz yz xz xy, engineering shear strain

/// Orthotropic stiffness along the grid's axes, MPa; 4, 5, 6 are yz, xz, xy.
struct Elastic {
  double c11 = 0, c12 = 0, c44 = 0, c22 = 0, c33 = 0, c13 = 0, c23 = 0, c55 = 0, c66 = 0;

  static constexpr int kEntries = 9;
  /// The entries in the order above: the first three are all that a cubic stiffness needs.
  double operator[](int entry) const {
    const std::array<double, kEntries> all = {c11, c12, c44, c22, c33, c13, c23, c55, c66};
    return all[static_cast<std::size_t>(entry)];
  }
  bool isCubic() const {
    return c22 == c11 && c33 == c11 && c13 == c12 && c23 == c12 && c55 == c44 && c66 == c44;
  }
};

/// Cubic stiffness; isotropic when c44 = (c11 − c12)/2.
inline Elastic cubic(double c11, double c12, double c44) { return {c11, c12, c44, c11, c11, c12, c12, c44, c44}; }

/// Isotropic stiffness from Young's modulus (MPa) and Poisson's ratio.
inline Elastic isotropic(double modulus_mpa, double poisson) {
  const double c44 = modulus_mpa / (2 * (1 + poisson));
  const double c12 = modulus_mpa * poisson / ((1 + poisson) * (1 - 2 * poisson));
  return cubic(c12 + 2 * c44, c12, c44);
}

inline Elastic operator*(double f, const Elastic& e) {
  return {f * e.c11, f * e.c12, f * e.c44, f * e.c22, f * e.c33, f * e.c13, f * e.c23, f * e.c55, f * e.c66};
}
inline Elastic operator+(const Elastic& a, const Elastic& b) {
  return {a.c11 + b.c11, a.c12 + b.c12, a.c44 + b.c44, a.c22 + b.c22, a.c33 + b.c33,
          a.c13 + b.c13, a.c23 + b.c23, a.c55 + b.c55, a.c66 + b.c66};
}

/// Stress (MPa) of a strain.
inline Vector6d stressOf(const Elastic& e, const Vector6d& s) {
  Vector6d stress;
  stress << e.c11 * s[0] + e.c12 * s[1] + e.c13 * s[2], e.c12 * s[0] + e.c22 * s[1] + e.c23 * s[2],
      e.c13 * s[0] + e.c23 * s[1] + e.c33 * s[2], e.c44 * s[3], e.c55 * s[4], e.c66 * s[5];
  return stress;
}

/// Moduli of the isotropic mean (Voigt's), MPa; exact for an isotropic stiffness.
inline double bulkModulus(const Elastic& e) { return (e.c11 + e.c22 + e.c33 + 2 * (e.c12 + e.c13 + e.c23)) / 9; }
inline double shearModulus(const Elastic& e) {
  return (e.c11 + e.c22 + e.c33 - e.c12 - e.c13 - e.c23) / 15 + (e.c44 + e.c55 + e.c66) / 5;
}
inline double youngsModulus(const Elastic& e) {
  const double k = bulkModulus(e), g = shearModulus(e);
  return 9 * k * g / (3 * k + g);
}

/// Whether every strain takes energy.
inline bool isPositive(const Elastic& e) {
  const double minor = e.c11 * e.c22 - e.c12 * e.c12;
  const double determinant = e.c11 * (e.c22 * e.c33 - e.c23 * e.c23) - e.c12 * (e.c12 * e.c33 - e.c23 * e.c13) +
                             e.c13 * (e.c12 * e.c23 - e.c22 * e.c13);
  return e.c11 > 0 && minor > 0 && determinant > 0 && e.c44 > 0 && e.c55 > 0 && e.c66 > 0 && determinant < 1e300;
}

}  // namespace osteo::simulate
