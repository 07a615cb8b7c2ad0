#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "picture/canvas.h"
#include "slice_print/exposure.h"
#include "slice_print/extrusion_options.h"
#include "slice_print/inputs.h"
#include "slice_print/layer_viewer.h"
#include "slice_print/preview.h"
#include "slice_print/process.h"
#include "slice_print/summary.h"
#include "slice_print/writers.h"

namespace osteo {

// apps/slice-print.laser.cpp
std::vector<cli::Parameter> laserRows();
void setLaser(const cli::Context& ctx, slice_print::Settings& settings);
slice_print::Bill billOf(const cli::Context& ctx);
// apps/slice-print.supports.cpp
std::vector<cli::Parameter> supportRows();
slice_print::SupportSettings supportsOf(const cli::Context& ctx, const slice_print::Settings& settings);
std::optional<Eigen::Vector3d> givenDirection(const cli::Context& ctx);
Eigen::Vector3d bestDirection(cli::Context& ctx, double layer_mm, const std::vector<slice_print::Solid>& solids);
// apps/slice-print.masks.cpp
std::vector<cli::Parameter> maskRows();
void setMasks(const cli::Context& ctx, slice_print::Settings& settings);
// apps/slice-print.extrusion.cpp
std::vector<cli::Parameter> extrusionRows();
void setExtrusion(const cli::Context& ctx, slice_print::Settings& settings);

namespace cli {

namespace {

namespace sp = slice_print;

sp::Settings settingsOf(const Context& ctx) {
  sp::Settings settings = sp::defaultsOf(sp::processNamed(ctx.text("process")));
  if (!ctx.given("adaptive-cusp-mm")) ctx.refuse({"least-layer-mm", "most-layer-mm"}, "goes with --adaptive-cusp-mm");
  settings.layer_mm = ctx.maybe("layer-mm").value_or(settings.layer_mm);
  settings.adaptive = {0, settings.layer_mm / 2, settings.layer_mm * 2};
  if (ctx.given("body-density-g-cm3")) settings.body_density_g_cm3 = ctx.numbers("body-density-g-cm3");
  setMasks(ctx, settings), setLaser(ctx, settings), setExtrusion(ctx, settings);
  settings.supports = supportsOf(ctx, settings);
  sp::requireFit(settings);
  return settings;
}

sp::Part readPart(Context& ctx, const sp::Settings& settings) {
  std::optional<Eigen::Vector3d> direction = givenDirection(ctx);
  std::vector<sp::Solid> solids = sp::readSolids(ctx.inputs("part"), ctx.texts("material"));
  if (!direction) direction = bestDirection(ctx, settings.layer_mm, solids);
  sp::Part part = sp::Part::ofSolids(std::move(solids), *direction, sp::scaleFor(settings.mask));
  if (ctx.given("machine-mm")) sp::requireRoom(part, ctx.numbers("machine-mm"));
  sp::requireDensities(settings, part);
  return part;
}

bool isFolder(const std::string& path) { return !path.empty() && path.back() == '/'; }

std::string endingOf(const Context& ctx) {
  const std::string path = ctx.finalPath("output");
  return isFolder(path) ? "/" : core::extension(path);
}

void run(Context& ctx) {
  sp::Settings settings = settingsOf(ctx);
  sp::requireEnding(settings.process, endingOf(ctx));
  const sp::Part part = readPart(ctx, settings);
  const sp::Stack stack = sp::stackOf(part, settings);
  const int shown = ctx.given("preview-layer") ? static_cast<int>(ctx.integer("preview-layer")) - 1 : stack.layers / 2;
  if (shown >= stack.layers) {
    throw core::Error(core::Exit::Usage, {.what = "--preview-layer lies above the part",
                                          .expected = fmt::format("1 to {}", stack.layers),
                                          .got = std::to_string(shown + 1)});
  }
  if (ctx.dryRun(sp::estimatedBytes(ctx.inputs("part")))) return;
  const sp::JobHead head{&part,
                         stack,
                         ctx.text("encoding") == "ascii" ? sp::CliEncoding::Ascii : sp::CliEncoding::Binary,
                         settings.mask.pixel_mm,
                         shown,
                         settings.process == sp::Process::PbfLb ? nullptr : &settings,
                         sp::zonesOf(settings)};
  sp::JobWriter writer = isFolder(ctx.finalPath("output")) ? sp::pngWriter(ctx.outputFolder("output"), head)
                                                           : sp::fileWriter(ctx.output("output"), head);
  if (ctx.given("preview")) writer = sp::withViewer(writer, ctx.output("preview"), part, stack);
  sp::Layer layer;
  ctx.results().update(sp::summarise(part, settings, sp::run(part, settings, writer, shown, layer), billOf(ctx)));
  if (ctx.given("picture"))
    picture::writePng(sp::preview(layer, part.machineMesh(), part, settings), ctx.output("picture"));
}

std::vector<Parameter> rows() {
  std::vector<Parameter> all = {
      inputs("part", {".vdb", ".stl", ".ply", ".obj", ".amf", ".3mf"},
             "level sets or closed meshes, LPS, mm: one body each, of .amf and .3mf several; where bodies overlap the "
             "first one counts"),
      output({".cli", ".gcode", ".svg", ".3mf", ".amf", ".stl"},
             "machine job; FOLDER/ (with the slash) for a stack of PNG masks; .stl and .amf hold the part in the "
             "machine frame"),
      choice("process", sp::processNames(), "pbf-lb", "process by its ISO/ASTM 52900 name"),
      numbers("build-direction", "", 3, {-1e6, 1e6}, "direction in LPS that becomes the machine's +z; default 0,0,1"),
      optionalNumber("layer-mm", "mm", {1e-3, 10},
                     "layer height; layers are cut at mid-height; default by process: pbf-lb and mjt 0.03, vpp 0.05, "
                     "bjt 0.1, mex 0.2"),
      optionalNumber("adaptive-cusp-mm", "mm", {1e-4, 10},
                     "layers as high as this distance between steps and surface allows; absent: equal layers"),
      optionalNumber("least-layer-mm", "mm", {1e-3, 10}, "of adaptive layers; default half of --layer-mm"),
      optionalNumber("most-layer-mm", "mm", {1e-3, 10}, "of adaptive layers; default twice --layer-mm"),
      texts("material", "names of the materials, one for each input file; default as in the files"),
      numbers("body-density-g-cm3", "g/cm³", 0, {0.01, 30},
              "of each body's material, in their order; default --density-g-cm3 for all"),
      numbers("machine-mm", "mm", 3, {0.1, 1e5}, "largest part that the machine takes: x, y, z; refused if larger"),
      optionalNumber("print-speed-mm-s", "mm/s", {0.1, 1e5},
                     "bjt, mjt: of the print head, default 200; mex: of inner perimeters, default 40")
          .advanced(),
      optionalNumber("recoat-s", "s", {0, 1e4},
                     "spreading one layer; default by process: pbf-lb and bjt 10, vpp 5, mjt 0"),
      optionalNumber("density-g-cm3", "g/cm³", {0.01, 30},
                     "of the printed material; default by process: pbf-lb and bjt 4.43, vpp 1.1, mjt 1.18, mex 1.145"),
      Parameter{.name = "preview-layer",
                .type = Type::Integer,
                .help = "layer of --picture, from 1; default the middle one",
                .range = {1, 100000}},
      outputOption("preview", {".html"}, "all layers to leaf through in a browser, in one file"),
      picture("one layer, enlarged, and where it lies in the part")};
  for (const auto& more : {laserRows(), supportRows(), maskRows(), extrusionRows()}) all = joined(std::move(all), more);
  return all;
}

}  // namespace

App describe() {
  return {
      "slice-print",
      "Turns a level set or mesh into layers, paths, masks or beads for additive manufacturing",
      {{"",
        "Slices a closed mesh or a level set, lays contours and hatches and writes the job, with build time and mass.",
        {"slice-print scaffold.vdb -o job.cli --picture layer.png",
         "slice-print scaffold.stl -o masks/ --layer-mm 0.05 --pixel-mm 0.1",
         "slice-print scaffold.vdb -o job.gcode --process mex --layer-mm 0.2",
         "slice-print scaffold.vdb -o vat/ --process vpp --layer-mm 0.05 --cure-depth-mm 0.1 --preview layers.html",
         "slice-print scaffold.vdb -o job.svg --build-direction 0,1,0 --layer-mm 0.1"},
        rows(),
        run}}};
}

}  // namespace cli

}  // namespace osteo
