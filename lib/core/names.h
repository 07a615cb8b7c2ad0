#pragma once
#include <string>
#include <vector>

namespace osteo::core {

/// The nearest known name by edit distance, or "" when none is near.
std::string didYouMean(const std::string& word, const std::vector<std::string>& known);

}  // namespace osteo::core
