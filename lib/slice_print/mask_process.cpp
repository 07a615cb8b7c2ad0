#include "slice_print/mask_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "slice_print/contour.h"
#include "slice_print/region.h"

namespace osteo::slice_print {

std::vector<NamedNumber> named(MaskSettings& s) {
  return {{"pixel-mm", &s.pixel_mm},
          {"cure-depth-mm", &s.cure_depth_mm},
          {"penetration-depth-mm", &s.penetration_depth_mm},
          {"critical-exposure-mj-cm2", &s.critical_exposure_mj_cm2},
          {"irradiance-mw-cm2", &s.irradiance_mw_cm2},
          {"growth-mm", &s.growth_mm},
          {"bottom-layers", &s.bottom_layers},
          {"bottom-factor", &s.bottom_factor},
          {"peel-s", &s.peel_s},
          {"saturation-percent", &s.saturation_percent},
          {"packing-percent", &s.packing_percent},
          {"drop-pl", &s.drop_pl},
          {"swath-mm", &s.swath_mm},
          {"print-speed-mm-s", &s.print_mm_s},
          {"recoat-s", &s.recoat_s}};
}

bool isMaskProcess(Process process) {
  return process == Process::Vpp || process == Process::Bjt || process == Process::Mjt;
}

MaskSettings maskDefaults(Process process) {
  MaskSettings settings;
  if (process == Process::Vpp) settings.peel_s = 5, settings.recoat_s = 5;
  if (process == Process::Bjt) settings.recoat_s = 10;
  if (process == Process::Mjt) settings.pixel_mm = 0.04;
  return settings;
}

Eigen::Vector3d scaleFor(const MaskSettings& settings) {
  if ((settings.shrinkage_percent.array() >= 100).any()) {
    throw core::Error(core::Exit::Usage, {.what = "--shrinkage-percent leaves nothing", .expected = "below 100"});
  }
  return (1 - settings.shrinkage_percent.array() / 100).inverse();
}

Exposure exposureFor(const MaskSettings& s, double layer_mm) {
  if (s.cure_depth_mm < layer_mm) {
    throw core::Error(core::Exit::Usage, {.what = "the cure depth does not reach through a layer",
                                          .expected = fmt::format("--cure-depth-mm of {:.4g} or more", layer_mm),
                                          .got = fmt::format("{:.4g} mm", s.cure_depth_mm)});
  }
  Exposure exposure;
  exposure.dose_mj_cm2 = s.critical_exposure_mj_cm2 * std::exp(s.cure_depth_mm / s.penetration_depth_mm);
  exposure.time_s = exposure.dose_mj_cm2 / s.irradiance_mw_cm2;
  constexpr double kMostTime_s = 3600;
  if (!(exposure.time_s <= kMostTime_s)) {
    throw core::Error(core::Exit::Usage,
                      {.what = "a layer would be exposed for more than an hour",
                       .got = fmt::format("{:.3g} mJ/cm² for {} mm at Dp {} mm", exposure.dose_mj_cm2, s.cure_depth_mm,
                                          s.penetration_depth_mm),
                       .hint = "a cure depth of one to three penetration depths is usual"});
  }
  const double beyond_mm = s.cure_depth_mm - layer_mm;
  exposure.overcured_layers = static_cast<int>(std::lround(beyond_mm / layer_mm));
  exposure.print_through_mm = beyond_mm - exposure.overcured_layers * layer_mm;
  exposure.grey_threshold = std::exp(-beyond_mm / s.penetration_depth_mm);
  return exposure;
}

namespace {

// One body's or the union's outline in a layer of the cuts.
const Rings& outlineOf(const Outlines& cut, std::size_t stack, bool by_body) {
  return by_body && !cut.bodies.empty() ? cut.bodies[stack] : cut.slice;
}

}  // namespace

std::vector<std::vector<Rings>> exposedMasks(Process process, const MaskSettings& settings, int overcured_layers,
                                             const std::vector<Outlines>& cuts, int before) {
  const bool by_body = process == Process::Mjt;
  const std::size_t stacks = by_body && !cuts.empty() ? std::max<std::size_t>(1, cuts[0].bodies.size()) : 1;
  std::vector<std::vector<Rings>> layers;
  for (int n = before; n < static_cast<int>(cuts.size()); ++n) {
    std::vector<Rings>& masks = layers.emplace_back();
    for (std::size_t stack = 0; stack < stacks; ++stack) {
      Rings mask = outlineOf(cuts[n], stack, by_body);
      for (int below = n - 1; below >= std::max(0, n - overcured_layers) && !mask.empty(); --below)
        mask = intersected(mask, outlineOf(cuts[below], stack, by_body));
      masks.push_back(settings.growth_mm > 0 && !mask.empty() ? inset(mask, {settings.growth_mm})[0] : std::move(mask));
    }
  }
  return layers;
}

}  // namespace osteo::slice_print
