#pragma once
#include <vector>

namespace osteo::design_scaffold {

/// What a step of optimality criteria is taken by.
struct CriteriaStep {
  const std::vector<double>& objective;  ///< its derivative, negative where more material helps
  const std::vector<double>& volume;     ///< its derivative, positive
  double wanted_volume = 0;              ///< of Σ volume · design
  double low = 0, high = 1;              ///< of a design variable
  double move = 0.2;                     ///< largest change of one
};

/// The next design by optimality criteria (Bendsøe, Sigmund, Topology Optimization, 2003, section 1.2): each variable
/// times the root of what it brings over what it costs, within the move, the multiplier bisected until the volume is
/// met.
std::vector<double> nextDesign(const std::vector<double>& design, const CriteriaStep& step);

}  // namespace osteo::design_scaffold
