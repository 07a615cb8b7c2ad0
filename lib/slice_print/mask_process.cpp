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

std::vector<std::string> foreignMaskOptions(Process process) {
  std::vector<std::string> options;
  const auto belong = [&](bool here, const std::vector<std::string>& names) {
    if (!here) options.insert(options.end(), names.begin(), names.end());
  };
  belong(isMaskProcess(process), {"growth-mm"});
  belong(process == Process::Vpp, {"cure-depth-mm", "penetration-depth-mm", "critical-exposure-mj-cm2",
                                   "irradiance-mw-cm2", "bottom-layers", "bottom-factor", "peel-s"});
  belong(process == Process::Bjt, {"saturation-percent", "packing-percent"});
  belong(process == Process::Bjt || process == Process::Mjt, {"drop-pl", "swath-mm"});
  return options;
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

// A name that any file system takes; what it does not take becomes '_'.
std::string folderName(const std::string& material, const std::vector<std::string>& taken) {
  std::string name;
  for (const char c : material) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    name += plain ? c : '_';
  }
  if (name.find_first_not_of('_') == std::string::npos) name = "material";
  constexpr std::size_t kLongest = 100;
  name = name.substr(0, kLongest);
  std::string unique = name;
  for (int n = 2; std::find(taken.begin(), taken.end(), unique) != taken.end(); ++n)
    unique = fmt::format("{}_{}", name, n);
  return unique;
}

// The outlines of one stack in a layer: of the union, or of the bodies of its material.
Rings outlineOf(const MaskPlan& plan, const Outlines& cut, int stack) {
  if (plan.stack_of_body.empty() || cut.bodies.empty()) return cut.slice;
  Rings rings;
  for (std::size_t body = 0; body < cut.bodies.size(); ++body) {
    if (plan.stack_of_body[body] == stack) rings.insert(rings.end(), cut.bodies[body].begin(), cut.bodies[body].end());
  }
  return rings;
}

}  // namespace

MaskPlan maskPlan(const Part& part, Process process, const MaskSettings& settings, double layer_mm) {
  MaskPlan plan{.process = process, .settings = settings};
  if (process == Process::Vpp) plan.overcured_layers = exposureFor(settings, layer_mm).overcured_layers;
  if (process != Process::Mjt) {
    plan.stack_names = {""};
    return plan;
  }
  std::vector<std::string> materials;
  for (int body = 0; body < part.bodies(); ++body) {
    const auto found = std::find(materials.begin(), materials.end(), part.material(body));
    plan.stack_of_body.push_back(static_cast<int>(found - materials.begin()));
    if (found != materials.end()) continue;
    materials.push_back(part.material(body));
    plan.stack_names.push_back(folderName(part.material(body), plan.stack_names));
  }
  return plan;
}

std::vector<std::vector<Rings>> exposedMasks(const MaskPlan& plan, const std::vector<Outlines>& cuts, int before) {
  const double growth_mm = plan.settings.growth_mm;
  std::vector<std::vector<Rings>> layers;
  for (int n = before; n < static_cast<int>(cuts.size()); ++n) {
    std::vector<Rings>& masks = layers.emplace_back();
    for (int stack = 0; stack < plan.stacks(); ++stack) {
      Rings mask = outlineOf(plan, cuts[n], stack);
      for (int below = n - 1; below >= std::max(0, n - plan.overcured_layers) && !mask.empty(); --below)
        mask = intersected(mask, outlineOf(plan, cuts[below], stack));
      masks.push_back(growth_mm > 0 && !mask.empty() ? inset(mask, {growth_mm})[0] : std::move(mask));
    }
  }
  return layers;
}

}  // namespace osteo::slice_print
