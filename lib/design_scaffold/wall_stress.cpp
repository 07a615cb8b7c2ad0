#include "design_scaffold/wall_stress.h"

namespace osteo::design_scaffold {

using simulate::Vector6d;

std::array<double, 3> strainParts(const Vector6d& strain) {
  const double mean = strain.head<3>().mean();
  const Eigen::Vector3d deviator = strain.head<3>().array() - mean;
  return {3 * mean * mean, deviator.squaredNorm(), strain.tail<3>().squaredNorm()};
}

Vector6d byStrain(const StressForm& form, const Vector6d& strain) {
  const double mean = strain.head<3>().mean();
  Vector6d out;
  out.head<3>() = 2 * form.value[1] * (strain.head<3>().array() - mean) + 2 * form.value[0] * mean;
  out.tail<3>() = 2 * form.value[2] * strain.tail<3>();
  return out;
}

StressForm solidStress(double shear_mpa) {
  // 3/2 s : s of s = 2 G e; of shear strains each counts twice, and half.
  return {{0, 6 * shear_mpa * shear_mpa, 3 * shear_mpa * shear_mpa}, {}};
}

StressForm relaxedStress(double shear_mpa, double density) {
  StressForm out = solidStress(shear_mpa);
  out.derivative = out.value;
  for (double& v : out.value) v *= density;
  return out;
}

}  // namespace osteo::design_scaffold
