#include "slice_print/summary.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/log.h"

namespace osteo::slice_print {

using nlohmann::json;

namespace {

json rows(const Eigen::Matrix4d& matrix) {
  json result = json::array();
  for (int r = 0; r < 4; ++r) result.push_back({matrix(r, 0), matrix(r, 1), matrix(r, 2), matrix(r, 3)});
  return result;
}

constexpr const char* kZoneNames[kZones] = {"core", "up_skin", "down_skin", "support"};

// What each zone is exposed with; zones without lines are left out.
json zonesOf(const Settings& settings, const Totals& totals, const Bill& bill) {
  json zones = json::object();
  for (int z = 0; z < kZones; ++z) {
    if (totals.zone_lines[z] == 0) continue;
    const auto zone = static_cast<Zone>(z);
    const double speed = bill.machine.speedOf_mm_s(zone), spacing = settings.spacingOf(zone);
    const double power = bill.zone_power_w[z] > 0 ? bill.zone_power_w[z] : bill.laser_power_w;
    zones[kZoneNames[z]] = {{"hatch_lines", totals.zone_lines[z]},
                            {"hatch_length_mm", totals.zone_length_mm[z]},
                            {"hatch_mm", spacing},
                            {"laser_power_w", power},
                            {"scan_speed_mm_s", speed},
                            {"energy_density_j_per_mm3", energyDensity_j_mm3(power, speed, spacing, settings.layer_mm)},
                            {"exposure_s", totals.zone_length_mm[z] / speed}};
  }
  return zones;
}

void addSupports(json& results, const Settings& settings, const Totals& totals, const Bill& bill) {
  results["islands"] = totals.islands;
  results["unsupported_islands"] = totals.unsupported_islands;
  results["support_volume_mm3"] = totals.support_volume_mm3;
  results["support_mass_g"] = totals.support_volume_mm3 * bill.density_g_cm3 / 1000;
  results["supported_area_mm2"] = totals.supported_area_mm2;
  results["support_contacts"] = totals.support_contacts;
  results["supports_on_part"] = totals.supports_on_part;
  if (totals.unsupported_islands == 0) return;
  core::warn(
      fmt::format("{} of {} regions that begin above the plate have nothing below them{}", totals.unsupported_islands,
                  totals.islands,
                  settings.supports.kind == SupportKind::None ? "; --supports holds them" : ", not even a support"));
}

}  // namespace

json summarise(const Part& part, const Settings& settings, const Totals& totals, const Bill& bill) {
  const double part_mm3 = part.volume_mm3(), thin_percent = 100 * totals.thin_share;
  const Eigen::Vector3d& size = part.size_mm();
  const double path_mm = totals.contour_length_mm + totals.hatch_length_mm + totals.jump_length_mm +
                         totals.zone_length_mm[static_cast<int>(Zone::Support)];
  json results = {{"sliced_from", part.isMesh() ? "mesh" : "level set"},
                  {"machine_from_lps", rows(part.machineFromLps())},
                  {"size_mm", {size.x(), size.y(), size.z()}},
                  {"layers", totals.stack.layers},
                  {"empty_layers", totals.empty_layers},
                  {"open_loops", 0},
                  {"slice_loops", totals.slice_loops},
                  {"sliced_volume_mm3", totals.sliced_volume_mm3},
                  {"part_volume_mm3", part_mm3},
                  {"contour_loops", totals.contour_loops},
                  {"contour_length_mm", totals.contour_length_mm},
                  {"hatch_lines", totals.hatch_lines},
                  {"hatch_length_mm", totals.hatch_length_mm},
                  {"jump_length_mm", totals.jump_length_mm},
                  {"jump_share_percent", path_mm > 0 ? 100 * totals.jump_length_mm / path_mm : 0},
                  {"dropped_vectors", totals.dropped_vectors},
                  {"merged_vectors", totals.merged_vectors},
                  {"rounded_corners", totals.rounded_corners},
                  {"zones", zonesOf(settings, totals, bill)},
                  {"thinner_than_beam_percent", thin_percent},
                  {"overhang_area_mm2", part.overhangArea_mm2(bill.overhang_deg)},
                  {"energy_density_j_per_mm3", energyDensity_j_mm3(bill.laser_power_w, bill.machine.scan_mm_s,
                                                                   settings.hatch_mm, settings.layer_mm)},
                  {"build_time_s", totals.buildTime_s(bill.machine)},
                  {"mass_g", totals.sliced_volume_mm3 * bill.density_g_cm3 / 1000}};
  addSupports(results, settings, totals, bill);
  if (thin_percent > 1) {
    core::warn(fmt::format("{:.1f} % of the slices' area is narrower than {} mm and gets no contour", thin_percent,
                           2 * settings.contour_offset_mm));
  }
  core::info(fmt::format("{} layers, {:.2f} mm³, {:.1f} m of contours, {:.1f} m of hatches", totals.stack.layers,
                         totals.sliced_volume_mm3, totals.contour_length_mm / 1000, totals.hatch_length_mm / 1000));
  return results;
}

json orientationRecord(const std::vector<Orientation>& found) {
  json list = json::array();
  for (const Orientation& o : found) {
    list.push_back({{"build_direction", {o.direction.x(), o.direction.y(), o.direction.z()}},
                    {"overhang_area_mm2", o.support_area_mm2},
                    {"support_prism_volume_mm3", o.support_volume_mm3},
                    {"height_mm", o.height_mm},
                    {"mean_cusp_mm", o.mean_cusp_mm},
                    {"bearing_overhang_area_mm2", o.bearing_area_mm2},
                    {"score", o.score}});
  }
  return list;
}

}  // namespace osteo::slice_print
