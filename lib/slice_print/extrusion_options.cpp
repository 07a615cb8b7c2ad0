#include "slice_print/extrusion_options.h"

#include <fmt/format.h>

#include "core/error.h"

namespace osteo::slice_print {

std::vector<NamedNumber> extrusionNumbers(Settings& settings) {
  ExtrusionSettings& fill = settings.extrusion;
  GcodeSettings& gcode = settings.gcode;
  return {{"nozzle-mm", &fill.nozzle_mm},
          {"line-width-mm", &fill.line_width_mm},
          {"least-width-percent", &fill.least_width_percent},
          {"perimeters", &fill.perimeters},
          {"infill-percent", &fill.infill_percent},
          {"solid-layers", &fill.solid_layers},
          {"infill-angle-deg", &fill.infill_angle_deg},
          {"infill-rotation-deg", &fill.infill_rotation_deg},
          {"skirt-loops", &fill.skirt_loops},
          {"brim-loops", &fill.brim_loops},
          {"feed-diameter-mm", &gcode.feed_diameter_mm},
          {"print-speed-mm-s", &gcode.print_speed_mm_s},
          {"outer-speed-mm-s", &gcode.outer_speed_mm_s},
          {"infill-speed-mm-s", &gcode.infill_speed_mm_s},
          {"first-layer-speed-mm-s", &gcode.first_layer_speed_mm_s},
          {"travel-speed-mm-s", &gcode.travel_speed_mm_s},
          {"acceleration-mm-s2", &gcode.acceleration_mm_s2},
          {"most-flow-mm3-s", &gcode.most_flow_mm3_s},
          {"retract-mm", &gcode.retract_mm},
          {"retract-speed-mm-s", &gcode.retract_speed_mm_s},
          {"retract-travel-mm", &gcode.least_retract_travel_mm},
          {"nozzle-c", &gcode.nozzle_c},
          {"bed-c", &gcode.bed_c},
          {"fan-percent", &gcode.fan_percent},
          {"place-x-mm", &gcode.place_mm.x()},
          {"place-y-mm", &gcode.place_mm.y()},
          {"yield-stress-pa", &settings.paste.yield_stress_pa},
          {"consistency-pa-sn", &settings.paste.consistency_pa_sn},
          {"flow-index", &settings.paste.flow_index},
          {"needle-length-mm", &settings.needle_length_mm},
          {"most-shear-stress-pa", &settings.most_shear_stress_pa}};
}

Feed feedNamed(const std::string& name) {
  return name == "pressure" ? Feed::Pressure : name == "syringe" ? Feed::Syringe : Feed::Filament;
}

const char* nameOf(Feed feed) {
  return feed == Feed::Pressure ? "pressure" : feed == Feed::Syringe ? "syringe" : "filament";
}

void requireExtrusionFit(const Settings& settings) {
  const double width = settings.extrusion.lineWidth_mm();
  const AdaptiveHeights& heights = settings.adaptive;
  const double highest = heights.cusp_mm > 0 ? heights.most_mm : settings.layer_mm;
  if (!(highest <= width)) {
    throw core::Error(core::Exit::Usage, {.what = "a bead must be at least as wide as its layer is high",
                                          .expected = fmt::format("layers of at most {:.4g} mm", width),
                                          .got = fmt::format("{:.4g} mm", highest),
                                          .hint = "set --layer-mm or --line-width-mm"});
  }
  if (settings.gcode.feed == Feed::Pressure && !(settings.paste.consistency_pa_sn > 0)) {
    throw core::Error(core::Exit::Usage, {.what = "--feed pressure needs the paste's flow curve",
                                          .expected = "--consistency-pa-sn, --flow-index, --yield-stress-pa"});
  }
}

std::optional<PasteFlow> pasteFlowOf(const Settings& settings) {
  if (!(settings.paste.consistency_pa_sn > 0)) return std::nullopt;
  const double height = settings.layer_mm;
  const double flow_mm3_s =
      settings.gcode.print_speed_mm_s * spacingOf_mm(settings.extrusion.lineWidth_mm(), height) * height;
  return pasteFlow(settings.paste, {settings.extrusion.nozzle_mm, settings.needle_length_mm}, flow_mm3_s);
}

GcodeSettings gcodeFor(const Settings& settings) {
  GcodeSettings gcode = settings.gcode;
  gcode.usual_area_mm2 = spacingOf_mm(settings.extrusion.lineWidth_mm(), settings.layer_mm) * settings.layer_mm;
  if (const auto flow = pasteFlowOf(settings)) gcode.pressure_kpa = flow->pressure_kpa;
  return gcode;
}

}  // namespace osteo::slice_print
