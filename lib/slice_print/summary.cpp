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

}  // namespace

json settingsRecord(const Settings& settings) {
  return {{"process", nameOf(settings.process)},
          {"layer_mm", settings.layer_mm},
          {"contours", settings.contours},
          {"contour_offset_mm", settings.contour_offset_mm},
          {"contour_spacing_mm", settings.contour_spacing_mm},
          {"hatch_mm", settings.hatch_mm},
          {"hatch_offset_mm", settings.hatch_offset_mm},
          {"hatch_angle_deg", settings.hatch_angle_deg},
          {"hatch_rotation_deg", settings.hatch_rotation_deg},
          {"density_g_cm3", settings.density_g_cm3}};
}

json summarise(const Part& part, const Settings& settings, const Totals& totals, const Bill& bill) {
  const double part_mm3 = part.volume_mm3(), thin_percent = 100 * totals.thin_share;
  const Eigen::Vector3d& size = part.size_mm();
  json results = {{"settings", settingsRecord(settings)},
                  {"sliced_from", part.isMesh() ? "mesh" : "level set"},
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
                  {"thinner_than_beam_percent", thin_percent},
                  {"overhang_area_mm2", part.overhangArea_mm2(bill.overhang_deg)},
                  {"energy_density_j_per_mm3", energyDensity_j_mm3(bill.laser_power_w, bill.machine.scan_mm_s,
                                                                   settings.hatch_mm, settings.layer_mm)},
                  {"build_time_s", totals.buildTime_s(bill.machine)},
                  {"mass_g", totals.sliced_volume_mm3 * settings.density_g_cm3 / 1000}};
  if (thin_percent > 1) {
    core::warn(fmt::format("{:.1f} % of the slices' area is narrower than {} mm and gets no contour", thin_percent,
                           2 * settings.contour_offset_mm));
  }
  core::info(fmt::format("{} layers, {:.2f} mm³, {:.1f} m of contours, {:.1f} m of hatches", totals.stack.layers,
                         totals.sliced_volume_mm3, totals.contour_length_mm / 1000, totals.hatch_length_mm / 1000));
  return results;
}

}  // namespace osteo::slice_print
