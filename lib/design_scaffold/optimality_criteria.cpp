#include "design_scaffold/optimality_criteria.h"

#include <algorithm>
#include <cmath>

namespace osteo::design_scaffold {

std::vector<double> nextDesign(const std::vector<double>& design, const CriteriaStep& step) {
  constexpr double kSettled = 1e-4;
  constexpr double kCheapest = 1e-9;
  constexpr int kDoublings = 60, kHalvings = 100;
  const std::size_t n = design.size();
  std::vector<double> root(n), next(n);
  // Where a projection is flat a variable costs nothing, and brings nothing either.
  const double dearest = n > 0 ? *std::max_element(step.volume.begin(), step.volume.end()) : 0;
  double sum = 0;
  for (std::size_t e = 0; e < n; ++e) {
    const double cost = std::max(step.volume[e], kCheapest * dearest);
    root[e] = step.volume[e] > 0 ? design[e] * std::sqrt(std::max(0.0, -step.objective[e] / cost)) : 0.0;
    sum += step.volume[e] * root[e];
  }
  const auto volumeFor = [&](double multiplier) {
    double volume = 0;
    for (std::size_t e = 0; e < n; ++e) {
      const double most = std::min(step.high, design[e] + step.move), least = std::max(step.low, design[e] - step.move);
      next[e] = step.volume[e] > 0 ? std::clamp(root[e] / multiplier, least, most) : design[e];
      volume += step.volume[e] * next[e];
    }
    return volume;
  };
  if (!(sum > 0) || !(step.wanted_volume > 0)) return design;
  double low = 0, high = sum / step.wanted_volume;
  // What the move keeps may be more than is wanted, whatever the multiplier: then the smallest volume has to do.
  for (int k = 0; k < kDoublings && volumeFor(high) > step.wanted_volume; ++k) low = high, high *= 2;
  // Nor may the move reach it from below: then the largest has to do, and the multiplier is not halved for ever.
  for (int k = 0; k < kHalvings && (high - low) / (high + low) > kSettled; ++k) {
    const double middle = 0.5 * (low + high);
    (volumeFor(middle) > step.wanted_volume ? low : high) = middle;
  }
  return next;
}

}  // namespace osteo::design_scaffold
