#include "cli/app.h"
#include "cli/context.h"
#include "slice_print/exposure.h"

namespace osteo {

// Of apps/slice-print.cpp: masks of light (vpp), and of what is jetted into powder (bjt) or onto the part (mjt).
std::vector<cli::Parameter> maskRows();
void setMasks(const cli::Context& ctx, slice_print::Settings& settings);

namespace sp = slice_print;

std::vector<cli::Parameter> maskRows() {
  using namespace cli;
  return {optionalNumber("pixel-mm", "mm", {1e-3, 10}, "pixel of PNG masks; default by process: mjt 0.04, others 0.05"),
          numbers("shrinkage-percent", "%", 3, {0, 99}, "of lengths when sintered, in machine x, y, z: printed larger"),
          optionalNumber("cure-depth-mm", "mm", {1e-3, 10}, "vpp: wanted depth of cure; default 0.1"),
          optionalNumber("penetration-depth-mm", "mm", {1e-3, 10}, "vpp: Dp of the working curve; default 0.05"),
          optionalNumber("critical-exposure-mj-cm2", "mJ/cm²", {1e-3, 1e5}, "vpp: Ec of the working curve; default 5"),
          optionalNumber("irradiance-mw-cm2", "mW/cm²", {1e-3, 1e5}, "vpp: of the lamp at the vat; default 10"),
          optionalNumber("growth-mm", "mm", {0, 10}, "by which outlines grow when cured or wetted: masks are drawn in"),
          integer("bottom-layers", "", 0, {0, 1000}, "vpp: first layers with a longer exposure").advanced(),
          optionalNumber("bottom-factor", "", {1, 100}, "vpp: how many times as long; default 1").advanced(),
          optionalNumber("peel-s", "s", {0, 1e4}, "vpp: parting, raising and settling of a layer; default 5"),
          optionalNumber("saturation-percent", "%", {1, 300}, "bjt: of the powder's pores; default 100"),
          optionalNumber("packing-percent", "%", {10, 95}, "bjt: solid share of the powder bed; default 55"),
          optionalNumber("drop-pl", "pl", {0.1, 1e4}, "bjt, mjt: volume of a drop; default 30"),
          optionalNumber("swath-mm", "mm", {0.1, 1e4}, "bjt, mjt: width of the print head; default 65").advanced()};
}

void setMasks(const cli::Context& ctx, sp::Settings& settings) {
  ctx.refuse(sp::foreignMaskOptions(settings.process), "goes with another --process");
  for (const auto& [option, value] : sp::named(settings.mask)) *value = ctx.maybe(option).value_or(*value);
  settings.mask.bottom_layers = static_cast<int>(ctx.integer("bottom-layers"));
  if (ctx.given("shrinkage-percent"))
    settings.mask.shrinkage_percent = Eigen::Vector3d::Map(ctx.numbers("shrinkage-percent").data());
}

}  // namespace osteo
