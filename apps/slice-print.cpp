#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "image/volume.h"
#include "mesh/io.h"
#include "picture/canvas.h"
#include "slice_print/exposure.h"
#include "slice_print/extrusion_options.h"
#include "slice_print/inputs.h"
#include "slice_print/layer_viewer.h"
#include "slice_print/preview.h"
#include "slice_print/process.h"
#include "slice_print/summary.h"
#include "slice_print/writers.h"

namespace osteo::cli {

namespace {

namespace sp = slice_print;

sp::SupportSettings supportsOf(const Context& ctx, const sp::Settings& settings) {
  const sp::SupportSettings standard = sp::supportDefaults(settings);
  return {.kind = sp::supportKindNamed(ctx.text("supports")),
          .rule = {ctx.number("overhang-deg"), ctx.number("support-spacing-mm"), ctx.number("support-least-mm2"),
                   ctx.flag("support-from-plate")},
          .width_mm = ctx.number("support-width-mm"),
          .wall_mm = ctx.maybe("support-wall-mm").value_or(standard.wall_mm),
          .tip_mm = ctx.number("support-tip-mm"),
          .gap_mm = ctx.maybe("support-gap-mm").value_or(standard.gap_mm),
          .clearance_mm = ctx.number("support-clearance-mm"),
          .lean_deg = ctx.number("support-lean-deg"),
          .perforation_percent = ctx.number("support-perforation-percent")};
}

sp::Settings settingsOf(const Context& ctx) {
  sp::Settings settings = sp::defaultsOf(sp::processNamed(ctx.text("process")));
  ctx.refuse(sp::foreignMaskOptions(settings.process), "goes with another --process");
  if (!ctx.given("adaptive-cusp-mm")) ctx.refuse({"least-layer-mm", "most-layer-mm"}, "goes with --adaptive-cusp-mm");
  settings.layer_mm = ctx.maybe("layer-mm").value_or(settings.layer_mm);
  settings.adaptive = {0, settings.layer_mm / 2, settings.layer_mm * 2};
  for (const auto& numbers : {sp::exposureNumbers(settings), sp::named(settings.mask), sp::extrusionNumbers(settings)})
    for (const auto& [option, value] : numbers) *value = ctx.maybe(option).value_or(*value);
  settings.contours = static_cast<int>(ctx.integer("contours")), settings.hatch = !ctx.flag("no-hatch");
  if (ctx.given("body-density-g-cm3")) settings.body_density_g_cm3 = ctx.numbers("body-density-g-cm3");
  settings.extrusion.outer_first = ctx.flag("outer-first"), settings.gcode.feed = sp::feedNamed(ctx.text("feed"));
  settings.gcode.start = ctx.text("start-gcode"), settings.gcode.end = ctx.text("end-gcode");
  settings.mask.bottom_layers = static_cast<int>(ctx.integer("bottom-layers"));
  if (ctx.given("shrinkage-percent"))
    settings.mask.shrinkage_percent = Eigen::Vector3d::Map(ctx.numbers("shrinkage-percent").data());
  settings.strategy = sp::strategyNamed(ctx.text("strategy"));
  settings.cell_mm = ctx.number(settings.strategy == sp::Strategy::Stripe ? "stripe-mm" : "island-mm");
  settings.up_skin.layers = static_cast<int>(ctx.integer("up-skin-layers"));
  settings.down_skin.layers = static_cast<int>(ctx.integer("down-skin-layers"));
  settings.supports = supportsOf(ctx, settings);
  sp::requireFit(settings);
  return settings;
}

sp::Bill billOf(const Context& ctx) {
  const auto given = [&](const char* name) { return ctx.maybe(name).value_or(0); };
  return {{ctx.number("scan-speed-mm-s"),
           ctx.number("jump-speed-mm-s"),
           ctx.maybe("recoat-s").value_or(10),
           {0, given("up-skin-speed-mm-s"), given("down-skin-speed-mm-s"), given("support-speed-mm-s")}},
          ctx.number("laser-power-w"),
          ctx.number("overhang-deg"),
          {0, given("up-skin-power-w"), given("down-skin-power-w"), given("support-power-w")}};
}

// The direction that needs least support, height and stairs, from the surface alone.
Eigen::Vector3d bestDirection(Context& ctx, double layer_mm, const mesh::TriangleMesh& mesh) {
  sp::OrientationRule rule;
  rule.overhang_deg = ctx.number("overhang-deg"), rule.layer_mm = layer_mm;
  if (ctx.given("keep-free")) {
    constexpr double kNear_mm = 0.5;
    rule.bearing_triangles = sp::trianglesNear(mesh, mesh::readMesh(ctx.input("keep-free")), kNear_mm);
  }
  constexpr int kListed = 5;
  const std::vector<sp::Orientation> best = sp::bestOrientations(mesh, rule, kListed);
  ctx.results()["orientations"] = sp::orientationRecord(best);
  ctx.results()["orientation_given"] = sp::orientationRecord({sp::assess(mesh, Eigen::Vector3d::UnitZ(), rule)})[0];
  return best[0].direction;
}

sp::Part readPart(Context& ctx, const sp::Settings& settings) {
  Eigen::Vector3d direction = Eigen::Vector3d::UnitZ();
  if (ctx.given("build-direction")) {
    direction = Eigen::Vector3d::Map(ctx.numbers("build-direction").data());
    if (direction.norm() < 1e-9) {
      throw core::Error(core::Exit::Usage, {.what = "--build-direction has no length", .expected = "such as 0,0,1"});
    }
  }
  const bool search = ctx.text("orient") == "auto";
  if (search && ctx.given("build-direction"))
    throw core::Error(core::Exit::Usage, {.what = "--orient auto chooses the direction that --build-direction gives"});
  if (!search && ctx.given("keep-free"))
    throw core::Error(core::Exit::Usage, {.what = "--keep-free counts with --orient auto alone"});
  std::vector<sp::Solid> solids = sp::readSolids(ctx.inputs("part"), ctx.texts("material"));
  if (search) direction = bestDirection(ctx, settings.layer_mm, sp::surfaceOf(solids));
  sp::Part part = sp::Part::ofSolids(std::move(solids), direction, sp::scaleFor(settings.mask));
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

}  // namespace

App describe() {
  const Range positive_mm{1e-4, 100};
  const auto count = [](const char* name, Range range, const char* help) {
    return Parameter{.name = name, .type = Type::Integer, .help = help, .range = range};
  };
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
        {inputs(
             "part", {".vdb", ".stl", ".ply", ".obj", ".amf", ".3mf"},
             "level sets or closed meshes, LPS, mm: one body each, of .amf and .3mf several; where bodies overlap the "
             "first one counts"),
         output({".cli", ".gcode", ".svg", ".3mf", ".amf", ".stl"},
                "machine job; FOLDER/ (with the slash) for a stack of PNG masks; .stl and .amf hold the part in the "
                "machine frame"),
         choice("process", slice_print::processNames(), "pbf-lb", "process by its ISO/ASTM 52900 name"),
         numbers("build-direction", "", 3, {-1e6, 1e6},
                 "direction in LPS that becomes the machine's +z; default 0,0,1"),
         optionalNumber("layer-mm", "mm", {1e-3, 10},
                        "layer height; layers are cut at mid-height; default by process: pbf-lb and mjt 0.03, vpp "
                        "0.05, bjt 0.1, mex 0.2"),
         optionalNumber("adaptive-cusp-mm", "mm", {1e-4, 10},
                        "layers as high as this distance between steps and surface allows; absent: equal layers"),
         optionalNumber("least-layer-mm", "mm", {1e-3, 10}, "of adaptive layers; default half of --layer-mm"),
         optionalNumber("most-layer-mm", "mm", {1e-3, 10}, "of adaptive layers; default twice --layer-mm"),
         texts("material", "names of the materials, one for each input file; default as in the files"),
         numbers("body-density-g-cm3", "g/cm³", 0, {0.01, 30},
                 "of each body's material, in their order; default --density-g-cm3 for all"),
         numbers("machine-mm", "mm", 3, {0.1, 1e5}, "largest part that the machine takes: x, y, z; refused if larger"),
         integer("contours", "", 1, {0, 20}, "contours inside the outline"),
         number("contour-offset-mm", "mm", 0.05, {0, 10}, "outline to the first contour: half the beam's width"),
         number("contour-spacing-mm", "mm", 0.1, positive_mm, "distance between contours").advanced(),
         flag("no-hatch", "contours only"),
         number("hatch-mm", "mm", 0.14, {1e-3, 100}, "distance between hatch lines"),
         number("hatch-offset-mm", "mm", 0.05, {0, 10}, "innermost contour to the ends of the hatches"),
         number("hatch-angle-deg", "°", 0, {-360, 360}, "direction of the first layer's hatches to +x").advanced(),
         number("hatch-rotation-deg", "°", 67, {-360, 360}, "turn of the hatches from layer to layer").advanced(),
         choice("strategy", slice_print::strategyNames(), "meander", "how the inside is hatched"),
         number("stripe-mm", "mm", 5, {0.1, 1000}, "width of stripes").advanced(),
         number("island-mm", "mm", 5, {0.1, 1000}, "side of islands").advanced(),
         number("field-overlap-mm", "mm", 0.1, {0, 10}, "of neighbouring stripes or islands").advanced(),
         number("least-vector-mm", "mm", 0, {0, 10},
                "shorter hatches are joined to their neighbour in line or left out")
             .advanced(),
         number("corner-radius-mm", "mm", 0, {0, 10}, "to which sharp corners of contours are rounded; 0 leaves them")
             .advanced(),
         number("least-corner-deg", "°", 60, {0, 179}, "corners with a smaller inner angle are sharp").advanced(),
         integer("up-skin-layers", "", 0, {0, 100}, "as many layers below an upper surface are up-skin; 0: none"),
         optionalNumber("up-skin-hatch-mm", "mm", {1e-3, 100}, "between its hatch lines; default as inside").advanced(),
         optionalNumber("up-skin-speed-mm-s", "mm/s", {1, 1e5}, "default --scan-speed-mm-s").advanced(),
         optionalNumber("up-skin-power-w", "W", {1, 1e5}, "default --laser-power-w").advanced(),
         integer("down-skin-layers", "", 0, {0, 100}, "as many layers above a lower surface are down-skin; 0: none"),
         optionalNumber("down-skin-hatch-mm", "mm", {1e-3, 100}, "between its hatch lines; default as inside")
             .advanced(),
         optionalNumber("down-skin-speed-mm-s", "mm/s", {1, 1e5}, "default --scan-speed-mm-s").advanced(),
         optionalNumber("down-skin-power-w", "W", {1, 1e5}, "default --laser-power-w").advanced(),
         choice("supports", slice_print::supportKindNames(), "none",
                "supports below overhangs and islands: thin walls in a lattice, branches that grow together, upright "
                "bars"),
         number("support-spacing-mm", "mm", 1, {0.05, 100}, "between walls, and between contacts with the part"),
         number("support-width-mm", "mm", 0.8, {0.05, 50}, "of a bar, a twig or a block's posts").advanced(),
         optionalNumber(
             "support-wall-mm", "mm", {1e-3, 10},
             "thickness of a block's walls; default by process: pbf-lb twice the contour offset, mex the line width, "
             "others 0.2")
             .advanced(),
         number("support-tip-mm", "mm", 0.4, {0.01, 10}, "width of supports where they meet the part").advanced(),
         optionalNumber("support-gap-mm", "mm", {0, 10},
                        "from the tips to the part; default by process: mex one layer, others 0")
             .advanced(),
         number("support-clearance-mm", "mm", 0.3, {0, 10}, "sideways between supports and part").advanced(),
         number("support-perforation-percent", "%", 0, {0, 45}, "open share of a block's walls").advanced(),
         number("support-least-mm2", "mm²", 0, {0, 1e6}, "smaller overhangs hold themselves, unless they are islands")
             .advanced(),
         number("support-lean-deg", "°", 40, {0, 80}, "greatest tilt of a tree's branches to the vertical").advanced(),
         flag("support-from-plate", "none that would stand on the part").advanced(),
         optionalNumber("support-speed-mm-s", "mm/s", {1, 1e5}, "default --scan-speed-mm-s").advanced(),
         optionalNumber("support-power-w", "W", {1, 1e5}, "default --laser-power-w").advanced(),
         choice("orient", {"given", "auto"}, "given",
                "auto: the build direction with the least support, height and stairs"),
         inputOption("keep-free", {".stl", ".ply", ".obj", ".amf", ".3mf"},
                     "surface (LPS) within 0.5 mm of which --orient auto avoids supports: where the implant bears")
             .advanced(),
         choice("encoding", {"binary", "ascii"}, "binary", "of .cli"),
         optionalNumber("pixel-mm", "mm", {1e-3, 10}, "pixel of PNG masks; default by process: mjt 0.04, others 0.05"),
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
         optionalNumber("swath-mm", "mm", {0.1, 1e4}, "bjt, mjt: width of the print head; default 65").advanced(),
         optionalNumber("print-speed-mm-s", "mm/s", {0.1, 1e5},
                        "bjt, mjt: of the print head, default 200; mex: of inner perimeters, default 40")
             .advanced(),
         optionalNumber("nozzle-mm", "mm", {0.01, 10},
                        "mex: diameter of the nozzle's or needle's opening; default 0.4"),
         optionalNumber("line-width-mm", "mm", {0.01, 20}, "mex: of a bead; default 1.125 nozzles"),
         optionalNumber("least-width-percent", "%", {10, 100}, "mex: narrowest bead in thin walls; default 50")
             .advanced(),
         count("perimeters", {0, 100}, "mex: turns of beads along the walls; default 2"),
         flag("outer-first", "mex: the outermost perimeter first, else last").advanced(),
         optionalNumber("infill-percent", "%", {0, 100}, "mex: of the inside that is filled; default 100"),
         count("solid-layers", {0, 100},
               "mex: solid below a top and above a bottom where the infill is less; default 4"),
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
         optionalNumber("retract-travel-mm", "mm", {0, 1e3}, "mex: shorter travel goes without; default 1.5")
             .advanced(),
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
         text("end-gcode", "", "mex: and after it").advanced(),
         number("laser-power-w", "W", 280, {1, 1e5}, "for the energy density"),
         number("scan-speed-mm-s", "mm/s", 1200, {1, 1e5}, "of contours and hatches"),
         number("jump-speed-mm-s", "mm/s", 5000, {1, 1e6}, "between vectors, laser off").advanced(),
         optionalNumber("recoat-s", "s", {0, 1e4},
                        "spreading one layer; default by process: pbf-lb and bjt 10, vpp 5, mjt 0"),
         optionalNumber(
             "density-g-cm3", "g/cm³", {0.01, 30},
             "of the printed material; default by process: pbf-lb and bjt 4.43, vpp 1.1, mjt 1.18, mex 1.145"),
         number("overhang-deg", "°", 45, {0, 90}, "down-facing surface flatter than this counts as overhang"),
         Parameter{.name = "preview-layer",
                   .type = Type::Integer,
                   .help = "layer of --picture, from 1; default the middle one",
                   .range = {1, 100000}},
         outputOption("preview", {".html"}, "all layers to leaf through in a browser, in one file"),
         picture("one layer, enlarged, and where it lies in the part")},
        run}}};
}

}  // namespace osteo::cli
