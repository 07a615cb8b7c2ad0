#include "cli/app.h"
#include "cli/context.h"
#include "slice_print/exposure.h"
#include "slice_print/extrusion_options.h"

namespace osteo {

// Of apps/slice-print.cpp: beads of filament, melt or paste (mex).
std::vector<cli::Parameter> extrusionRows();
void setExtrusion(const cli::Context& ctx, slice_print::Settings& settings);

namespace sp = slice_print;

std::vector<cli::Parameter> extrusionRows() {
  using namespace cli;
  const auto count = [](const char* name, Range range, const char* help) {
    return Parameter{.name = name, .type = Type::Integer, .help = help, .range = range};
  };
  return {
      optionalNumber("nozzle-mm", "mm", {0.01, 10}, "mex: diameter of the nozzle's or needle's opening; default 0.4"),
      optionalNumber("line-width-mm", "mm", {0.01, 20}, "mex: of a bead; default 1.125 nozzles"),
      optionalNumber("least-width-percent", "%", {10, 100}, "mex: narrowest bead in thin walls; default 50").advanced(),
      count("perimeters", {0, 100}, "mex: turns of beads along the walls; default 2"),
      flag("outer-first", "mex: the outermost perimeter first, else last").advanced(),
      optionalNumber("infill-percent", "%", {0, 100}, "mex: of the inside that is filled; default 100"),
      count("solid-layers", {0, 100}, "mex: solid below a top and above a bottom where the infill is less; default 4"),
      optionalNumber("infill-angle-deg", "°", {-360, 360}, "mex: of the first layer's lines; default 45").advanced(),
      optionalNumber("infill-rotation-deg", "°", {-360, 360}, "mex: from layer to layer; default 90").advanced(),
      count("skirt-loops", {0, 100}, "mex: around the first layer, 3 mm off; default 1").advanced(),
      count("brim-loops", {0, 1000}, "mex: attached to the first layer; default 0"),
      choice("feed", {"filament", "syringe", "pressure"}, "filament",
             "mex: E drives a filament or a plunger, or air pressure presses behind a valve (M126, M127)"),
      optionalNumber("feed-diameter-mm", "mm", {0.1, 200}, "mex: of the filament or the plunger; default 1.75"),
      optionalNumber("outer-speed-mm-s", "mm/s", {0.01, 1e4}, "mex: of outer perimeters; default 25").advanced(),
      optionalNumber("infill-speed-mm-s", "mm/s", {0.01, 1e4}, "mex: default 40").advanced(),
      optionalNumber("first-layer-speed-mm-s", "mm/s", {0.01, 1e4}, "mex: at most; default 20").advanced(),
      optionalNumber("travel-speed-mm-s", "mm/s", {0.01, 1e4}, "mex: between beads; default 150").advanced(),
      optionalNumber("acceleration-mm-s2", "mm/s²", {1, 1e6}, "mex: of the nozzle; default 1000").advanced(),
      optionalNumber("most-flow-mm3-s", "mm³/s", {1e-3, 1e4}, "mex: beads that need more are slower; default 8"),
      optionalNumber("retract-mm", "mm", {0, 50}, "mex: of the feed before longer travel; default 1").advanced(),
      optionalNumber("retract-speed-mm-s", "mm/s", {0.01, 1e3}, "mex: default 35").advanced(),
      optionalNumber("retract-travel-mm", "mm", {0, 1e3}, "mex: shorter travel goes without; default 1.5").advanced(),
      optionalNumber("nozzle-c", "°C", {0, 600}, "mex: temperature; default 0: left as it is"),
      optionalNumber("bed-c", "°C", {0, 300}, "mex: temperature; default 0: left as it is"),
      optionalNumber("fan-percent", "%", {0, 100}, "mex: from the second layer on; default 0"),
      optionalNumber("place-x-mm", "mm", {-1e4, 1e4}, "mex: of the part's lowest corner on the bed; default 20")
          .advanced(),
      optionalNumber("place-y-mm", "mm", {-1e4, 1e4}, "mex: the same; default 20").advanced(),
      optionalNumber("yield-stress-pa", "Pa", {0, 1e6}, "mex: of the paste (Herschel-Bulkley); default 0"),
      optionalNumber("consistency-pa-sn", "Pa·sⁿ", {0, 1e6}, "mex: K of the paste; default 0: not known"),
      optionalNumber("flow-index", "", {0.05, 2}, "mex: n of the paste; default 1"),
      optionalNumber("needle-length-mm", "mm", {0.1, 200}, "mex: of the needle's bore; default 12.7"),
      optionalNumber("most-shear-stress-pa", "Pa", {0, 1e6}, "mex: warned above it; default 0: no limit"),
      text("start-gcode", "", "mex: the machine's lines before the job").advanced(),
      text("end-gcode", "", "mex: and after it").advanced()};
}

void setExtrusion(const cli::Context& ctx, sp::Settings& settings) {
  for (const auto& [option, value] : sp::extrusionNumbers(settings)) *value = ctx.maybe(option).value_or(*value);
  settings.extrusion.outer_first = ctx.flag("outer-first"), settings.gcode.feed = sp::feedNamed(ctx.text("feed"));
  settings.gcode.start = ctx.text("start-gcode"), settings.gcode.end = ctx.text("end-gcode");
}

}  // namespace osteo
