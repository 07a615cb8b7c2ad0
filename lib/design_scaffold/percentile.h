#pragma once
#include <algorithm>
#include <utility>
#include <vector>

namespace osteo::design_scaffold {

/// The value below which a share (0 to 1) of all weight lies, of pairs of value and weight; 0 for none.
inline double weightedPercentile(std::vector<std::pair<double, double>> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  double all = 0, sum = 0;
  for (const auto& [value, weight] : values) all += weight;
  for (const auto& [value, weight] : values)
    if ((sum += weight) >= share * all) return value;
  return values.back().first;
}

}  // namespace osteo::design_scaffold
