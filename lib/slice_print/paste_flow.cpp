#include "slice_print/paste_flow.h"

#include <cmath>

namespace osteo::slice_print {

namespace {

constexpr double kMm3PerM3 = 1e9;

double radius_m(const Needle& needle) { return needle.diameter_mm / 2000; }

// Stress falls linearly from the wall to the axis; the integral over the sheared ring is elementary.
double flowAt_mm3_s(const Paste& paste, const Needle& needle, double wall_stress_pa) {
  if (wall_stress_pa <= paste.yield_stress_pa) return 0;
  const double n = paste.flow_index, plug = paste.yield_stress_pa / wall_stress_pa, ring = 1 - plug;
  const double shape = ring * ring / (3 * n + 1) + 2 * plug * ring / (2 * n + 1) + plug * plug / (n + 1);
  return kMm3PerM3 * M_PI * std::pow(radius_m(needle), 3) * n *
         std::pow(wall_stress_pa / paste.consistency_pa_sn, 1 / n) * std::pow(ring, (n + 1) / n) * shape;
}

}  // namespace

double flow_mm3_s(const Paste& paste, const Needle& needle, double pressure_kpa) {
  return flowAt_mm3_s(paste, needle, pressure_kpa * 1000 * needle.diameter_mm / (4 * needle.length_mm));
}

PasteFlow pasteFlow(const Paste& paste, const Needle& needle, double wanted_mm3_s) {
  double low = paste.yield_stress_pa, high = 2 * low + 1;
  while (flowAt_mm3_s(paste, needle, high) < wanted_mm3_s) high *= 2;
  constexpr int kHalvings = 200;  // until the two are neighbours
  for (int i = 0; i < kHalvings && wanted_mm3_s > 0; ++i) {
    const double middle = low + (high - low) / 2;
    (flowAt_mm3_s(paste, needle, middle) < wanted_mm3_s ? low : high) = middle;
  }
  const double stress = wanted_mm3_s > 0 ? high : low;
  return {stress * 4 * needle.length_mm / needle.diameter_mm / 1000, stress,
          std::pow((stress - paste.yield_stress_pa) / paste.consistency_pa_sn, 1 / paste.flow_index)};
}

}  // namespace osteo::slice_print
