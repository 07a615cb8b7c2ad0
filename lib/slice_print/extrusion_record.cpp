#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "slice_print/extrusion_options.h"
#include "slice_print/summary.h"

namespace osteo::slice_print {

using nlohmann::json;

json extrusionSettingsRecord(const Settings& settings) {
  Settings copy = settings;
  json record = {{"process", nameOf(settings.process)},
                 {"layer_mm", settings.layer_mm},
                 {"density_g_cm3", settings.density_g_cm3},
                 {"feed", nameOf(settings.gcode.feed)},
                 {"outer_first", settings.extrusion.outer_first}};
  for (const NamedNumber& number : extrusionNumbers(copy)) {
    std::string key = number.option;
    std::replace(key.begin(), key.end(), '-', '_');
    record[key] = *number.value;
  }
  record["line_width_mm"] = settings.extrusion.lineWidth_mm();
  return record;
}

namespace {

void addPasteResults(json& results, const Settings& settings) {
  const auto flow = pasteFlowOf(settings);
  if (!flow) return;
  results["nozzle_pressure_kpa"] = flow->pressure_kpa;
  results["wall_shear_stress_pa"] = flow->wall_shear_stress_pa;
  results["wall_shear_rate_per_s"] = flow->wall_shear_rate_per_s;
  if (settings.most_shear_stress_pa > 0 && flow->wall_shear_stress_pa > settings.most_shear_stress_pa) {
    core::warn(
        fmt::format("the shear stress at the needle's wall is {:.0f} Pa, above the limit of {:.0f} Pa: print "
                    "slower or with a wider needle",
                    flow->wall_shear_stress_pa, settings.most_shear_stress_pa));
  }
}

}  // namespace

void addExtrusionResults(json& results, const Settings& settings, const Totals& totals) {
  const ExtrusionTotals& sums = totals.extrusion;
  const double printed_mm3 = sums.volume_mm3 + sums.support_mm3 + sums.skirt_mm3;
  const double unfilled_percent = totals.sliced_volume_mm3 > 0 ? 100 * sums.unfilled_mm3 / totals.sliced_volume_mm3 : 0;
  const bool any = sums.beads + sums.infill_lines > 0;
  results["contour_loops"] = sums.beads;
  results["contour_length_mm"] = sums.perimeter_mm;
  results["hatch_lines"] = sums.infill_lines;
  results["hatch_length_mm"] = sums.infill_mm;
  results["extruded_volume_mm3"] = sums.volume_mm3;
  results["support_volume_mm3"] = sums.support_mm3;
  results["skirt_volume_mm3"] = sums.skirt_mm3;
  results["extrusion_length_mm"] = printed_mm3 * feedPerVolume_mm2(settings.gcode);
  results["unfilled_percent"] = unfilled_percent;
  results["bead_width_mm"] = {{"least", any ? sums.least_width_mm : 0}, {"most", sums.most_width_mm}};
  results["flow_factor"] = {{"least", any ? sums.least_factor : 1}, {"most", any ? sums.most_factor : 1}};
  results["jump_length_mm"] = sums.gcode.travel_mm;
  results["retractions"] = sums.gcode.retractions;
  results["build_time_s"] = sums.gcode.time_s;
  const double share = totals.sliced_volume_mm3 > 0 ? sums.volume_mm3 / totals.sliced_volume_mm3 : 1;
  results["mass_g"] = share * results.at("mass_g").get<double>();
  results["support_mass_g"] = sums.support_mm3 * settings.density_g_cm3 / 1000;
  results.erase("energy_density_j_per_mm3"), results.erase("thinner_than_beam_percent");
  addPasteResults(results, settings);
  constexpr double kMuch_percent = 1;
  if (unfilled_percent > kMuch_percent) {
    core::warn(fmt::format("{:.1f} % of the slices' volume is too narrow for any bead of the {} mm nozzle",
                           unfilled_percent, settings.extrusion.nozzle_mm));
  }
}

}  // namespace osteo::slice_print
