#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "image/volume.h"
#include "levelset/level_set.h"
#include "mesh/io.h"
#include "picture/canvas.h"
#include "slice_print/preview.h"
#include "slice_print/process.h"
#include "slice_print/summary.h"
#include "slice_print/writers.h"

namespace osteo::cli {

namespace {

namespace sp = slice_print;

sp::Settings settingsOf(const Context& ctx) {
  sp::Settings settings = sp::defaultsOf(sp::processNamed(ctx.text("process")));
  settings.layer_mm = ctx.maybe("layer-mm").value_or(settings.layer_mm);
  settings.contours = static_cast<int>(ctx.integer("contours"));
  settings.contour_offset_mm = ctx.number("contour-offset-mm");
  settings.contour_spacing_mm = ctx.number("contour-spacing-mm");
  settings.hatch = !ctx.flag("no-hatch");
  settings.hatch_mm = ctx.number("hatch-mm");
  settings.hatch_offset_mm = ctx.number("hatch-offset-mm");
  settings.hatch_angle_deg = ctx.number("hatch-angle-deg");
  settings.hatch_rotation_deg = ctx.number("hatch-rotation-deg");
  settings.density_g_cm3 = ctx.maybe("density-g-cm3").value_or(settings.density_g_cm3);
  return settings;
}

sp::Part readPart(const Context& ctx) {
  const std::string path = ctx.input("part");
  Eigen::Vector3d direction = Eigen::Vector3d::UnitZ();
  if (ctx.given("build-direction")) {
    direction = Eigen::Vector3d::Map(ctx.numbers("build-direction").data());
    if (direction.norm() < 1e-9) {
      throw core::Error(core::Exit::Usage, {.what = "--build-direction has no length", .expected = "such as 0,0,1"});
    }
  }
  return levelset::isMeshFile(path) ? sp::Part::ofMesh(mesh::readMesh(path), direction)
                                    : sp::Part::ofLevelSet(levelset::readVdb(path), direction);
}

bool isFolder(const std::string& path) { return !path.empty() && path.back() == '/'; }

std::string endingOf(const Context& ctx) {
  const std::string path = ctx.finalPath("output");
  return isFolder(path) ? "/" : core::extension(path);
}

sp::JobWriter openOutput(Context& ctx, const sp::JobHead& head) {
  if (isFolder(ctx.finalPath("output"))) return sp::pngWriter(ctx.outputFolder("output"), head);
  const std::string path = ctx.output("output"), ending = core::extension(path);
  if (ending == ".svg") return sp::svgWriter(path, head);
  if (ending == ".3mf") return sp::threeMfWriter(path, head);
  if (ending == ".stl") return sp::stlWriter(path, head);
  return sp::cliWriter(path, head);
}

void run(Context& ctx) {
  const sp::Settings settings = settingsOf(ctx);
  sp::requireEnding(settings.process, endingOf(ctx));
  const sp::Part part = readPart(ctx);
  const sp::Stack stack = sp::stackOver(part.size_mm().z(), settings.layer_mm);
  const int shown = ctx.given("preview-layer") ? static_cast<int>(ctx.integer("preview-layer")) - 1 : stack.layers / 2;
  if (shown >= stack.layers) {
    throw core::Error(core::Exit::Usage, {.what = "--preview-layer lies above the part",
                                          .expected = fmt::format("1 to {}", stack.layers),
                                          .got = std::to_string(shown + 1)});
  }
  const double bytes = static_cast<double>(std::filesystem::file_size(ctx.input("part")));
  constexpr double kFixed = 1.5e8, kTimesGrid = 12, kTimesMesh = 3;  // grids are stored compressed
  if (ctx.dryRun(kFixed + (core::extension(ctx.input("part")) == ".vdb" ? kTimesGrid : kTimesMesh) * bytes)) return;
  const sp::JobHead head{&part, stack,
                         ctx.text("encoding") == "ascii" ? sp::CliEncoding::Ascii : sp::CliEncoding::Binary,
                         ctx.number("pixel-mm"), shown};
  const sp::JobWriter writer = openOutput(ctx, head);
  sp::Layer layer;
  const sp::Bill bill{{ctx.number("scan-speed-mm-s"), ctx.number("jump-speed-mm-s"), ctx.number("recoat-s")},
                      ctx.number("laser-power-w"),
                      ctx.number("overhang-deg")};
  ctx.results() = sp::summarise(part, settings, sp::run(part, settings, writer, shown, layer), bill);
  if (ctx.given("picture"))
    picture::writePng(sp::preview(layer, part.machineMesh(), part, settings), ctx.output("picture"));
}

}  // namespace

App describe() {
  const Range positive_mm{1e-4, 100};
  return {
      "slice-print",
      "Turns a level set or mesh into layers and laser paths for powder bed fusion",
      {{"",
        "Slices a closed mesh or a level set, lays contours and hatches and writes the job, with build time and mass.",
        {"slice-print scaffold.vdb -o job.cli --picture layer.png",
         "slice-print scaffold.stl -o masks/ --layer-mm 0.05 --pixel-mm 0.1",
         "slice-print scaffold.vdb -o job.svg --build-direction 0,1,0 --layer-mm 0.1"},
        {input("part", {".vdb", ".stl", ".ply", ".obj", ".amf", ".3mf"}, "level set or closed mesh, LPS, mm"),
         output(
             {".cli", ".svg", ".3mf", ".stl"},
             "machine job; FOLDER/ (with the slash) for a stack of PNG masks; .stl is the part in the machine frame"),
         choice("process", slice_print::processNames(), "pbf-lb", "process by its ISO/ASTM 52900 name"),
         numbers("build-direction", "", 3, {-1e6, 1e6},
                 "direction in LPS that becomes the machine's +z; default 0,0,1"),
         optionalNumber("layer-mm", "mm", {1e-3, 10},
                        "layer height; layers are cut at mid-height; default by process: pbf-lb 0.03"),
         integer("contours", "", 1, {0, 20}, "contours inside the outline"),
         number("contour-offset-mm", "mm", 0.05, {0, 10}, "outline to the first contour: half the beam's width"),
         number("contour-spacing-mm", "mm", 0.1, positive_mm, "distance between contours").advanced(),
         flag("no-hatch", "contours only"),
         number("hatch-mm", "mm", 0.14, {1e-3, 100}, "distance between hatch lines"),
         number("hatch-offset-mm", "mm", 0.05, {0, 10}, "innermost contour to the ends of the hatches"),
         number("hatch-angle-deg", "°", 0, {-360, 360}, "direction of the first layer's hatches to +x").advanced(),
         number("hatch-rotation-deg", "°", 67, {-360, 360}, "turn of the hatches from layer to layer").advanced(),
         choice("encoding", {"binary", "ascii"}, "binary", "of .cli"),
         number("pixel-mm", "mm", 0.05, {1e-3, 10}, "pixel of PNG masks"),
         number("laser-power-w", "W", 280, {1, 1e5}, "for the energy density"),
         number("scan-speed-mm-s", "mm/s", 1200, {1, 1e5}, "of contours and hatches"),
         number("jump-speed-mm-s", "mm/s", 5000, {1, 1e6}, "between vectors, laser off").advanced(),
         number("recoat-s", "s", 10, {0, 1e4}, "spreading one layer of powder"),
         optionalNumber("density-g-cm3", "g/cm³", {0.01, 30},
                        "of the printed material; default by process: pbf-lb 4.43"),
         number("overhang-deg", "°", 45, {0, 90}, "down-facing surface flatter than this counts as overhang")
             .advanced(),
         Parameter{.name = "preview-layer",
                   .type = Type::Integer,
                   .help = "layer of --picture, from 1; default the middle one",
                   .range = {1, 100000}},
         picture("one layer, enlarged, and where it lies in the part")},
        run}}};
}

}  // namespace osteo::cli
