#pragma once
#include <Eigen/Core>
#include <cstdint>

#include "core/random.h"

namespace osteo::phantom {

/// Random choices, one after the other, from one stream of a seed.
class Draw {
 public:
  explicit Draw(std::uint64_t seed, std::uint64_t stream = 0) : random_(seed, stream) {}
  double between(double low, double high) { return low + (high - low) * random_.uniform(next_++); }
  bool chance(double probability) { return random_.uniform(next_++) < probability; }
  int pick(int count) { return static_cast<int>(random_.uniform(next_++) * count); }
  double sign() { return chance(0.5) ? 1.0 : -1.0; }
  Eigen::Vector3d direction();
  /// A seed for what draws on its own.
  std::uint64_t seed() { return static_cast<std::uint64_t>(random_.uniform(next_++) * 0x1.0p53); }

 private:
  core::Random random_;
  std::uint64_t next_ = 0;
};

}  // namespace osteo::phantom
