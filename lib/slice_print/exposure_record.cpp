#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/log.h"
#include "slice_print/summary.h"

namespace osteo::slice_print {

using nlohmann::json;

namespace {

constexpr const char* kZoneNames[kZones] = {"core", "up_skin", "down_skin", "support"};

// What each zone is exposed with; zones without lines are left out.
json zonesRecord(const Settings& settings, const Totals& totals, const Bill& bill) {
  json zones = json::object();
  for (int z = 0; z < kZones; ++z) {
    if (totals.zone_lines[z] == 0) continue;
    const auto zone = static_cast<Zone>(z);
    const double speed = bill.machine.speedOf_mm_s(zone), spacing = settings.spacingOf(zone);
    const double power = bill.zone_power_w[z] > 0 ? bill.zone_power_w[z] : bill.laser_power_w;
    zones[kZoneNames[z]] = {
        {"hatch_lines", totals.zone_lines[z]},
        {"hatch_length_mm", totals.zone_length_mm[z]},
        {"hatch_mm", spacing},
        {"laser_power_w", power},
        {"scan_speed_mm_s", speed},
        {"energy_density_j_per_mm3", energyDensity_j_mm3(power, speed, spacing, totals.stack.layer_mm)},
        {"exposure_s", totals.zone_length_mm[z] / speed}};
  }
  return zones;
}

void addSupports(json& results, const Settings& settings, const Totals& totals) {
  results["islands"] = totals.islands;
  results["unsupported_islands"] = totals.unsupported_islands;
  results["support_volume_mm3"] = totals.support_volume_mm3;
  results["support_mass_g"] = totals.support_volume_mm3 * settings.density_g_cm3 / 1000;
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

std::vector<NamedNumber> exposureNumbers(Settings& settings) {
  return {{"layer-mm", &settings.layer_mm},
          {"density-g-cm3", &settings.density_g_cm3},
          {"contour-offset-mm", &settings.contour_offset_mm},
          {"contour-spacing-mm", &settings.contour_spacing_mm},
          {"hatch-mm", &settings.hatch_mm},
          {"hatch-offset-mm", &settings.hatch_offset_mm},
          {"hatch-angle-deg", &settings.hatch_angle_deg},
          {"hatch-rotation-deg", &settings.hatch_rotation_deg},
          {"field-overlap-mm", &settings.cell_overlap_mm},
          {"least-vector-mm", &settings.least_vector_mm},
          {"least-corner-deg", &settings.least_corner_deg},
          {"corner-radius-mm", &settings.corner_radius_mm},
          {"adaptive-cusp-mm", &settings.adaptive.cusp_mm},
          {"least-layer-mm", &settings.adaptive.least_mm},
          {"most-layer-mm", &settings.adaptive.most_mm},
          {"up-skin-hatch-mm", &settings.up_skin.hatch_mm},
          {"down-skin-hatch-mm", &settings.down_skin.hatch_mm}};
}

void addPathSettings(json& record, const Settings& settings) {
  if (settings.process == Process::PbfLb) {
    record["strategy"] = strategyNames()[static_cast<std::size_t>(settings.strategy)];
    record["up_skin_hatch_mm"] = settings.spacingOf(Zone::UpSkin);
    record["down_skin_hatch_mm"] = settings.spacingOf(Zone::DownSkin);
  }
  const SupportSettings& supports = settings.supports;
  if (supports.kind == SupportKind::None) return;
  record["support_wall_mm"] = supports.wall_mm;
  record["support_gap_mm"] = supports.gap_mm;
}

void addExposureResults(json& results, const Settings& settings, const Totals& totals, const Bill& bill) {
  addSupports(results, settings, totals);
  if (isMaskProcess(settings.process) || settings.process == Process::Mex) return;
  const double path_mm = totals.contour_length_mm + totals.hatch_length_mm + totals.jump_length_mm +
                         totals.zone_length_mm[static_cast<int>(Zone::Support)];
  results["jump_share_percent"] = path_mm > 0 ? 100 * totals.jump_length_mm / path_mm : 0;
  results["dropped_vectors"] = totals.dropped_vectors;
  results["merged_vectors"] = totals.merged_vectors;
  results["rounded_corners"] = totals.rounded_corners;
  results["zones"] = zonesRecord(settings, totals, bill);
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
