#pragma once
#include <Eigen/Dense>
#include <vector>

namespace osteo::reconstruct {

/// A smoothing spline in space: sum of weights · kernel(|p − centre|) and a polynomial.
class Spline {
 public:
  /// −r with a constant; r² log r with a linear polynomial; exp(−r/reach) with a constant, to which it fades.
  enum class Kernel { Biharmonic, ThinPlate, Fading };
  /// Least bending energy through `values` at `points`; `smoothing` (in units of the kernel at the points' own scale)
  /// lets it miss them; `reach_mm` is that of the fading kernel. O(n³) for n points.
  Spline(Kernel kernel, const std::vector<Eigen::Vector3d>& points, const std::vector<double>& values, double smoothing,
         double reach_mm = 1);
  double operator()(const Eigen::Vector3d& p) const;

 private:
  Eigen::VectorXd polynomial(const Eigen::Vector3d& q) const;
  double kernel(double squared) const;
  Kernel kind_;
  std::vector<Eigen::Vector3d> centres_;  ///< normalised to the unit ball
  Eigen::VectorXd weights_;
  Eigen::Vector3d middle_ = Eigen::Vector3d::Zero();
  double scale_ = 1, reach_ = 1;
};

}  // namespace osteo::reconstruct
