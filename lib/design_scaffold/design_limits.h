#pragma once
#include <memory>

#include "design_scaffold/response.h"
#include "design_scaffold/topology.h"

namespace osteo::design_scaffold {

/// Keeps the peak stress of walls, members and skin below a bound, in each case on its own: the logarithm of a mean of
/// powers, whose derivative takes an adjoint solve, steered so that it speaks of the 98th percentile (Le, Norato,
/// Bruns, Ha, Tortorelli, Stress-based topology optimization for continua, Struct Multidiscip Optim 41 (2010) 605-620).
class StressLimit {
 public:
  /// `by` has to outlive it.
  StressLimit(const Yardstick& by, double most_mpa);
  std::vector<Constraint> operator()(DensityModel& model, const std::vector<double>& density);

 private:
  struct Case {
    double steering = 0;    ///< percentile over mean of powers; 0: not known yet
    simulate::Field field;  ///< the adjoint displacements, a first guess of the next
  };
  const Yardstick& by_;
  double most_mpa_;
  std::vector<Case> cases_;
};

/// The mean of powers (10) of the stress over a bound of case c, with its derivatives by the densities and by the
/// displacements: those of its logarithm.
struct StressNorm {
  double value = 0;
  std::vector<double> by_density;
  simulate::Field by_displacement;
};
StressNorm stressNorm(const DensityModel& model, std::size_t c, const std::vector<double>& density, const Yardstick& by,
                      double most_mpa);

/// Keeps the stiffness, relative to bone's and the geometric mean over the cases, at `most` or below.
std::vector<Constraint> stiffnessLimit(const DensityModel& model, const Yardstick& by, double most);

/// Hands a topology the goals of a design that can hold while it is made: safety factor, peak stress, and the largest
/// stiffness ratio.
void limitBy(const Goal& goal, const Yardstick& by, Topology& topology);

}  // namespace osteo::design_scaffold
