#include "slice_print/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "slice_print/manifest.h"
#include "slice_print/mask_process.h"

namespace osteo::slice_print {

using nlohmann::json;

namespace {

json rows(const Eigen::Matrix4d& matrix) {
  json result = json::array();
  for (int r = 0; r < 4; ++r) result.push_back({matrix(r, 0), matrix(r, 1), matrix(r, 2), matrix(r, 3)});
  return result;
}

json heights(const Stack& stack) {
  double least = stack.height_mm(0), most = least;
  for (int layer = 1; layer < stack.layers; ++layer) {
    least = std::min(least, stack.height_mm(layer)), most = std::max(most, stack.height_mm(layer));
  }
  return {{"least", least}, {"mean", stack.layer_mm}, {"most", most}};
}

json repairRecord(const mesh::Repair& repair) {
  return {{"merged_vertices", repair.merged_vertices},
          {"dropped_triangles", repair.dropped_triangles},
          {"turned_triangles", repair.turned_triangles},
          {"capped_openings", repair.capped_openings},
          {"capped_area_mm2", repair.capped_area_mm2}};
}

double sumOf(const json& rows, const char* key) {
  double sum = 0;
  for (const json& row : rows) sum += row.at(key).get<double>();
  return sum;
}

void warn(const Part& part, const Settings& settings, const Totals& totals) {
  const double thin_percent = 100 * totals.thin_share;
  if (thin_percent > 1) {
    core::warn(fmt::format("{:.1f} % of the slices' area is narrower than {} mm and {}", thin_percent,
                           thinnest_mm(settings),
                           isMaskProcess(settings.process) ? "is less than a pixel wide" : "gets no contour"));
  }
  if (totals.overlapping_layers > 0) {
    core::warn(fmt::format("outlines overlap in {} of {} layers and were united{}", totals.overlapping_layers,
                           totals.stack.layers, part.bodies() > 1 ? "; the first body that has a place keeps it" : ""));
  }
  double exposed = 0;
  for (const double volume : totals.mask_volume_mm3) exposed += volume;
  constexpr double kMuch = 0.05;
  if (!totals.mask_volume_mm3.empty() && exposed < (1 - kMuch) * totals.sliced_volume_mm3) {
    core::warn(fmt::format("masks expose {:.1f} % less than the slices: features as thin as the corrections are lost",
                           100 * (1 - exposed / totals.sliced_volume_mm3)));
  }
}

}  // namespace

json settingsRecord(const Settings& settings) {
  if (settings.process == Process::Mex) return extrusionSettingsRecord(settings);
  MaskSettings mask = settings.mask;
  if (isMaskProcess(settings.process)) {
    const Eigen::Vector3d& shrinkage = mask.shrinkage_percent;
    json record = {{"process", nameOf(settings.process)},
                   {"layer_mm", settings.layer_mm},
                   {"density_g_cm3", settings.density_g_cm3},
                   {"bottom_layers", mask.bottom_layers},
                   {"shrinkage_percent", {shrinkage.x(), shrinkage.y(), shrinkage.z()}}};
    for (const NamedNumber& number : named(mask)) {
      std::string key = number.option;
      std::replace(key.begin(), key.end(), '-', '_');
      record[key] = *number.value;
    }
    return record;
  }
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
  json results = {
      {"settings", settingsRecord(settings)},
      {"sliced_from", part.isMesh() ? "mesh" : "level set"},
      {"machine_from_lps", rows(part.machineFromLps())},
      {"size_mm", {size.x(), size.y(), size.z()}},
      {"bodies", part.bodies()},
      {"layers", totals.stack.layers},
      {"layer_height_mm", heights(totals.stack)},
      {"empty_layers", totals.empty_layers},
      {"open_loops", 0},
      {"overlapping_layers", totals.overlapping_layers},
      {"repair", repairRecord(part.repair())},
      {"slice_loops", totals.slice_loops},
      {"sliced_volume_mm3", totals.sliced_volume_mm3},
      {"part_volume_mm3", part_mm3},
      {"contour_loops", totals.contour_loops},
      {"contour_length_mm", totals.contour_length_mm},
      {"hatch_lines", totals.hatch_lines},
      {"hatch_length_mm", totals.hatch_length_mm},
      {"jump_length_mm", totals.jump_length_mm},
      {isMaskProcess(settings.process) ? "thinner_than_pixel_percent" : "thinner_than_beam_percent", thin_percent},
      {"overhang_area_mm2", part.overhangArea_mm2(bill.overhang_deg)},
      {"energy_density_j_per_mm3",
       energyDensity_j_mm3(bill.laser_power_w, bill.machine.scan_mm_s, settings.hatch_mm, totals.stack.layer_mm)},
      {"build_time_s", totals.buildTime_s(bill.machine)},
      {"materials", materialShares(part, settings, totals)}};
  results["mass_g"] = sumOf(results["materials"], "mass_g");
  if (part.hasBeams()) results["part_volume_mm3"] = nullptr;  // beams overlap, so no sum over triangles is their volume
  addPathSettings(results["settings"], settings);
  addExposureResults(results, settings, totals, bill);
  if (isMaskProcess(settings.process)) addMaskResults(results, part, settings, totals);
  if (settings.process == Process::Mex) addExtrusionResults(results, settings, totals);
  warn(part, settings, totals);
  core::info(fmt::format("{} layers, {:.2f} mm³, {:.1f} m of contours, {:.1f} m of hatches", totals.stack.layers,
                         totals.sliced_volume_mm3, results["contour_length_mm"].get<double>() / 1000,
                         results["hatch_length_mm"].get<double>() / 1000));
  return results;
}

}  // namespace osteo::slice_print
