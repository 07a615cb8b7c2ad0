#include "design_scaffold/spinodoid.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "core/error.h"
#include "core/random.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using Eigen::Vector3i;

struct Wave {
  Vector3i periods;  ///< in the box
  double phase;
};

bool isInCones(const Vector3d& direction, const Vector3d& cone_deg) {
  for (int axis = 0; axis < 3; ++axis)
    if (cone_deg[axis] > 0 && std::abs(direction[axis]) >= std::cos(cone_deg[axis] * std::numbers::pi / 180) - 1e-12)
      return true;
  return false;
}

/// One of each pair of opposite vectors.
std::vector<Wave> wavesWithin(const Vector3d& cone_deg, std::uint64_t seed) {
  constexpr double kSpread = 0.08;
  const core::Random random(seed, 0x3a7e5);
  std::vector<Wave> waves;
  const int most = static_cast<int>(kWaves * (1 + kSpread));
  for (int z = 0; z <= most; ++z)
    for (int y = -most; y <= most; ++y)
      for (int x = -most; x <= most; ++x) {
        if (z == 0 && (y < 0 || (y == 0 && x <= 0))) continue;
        const Vector3i periods(x, y, z);
        const double length = periods.cast<double>().norm();
        if (std::abs(length / kWaves - 1) > kSpread) continue;
        const std::uint64_t key = static_cast<std::uint64_t>((z * 64 + y + 32) * 64 + x + 32);
        if (isInCones(periods.cast<double>() / length, cone_deg))
          waves.push_back({periods, 2 * std::numbers::pi * random.uniform(key)});
      }
  return waves;
}

}  // namespace

std::vector<float> spinodoidField(PeriodicNodes nodes, const Vector3d& cone_deg, std::uint64_t seed) {
  const std::vector<Wave> waves = wavesWithin(cone_deg, seed);
  if (waves.empty())
    throw core::Error(core::Exit::Config, {.what = "the spinodoid's cones hold no wave",
                                           .expected = "at least one cone of 5 to 90 degrees",
                                           .hint = "--cone-deg 90,90,90 is isotropic"});
  const double step = 2 * std::numbers::pi / nodes.side, scale = std::sqrt(2.0 / static_cast<double>(waves.size()));
  std::vector<float> field(nodes.size());
  core::parallelFor(nodes.side, [&](std::int64_t k) {
    std::vector<double> row(static_cast<std::size_t>(nodes.side));
    for (int j = 0; j < nodes.side; ++j) {
      std::fill(row.begin(), row.end(), 0.0);
      for (const Wave& wave : waves) {
        const double start = wave.phase + step * (wave.periods.y() * j + wave.periods.z() * static_cast<double>(k));
        const std::complex<double> turn = std::polar(1.0, step * wave.periods.x());
        std::complex<double> value = std::polar(1.0, start);
        for (double& sum : row) {
          sum += value.real();
          value = {value.real() * turn.real() - value.imag() * turn.imag(),
                   value.real() * turn.imag() + value.imag() * turn.real()};
        }
      }
      for (int i = 0; i < nodes.side; ++i)
        field[nodes.at(i, j, static_cast<int>(k))] = static_cast<float>(scale * row[i]);
    }
  });
  return field;
}

double spinodoidLevel(std::vector<float> field, bool is_sheet, double share) {
  if (is_sheet)
    for (float& value : field) value = std::abs(value);
  const auto rank = static_cast<std::ptrdiff_t>(share * static_cast<double>(field.size() - 1));
  std::nth_element(field.begin(), field.begin() + rank, field.end());
  return field[static_cast<std::size_t>(rank)];
}

}  // namespace osteo::design_scaffold
