#include "phantom/metal.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "core/progress.h"
#include "core/random.h"
#include "phantom/anatomy.h"
#include "projection/parallel_beam.h"

namespace osteo::phantom {

namespace {

// Attenuation per mm at 60, 80 and 100 keV (NIST XCOM; titanium 4.506 g/cm3) and the spectrum's shares.
constexpr std::array<double, 3> kWater{0.02059, 0.01837, 0.01707}, kTitanium{0.3452, 0.1826, 0.1226},
    kShare{0.35, 0.40, 0.25};
constexpr double kPhotons = 3e5;  // per ray without an object
constexpr int kAngles = 360;
constexpr double kLeast_mm = 1e-6;  // of metal on a ray that counts

/// -ln of the spectrum behind `water_mm` of water and `metal_mm` of titanium.
double attenuation(double water_mm, double metal_mm) {
  double sum = 0;
  for (std::size_t e = 0; e < 3; ++e) sum += kShare[e] * std::exp(-kWater[e] * water_mm - kTitanium[e] * metal_mm);
  return -std::log(sum);
}

/// The scanner's water correction: the length of water that attenuates as much, by Newton's method.
double waterEquivalent(double measured) {
  double length = measured / kWater[1];
  for (int i = 0; i < 20; ++i) {
    double sum = 0, slope = 0;
    for (std::size_t e = 0; e < 3; ++e) {
      const double part = kShare[e] * std::exp(-kWater[e] * length);
      sum += part;
      slope += kWater[e] * part;
    }
    const double step = (-std::log(sum) - measured) * sum / slope;
    length -= step;
    if (std::abs(step) < 1e-9) break;
  }
  return length;
}

/// One slice: replaces `pixels` (HU) by what the scanner would show.
void slice(float* pixels, const float* metal, const projection::Grid2& grid, const core::Random& random) {
  const std::size_t n = static_cast<std::size_t>(grid.size[0]) * static_cast<std::size_t>(grid.size[1]);
  std::vector<float> water(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double without = pixels[i] - metal[i] * kTitanium_hu;  // metal's own part removed, the rest stays
    water[i] = static_cast<float>(std::max(0.0, 1 + without / 1000 - metal[i]));
  }
  projection::Sinogram through = projection::project(std::vector<float>(metal, metal + n), grid, kAngles);
  const projection::Sinogram tissue = projection::project(water, grid, through, kLeast_mm);
  for (std::size_t r = 0; r < through.values.size(); ++r) {
    const double m = through.values[r], w = tissue.values[r];
    if (m < kLeast_mm) {
      through.values[r] = 0;
      continue;
    }
    const double expected = kPhotons * std::exp(-attenuation(w, m));
    const double counted =
        std::max(1.0, expected + std::sqrt(expected + 16.0) * random.normal(r));  // 4 photons of electronics
    const double seen = waterEquivalent(-std::log(counted / kPhotons));
    through.values[r] = static_cast<float>(seen - (w + m * (1 + kTitanium_hu / 1000)));
  }
  const std::vector<float> error = projection::filteredBackProject(through, grid);
  for (std::size_t i = 0; i < n; ++i) pixels[i] += 1000 * error[i];
}

}  // namespace

void addMetalStreaks(image::CtVolume& ct, const image::CtVolume& metal_fraction, std::uint64_t seed) {
  const image::Frame& frame = ct.frame;
  const projection::Grid2 grid{{frame.size[0], frame.size[1]}, {frame.spacing_mm[0], frame.spacing_mm[1]}};
  const std::int64_t n = std::int64_t{frame.size[0]} * frame.size[1];
  core::Progress progress("metal streaks", frame.size[2]);
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    const float* metal = metal_fraction.voxels.data() + k * n;
    if (std::any_of(metal, metal + n, [](float share) { return share > 0; })) {
      slice(ct.voxels.data() + k * n, metal, grid, core::Random(seed, 1000 + static_cast<std::uint64_t>(k)));
    }
    progress.advance();
  });
}

}  // namespace osteo::phantom
