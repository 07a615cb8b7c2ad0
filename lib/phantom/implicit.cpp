#include "phantom/implicit.h"

#include <numbers>

namespace osteo::phantom {

using Eigen::Vector3d;

Vector3d seededDirection(const core::Random& random, std::uint64_t k) {
  const double z = 2 * random.uniform(2 * k) - 1, phi = 2 * std::numbers::pi * random.uniform(2 * k + 1);
  const double rho = std::sqrt(std::max(0.0, 1 - z * z));
  return {rho * std::cos(phi), rho * std::sin(phi), z};
}

Warp::Warp(double amplitude_mm, std::uint64_t seed) {
  const core::Random random(seed, 11);
  for (std::uint64_t i = 0; i < 4; ++i) {
    const double length_mm = 60 + 40 * random.uniform(100 + i);
    waves_.push_back({2 * std::numbers::pi / length_mm * seededDirection(random, i),
                      amplitude_mm * std::sqrt(0.5) * seededDirection(random, 20 + i),
                      2 * std::numbers::pi * random.uniform(200 + i)});
  }
}

Vector3d Warp::operator()(const Vector3d& p) const {
  Vector3d out = p;
  for (const Wave& wave : waves_) out += std::sin(wave.k.dot(p) + wave.phase) * wave.shift;
  return out;
}

}  // namespace osteo::phantom
