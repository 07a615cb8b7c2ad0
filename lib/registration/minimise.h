#pragma once
#include <Eigen/Core>
#include <functional>

namespace osteo::registration {

struct MinimiseOptions {
  int max_iterations = 100;
  double first_step = 1;    ///< largest change of a parameter in the first step
  double largest_step = 4;  ///< and in any other
  double tolerance = 1e-3;  ///< ends when no parameter changes by more
};

/// Value at `x`; fills the gradient, which has the size of `x`.
using Objective = std::function<double(const Eigen::VectorXd& x, Eigen::VectorXd& gradient)>;

/// Goes down from `x` by L-BFGS with eight pairs and backtracking (Nocedal & Wright 2006, algorithms 7.4 and 3.1);
/// returns the value reached. `objective` may be infinite where a parameter makes no sense.
double minimise(const Objective& objective, Eigen::VectorXd& x, const MinimiseOptions& options);

}  // namespace osteo::registration
