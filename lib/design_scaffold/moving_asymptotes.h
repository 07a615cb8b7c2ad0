#pragma once
#include <vector>

namespace osteo::design_scaffold {

/// A function of a design that has to stay at 0 or below.
struct Constraint {
  double value = 0;
  std::vector<double> derivative;
};

/// The method of moving asymptotes (Svanberg, The method of moving asymptotes: a new method for structural
/// optimization, International Journal for Numerical Methods in Engineering 24 (1987) 359-373): each step solves a
/// convex, separable problem whose asymptotes close in where a variable swings and move out where it goes on. Several
/// constraints may hold at once; a start that breaks them is led back.
class MovingAsymptotes {
 public:
  struct Bounds {
    double low = 0, high = 1;  ///< of a variable
    double move = 0.2;         ///< largest change of one in a step
  };
  explicit MovingAsymptotes(const Bounds& bounds) : bounds_(bounds) {}

  /// The next design, from the derivative of what shall become small. Functions may have any scale.
  std::vector<double> next(const std::vector<double>& design, const std::vector<double>& objective,
                           const std::vector<Constraint>& constraints);
  /// The constraints' multipliers in the last step, in units of the objective over theirs.
  const std::vector<double>& multipliers() const { return multipliers_; }

 private:
  Bounds bounds_;
  std::vector<double> before_, earlier_;  ///< the last two designs
  std::vector<double> lower_, upper_;     ///< asymptotes
  std::vector<double> multipliers_;

  void moveAsymptotes(const std::vector<double>& design);
};

}  // namespace osteo::design_scaffold
