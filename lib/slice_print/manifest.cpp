#include "slice_print/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "slice_print/mask_process.h"

namespace osteo::slice_print {

using nlohmann::json;

namespace {

constexpr double kPicolitre_mm3 = 1e-6;

double factorOf(const MaskSettings& mask, int layer) { return layer < mask.bottom_layers ? mask.bottom_factor : 1; }

// Binder or drops that a volume of printed layers takes up, mm³: all of it in material jetting, the pores' share in
// binder jetting.
double jetted_mm3(const Settings& settings, double volume_mm3) {
  if (settings.process == Process::Mjt) return volume_mm3;
  return volume_mm3 * (1 - settings.mask.packing_percent / 100) * settings.mask.saturation_percent / 100;
}

void addExposure(json& results, const Settings& settings, const Totals& totals) {
  const Exposure exposure = exposureFor(settings.mask, totals.stack.layer_mm);
  results["dose_mj_cm2"] = exposure.dose_mj_cm2;
  results["exposure_s"] = exposure.time_s;
  results["overcured_layers"] = exposure.overcured_layers;
  results["print_through_mm"] = exposure.print_through_mm;
  results["grey_threshold"] = exposure.grey_threshold;
  constexpr double kJoulePerMm2 = 1e-5;  // of mJ/cm²
  results["energy_density_j_per_mm3"] = exposure.dose_mj_cm2 * kJoulePerMm2 / totals.stack.layer_mm;
}

}  // namespace

std::string maskName(int layer) { return fmt::format("layer_{:05d}.png", layer + 1); }

std::string manifestText(const Part& part, const Settings& settings, const Stack& stack,
                         const Eigen::Vector2i& size_px) {
  const MaskPlan plan = maskPlan(part, settings.process, settings.mask, stack.layer_mm);
  json manifest = {{"format", "osteoforge mask stack"},
                   {"version", 1},
                   {"process", nameOf(settings.process)},
                   {"pixel_mm", settings.mask.pixel_mm},
                   {"size_px", {size_px.x(), size_px.y()}},
                   {"grey", "255 = whole pixel covered; the upper left pixel lies at machine x = 0 and the largest y"},
                   {"stacks", json::array()},
                   {"layers", json::array()}};
  for (int n = 0; n < plan.stacks(); ++n) {
    std::string material = part.material(0);
    for (std::size_t body = plan.stack_of_body.size(); body-- > 0;) {
      if (plan.stack_of_body[body] == n) material = part.material(static_cast<int>(body));
    }
    manifest["stacks"].push_back({{"folder", plan.stack_names[n]}, {"material", material}});
  }
  const bool light = settings.process == Process::Vpp;
  const Exposure exposure = light ? exposureFor(settings.mask, stack.layer_mm) : Exposure{};
  if (light) manifest["grey_threshold"] = exposure.grey_threshold;
  for (int layer = 0; layer < stack.layers; ++layer) {
    json row = {{"top_mm", stack.top_mm(layer)}, {"height_mm", stack.height_mm(layer)}, {"masks", json::array()}};
    for (const std::string& folder : plan.stack_names)
      row["masks"].push_back(folder.empty() ? maskName(layer) : folder + "/" + maskName(layer));
    if (light) {
      row["dose_mj_cm2"] = exposure.dose_mj_cm2 * factorOf(settings.mask, layer);
      row["exposure_s"] = exposure.time_s * factorOf(settings.mask, layer);
    }
    manifest["layers"].push_back(std::move(row));
  }
  return manifest.dump(1) + "\n";
}

double maskTime_s(const Part& part, const Settings& settings, const Stack& stack) {
  const MaskSettings& mask = settings.mask;
  if (settings.process == Process::Vpp) {
    const double exposure_s = exposureFor(mask, stack.layer_mm).time_s;
    const int bottom = std::min(mask.bottom_layers, stack.layers);
    return stack.layers * (exposure_s + mask.peel_s + mask.recoat_s) + bottom * (mask.bottom_factor - 1) * exposure_s;
  }
  const double passes = std::ceil(part.size_mm().y() / mask.swath_mm);
  return stack.layers * (passes * part.size_mm().x() / mask.print_mm_s + mask.recoat_s);
}

void addMaskResults(json& results, const Part& part, const Settings& settings, const Totals& totals) {
  double exposed_mm3 = 0;
  for (const double volume : totals.mask_volume_mm3) exposed_mm3 += volume;
  results["exposed_volume_mm3"] = exposed_mm3;
  results["build_time_s"] = maskTime_s(part, settings, totals.stack);
  results["energy_density_j_per_mm3"] = nullptr;
  if (settings.process == Process::Vpp) return addExposure(results, settings, totals);
  const double jetted = jetted_mm3(settings, exposed_mm3);
  results[settings.process == Process::Bjt ? "binder_volume_mm3" : "jetted_volume_mm3"] = jetted;
  results["drops"] = std::llround(jetted / (settings.mask.drop_pl * kPicolitre_mm3));
  const double pixel_mm3 = settings.mask.pixel_mm * settings.mask.pixel_mm * totals.stack.layer_mm;
  results["drops_per_pixel"] = jetted_mm3(settings, pixel_mm3) / (settings.mask.drop_pl * kPicolitre_mm3);
}

json materialShares(const Part& part, const Settings& settings, const Totals& totals) {
  json shares = json::array();
  const double solid = settings.process == Process::Bjt ? settings.mask.packing_percent / 100 : 1;
  for (int body = 0; body < part.bodies(); ++body) {
    const double density =
        settings.body_density_g_cm3.empty() ? settings.density_g_cm3 : settings.body_density_g_cm3[body];
    const double volume = totals.body_volume_mm3[body];
    json* share = nullptr;
    for (json& known : shares) {
      if (known["material"] == part.material(body) && known["density_g_cm3"] == density) share = &known;
    }
    if (!share) {
      shares.push_back(
          {{"material", part.material(body)}, {"density_g_cm3", density}, {"volume_mm3", 0.0}, {"mass_g", 0.0}});
      share = &shares.back();
    }
    (*share)["volume_mm3"] = share->at("volume_mm3").get<double>() + volume;
    (*share)["mass_g"] = share->at("mass_g").get<double>() + volume * solid * density / 1000;
  }
  return shares;
}

}  // namespace osteo::slice_print
