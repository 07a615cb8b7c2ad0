#pragma once
#include <array>

#include "simulate/elastic.h"

namespace osteo::design_scaffold {

/// Von Mises' stress squared under a mean strain, by three parts of it: its volume change, axial and shear deviator.
struct StressForm {
  std::array<double, 3> value, derivative;  ///< the derivative by the density
};

/// Squares of the parts of a strain (Voigt, engineering shear) that a form weighs.
std::array<double, 3> strainParts(const simulate::Vector6d& strain);
/// The derivative of the form's sum by the strain.
simulate::Vector6d byStrain(const StressForm& form, const simulate::Vector6d& strain);
inline double weighed(const std::array<double, 3>& form, const std::array<double, 3>& parts) {
  return form[0] * parts[0] + form[1] * parts[1] + form[2] * parts[2];
}

/// Of a solid with this shear modulus.
StressForm solidStress(double shear_mpa);
/// Of solid members of a density: the solid's stress times the root of the density, so that what vanishes may carry no
/// stress (Bruggi, On an alternative approach to stress constraints relaxation in topology optimization, Struct
/// Multidiscip Optim 36 (2008) 125-141).
StressForm relaxedStress(double shear_mpa, double density);

}  // namespace osteo::design_scaffold
