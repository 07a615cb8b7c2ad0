#pragma once
#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"

/// Smooth implicit primitives and their smooth unions (Ricci 1973; first-order distance after Taubin 1994).
namespace osteo::phantom {

/// Signed distance to an ellipsoid with the given semi-axes: exact for spheres, else to first order at the surface
/// (Taubin) but for the tips of long ones, where it is too short by up to a third; smooth down to near the centre.
template <int N>
double ellipsoidDistance(const Eigen::Matrix<double, N, 1>& p, const Eigen::Matrix<double, N, 1>& semi_axes) {
  constexpr double kSoftening = 0.05;  // keeps the slope from depending on the direction at the centre
  const Eigen::Matrix<double, N, 1> q = p.cwiseQuotient(semi_axes);
  const double least = semi_axes.minCoeff(), k2 = q.squaredNorm();
  const double slope2 = (q.cwiseQuotient(semi_axes).squaredNorm() + kSoftening / (least * least)) / (k2 + kSoftening);
  return (std::sqrt(k2) - 1) / std::sqrt(slope2);
}

/// Smooth minimum (a union with fillets of radius about `blend_mm`) of a few values.
template <std::size_t N>
double smoothMin(const double (&values)[N], double blend_mm) {
  double low = values[0];
  for (double value : values) low = std::min(low, value);
  double sum = 0;
  for (double value : values) {
    const double x = (low - value) / blend_mm;
    if (x > -40) sum += std::exp(x);
  }
  return low - blend_mm * std::log(sum);
}

template <std::size_t N>
double smoothMax(const double (&values)[N], double blend_mm) {
  double negated[N];
  for (std::size_t i = 0; i < N; ++i) negated[i] = -values[i];
  return -smoothMin(negated, blend_mm);
}

/// A smooth displacement field of seeded waves, 60 to 100 mm long: no two sides of what it bends stay alike.
class Warp {
 public:
  Warp(double amplitude_mm, std::uint64_t seed);
  Eigen::Vector3d operator()(const Eigen::Vector3d& p) const;

 private:
  struct Wave {
    Eigen::Vector3d k, shift;
    double phase;
  };
  std::vector<Wave> waves_;
};

/// A unit vector, uniform on the sphere, from numbers 2k and 2k + 1 of the stream.
Eigen::Vector3d seededDirection(const core::Random& random, std::uint64_t k);

}  // namespace osteo::phantom
