#pragma once
#include <cstdint>
#include <string>

#include "core/random.h"

namespace osteo::fuzz {

/// A stream of whole numbers that depends on the seed alone.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed, 17) {}
  /// From 0 to n - 1; 0 when n is 0.
  std::size_t below(std::size_t n) {
    return n == 0 ? 0 : static_cast<std::size_t>(random_.uniform(next_++) * static_cast<double>(n));
  }

 private:
  core::Random random_;
  std::uint64_t next_ = 0;
};

/// One to six changes: bits and bytes, numbers of 2, 4 and 8 bytes set to extremes, numbers in text made huge,
/// negative, NaN or empty, blocks cut out, doubled, swapped, taken from `other`, and the end cut off. At most 64 KiB
/// longer.
std::string mutate(const std::string& good, const std::string& other, Dice& dice);

}  // namespace osteo::fuzz
