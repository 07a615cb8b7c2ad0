#pragma once
#include <algorithm>
#include <vector>

namespace osteo::core {

/// The value that `share` of the values lie below, without interpolation; 0 when there are none. O(n).
inline double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

}  // namespace osteo::core
