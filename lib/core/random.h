#pragma once
#include <cmath>
#include <cstdint>

namespace osteo::core {

/// SplitMix64 finaliser (Steele, Lea, Flood 2014): a 64-bit hash whose output passes as random.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Counter-based random numbers: value k of stream s under a seed depends on (seed, s, k) alone, so that parallel loops
/// give the same numbers for any thread count.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0)
      : key_(mix(mix(seed) ^ (stream * 0xd1342543de82ef95ULL))) {}
  /// Uniform in [0, 1).
  double uniform(std::uint64_t k) const { return static_cast<double>(mix(key_ ^ mix(k)) >> 11) * 0x1.0p-53; }
  /// Standard normal by Box–Muller.
  double normal(std::uint64_t k) const {
    constexpr double kTwoPi = 6.283185307179586;
    return std::sqrt(-2.0 * std::log(1.0 - uniform(2 * k))) * std::cos(kTwoPi * uniform(2 * k + 1));
  }

 private:
  std::uint64_t key_;
};

}  // namespace osteo::core
