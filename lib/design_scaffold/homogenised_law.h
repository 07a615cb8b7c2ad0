#pragma once
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "design_scaffold/density_model.h"
#include "design_scaffold/lattice.h"
#include "design_scaffold/wall_stress.h"

namespace osteo::design_scaffold {

/// What a lattice is like at one volume fraction; relative to its solid's Young's modulus and to its cell's edge.
struct LatticePoint {
  std::array<double, 3> stiffness;  ///< c11, c12, c44 over the modulus
  /// Mean square of von Mises' stress in the walls per strain, over the modulus: of a volume change, of an axial and of
  /// a shear deviator.
  std::array<double, 3> stress_squared;
  double peak_ratio = 1;        ///< 98th percentile over root mean square of that stress, of pull or shear, the larger
  double permeability = 0;      ///< Darcy's, over the cell squared
  double area = 0;              ///< surface per volume, times the cell
  double wall = 0, window = 0;  ///< diameters of the balls that travel through the solid and through the pores
  double pore = 0;              ///< diameter of the largest ball in the pores
};

/// A lattice by its volume fraction: resolved cells at a few fractions (periodic homogenisation, flow), interpolated by
/// monotone cubics of the logarithms (Fritsch, Carlson, SIAM Journal on Numerical Analysis 17 (1980) 238-246).
/// Stiffness is taken as cubic: that of lattices without cubic symmetry is averaged over the axes.
class HomogenisedLaw {
 public:
  /// Over the range of volume fractions, for a solid with this Poisson's ratio. Throws as Lattice does.
  HomogenisedLaw(const LatticeSpec& spec, double low, double high, double poisson);

  double low() const { return fraction_.front(); }
  double high() const { return fraction_.back(); }
  LatticePoint at(double fraction) const;
  /// c11, c12, c44 over the solid's own entries, and their derivatives.
  RelativeStiffness relative(double fraction) const;
  /// 98th percentile of von Mises' stress in the walls under a mean strain (Voigt, engineering shear), over the
  /// modulus.
  double peakStress(double fraction, const simulate::Vector6d& strain) const;
  /// The square of that percentile over the modulus squared, by the parts of a strain.
  StressForm stressForm(double fraction) const;
  /// The cells that were resolved, for the record.
  nlohmann::json describe() const;

 private:
  static constexpr int kProperties = 12;
  std::vector<double> fraction_;
  std::vector<std::array<double, kProperties>> log_, slope_;  ///< of each property over ln(fraction)
  std::array<double, 3> solid_;                               ///< c11, c12, c44 of the solid over its modulus
  double interpolated(int property, double fraction, double* derivative = nullptr) const;
  void findSlopes();
};

/// The law as the stiffness of a design; it has to outlive what is returned.
DensityLaw densityLaw(const HomogenisedLaw& law, const simulate::Elastic& solid);

}  // namespace osteo::design_scaffold
