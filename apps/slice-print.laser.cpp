#include "cli/app.h"
#include "cli/context.h"
#include "slice_print/exposure.h"
#include "slice_print/summary.h"

namespace osteo {

// Of apps/slice-print.cpp: contours, hatches and skins, with which beam.
std::vector<cli::Parameter> laserRows();
void setLaser(const cli::Context& ctx, slice_print::Settings& settings);
slice_print::Bill billOf(const cli::Context& ctx);

namespace sp = slice_print;

std::vector<cli::Parameter> laserRows() {
  using namespace cli;
  const Range positive_mm{1e-4, 100};
  return {
      integer("contours", "", 1, {0, 20}, "contours inside the outline"),
      number("contour-offset-mm", "mm", 0.05, {0, 10}, "outline to the first contour: half the beam's width"),
      number("contour-spacing-mm", "mm", 0.1, positive_mm, "distance between contours").advanced(),
      flag("no-hatch", "contours only"),
      number("hatch-mm", "mm", 0.14, {1e-3, 100}, "distance between hatch lines"),
      number("hatch-offset-mm", "mm", 0.05, {0, 10}, "innermost contour to the ends of the hatches"),
      number("hatch-angle-deg", "°", 0, {-360, 360}, "direction of the first layer's hatches to +x").advanced(),
      number("hatch-rotation-deg", "°", 67, {-360, 360}, "turn of the hatches from layer to layer").advanced(),
      choice("strategy", sp::strategyNames(), "meander", "how the inside is hatched"),
      number("stripe-mm", "mm", 5, {0.1, 1000}, "width of stripes").advanced(),
      number("island-mm", "mm", 5, {0.1, 1000}, "side of islands").advanced(),
      number("field-overlap-mm", "mm", 0.1, {0, 10}, "of neighbouring stripes or islands").advanced(),
      number("least-vector-mm", "mm", 0, {0, 10}, "shorter hatches are joined to their neighbour in line or left out")
          .advanced(),
      number("corner-radius-mm", "mm", 0, {0, 10}, "to which sharp corners of contours are rounded; 0 leaves them")
          .advanced(),
      number("least-corner-deg", "°", 60, {0, 179}, "corners with a smaller inner angle are sharp").advanced(),
      integer("up-skin-layers", "", 0, {0, 100}, "as many layers below an upper surface are up-skin; 0: none"),
      optionalNumber("up-skin-hatch-mm", "mm", {1e-3, 100}, "between its hatch lines; default as inside").advanced(),
      optionalNumber("up-skin-speed-mm-s", "mm/s", {1, 1e5}, "default --scan-speed-mm-s").advanced(),
      optionalNumber("up-skin-power-w", "W", {1, 1e5}, "default --laser-power-w").advanced(),
      integer("down-skin-layers", "", 0, {0, 100}, "as many layers above a lower surface are down-skin; 0: none"),
      optionalNumber("down-skin-hatch-mm", "mm", {1e-3, 100}, "between its hatch lines; default as inside").advanced(),
      optionalNumber("down-skin-speed-mm-s", "mm/s", {1, 1e5}, "default --scan-speed-mm-s").advanced(),
      optionalNumber("down-skin-power-w", "W", {1, 1e5}, "default --laser-power-w").advanced(),
      number("laser-power-w", "W", 280, {1, 1e5}, "for the energy density"),
      number("scan-speed-mm-s", "mm/s", 1200, {1, 1e5}, "of contours and hatches"),
      number("jump-speed-mm-s", "mm/s", 5000, {1, 1e6}, "between vectors, laser off").advanced(),
      choice("encoding", {"binary", "ascii"}, "binary", "of .cli")};
}

void setLaser(const cli::Context& ctx, sp::Settings& settings) {
  for (const auto& [option, value] : sp::exposureNumbers(settings)) *value = ctx.maybe(option).value_or(*value);
  settings.contours = static_cast<int>(ctx.integer("contours")), settings.hatch = !ctx.flag("no-hatch");
  settings.strategy = sp::strategyNamed(ctx.text("strategy"));
  settings.cell_mm = ctx.number(settings.strategy == sp::Strategy::Stripe ? "stripe-mm" : "island-mm");
  settings.up_skin.layers = static_cast<int>(ctx.integer("up-skin-layers"));
  settings.down_skin.layers = static_cast<int>(ctx.integer("down-skin-layers"));
}

sp::Bill billOf(const cli::Context& ctx) {
  const auto given = [&](const char* name) { return ctx.maybe(name).value_or(0); };
  return {{ctx.number("scan-speed-mm-s"),
           ctx.number("jump-speed-mm-s"),
           ctx.maybe("recoat-s").value_or(10),
           {0, given("up-skin-speed-mm-s"), given("down-skin-speed-mm-s"), given("support-speed-mm-s")}},
          ctx.number("laser-power-w"),
          ctx.number("overhang-deg"),
          {0, given("up-skin-power-w"), given("down-skin-power-w"), given("support-power-w")}};
}

}  // namespace osteo
