#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/seating.h"
#include "image/io.h"

namespace osteo {

// Of apps/design-scaffold.cpp: how the implant gets in, fits its host, keeps off what must not be touched, and is held.
std::vector<cli::Parameter> seatingRows();
design_scaffold::Fit fitOf(const cli::Context& ctx);
design_scaffold::Seating seatingOf(const cli::Context& ctx);

namespace {

using namespace design_scaffold;

std::optional<FixationSpec> fixationOf(const cli::Context& ctx) {
  const std::string kind = ctx.text("fixation");
  if (kind == "none") {
    for (const auto& [name, length] : fixationLengths()) ctx.refuse({name}, "goes with --fixation");
    ctx.refuse({"screws", "bicortical"}, "goes with --fixation");
    return std::nullopt;
  }
  FixationSpec spec = usualFixation(kind);
  for (const auto& [name, length] : fixationLengths()) spec.*length = ctx.maybe(name).value_or(spec.*length);
  if (ctx.integer("screws") > 0) spec.screws = static_cast<int>(ctx.integer("screws"));
  if (ctx.text("bicortical") != "auto") spec.bicortical = ctx.text("bicortical") == "yes";
  return spec;
}

}  // namespace

std::vector<cli::Parameter> seatingRows() {
  using namespace cli;
  return {
      inputOption("host", {".vdb", ".stl", ".ply", ".obj", ".3mf"}, "remaining bone; the implant keeps clear of it"),
      number("clearance-mm", "mm", 0.3, {0, 5}, "gap to the host"),
      inputOption("fit", {".json"}, "where the gap is another, or a press fit (configs/schema/fit.json)"),
      choice("contour", {"flush", "given"}, "flush",
             "raise or lower the outer surface to meet the host's at the rim, and fill crevices, or leave it"),
      choice("insertion", {"auto", "none"}, "auto",
             "look for a straight way in and trim what bars it; with a host only"),
      numbers("insertion-direction", "", 3, {-1e6, 1e6},
              "direction in LPS in which the implant is pushed in (default: the freest)"),
      number("most-trimmed-percent", "%", 20, {0, 100}, "of the implant for a way in; beyond that it is refused"),
      inputOption("keep-out", {".seg.nrrd", ".nrrd", ".nii", ".gz", ".vdb", ".stl", ".ply", ".obj", ".3mf"},
                  "structures that implant and way in keep off: orbit, sinus, nerve, vessel"),
      texts("keep-out-labels", "segments of --keep-out by name (default: all)"),
      number("keep-out-mm", "mm", 1.0, {0, 50}, "least distance to them"),
      choice("fixation", {"none", "flanges", "plate", "nail"}, "none",
             "tabs over the host, a plate along it, or a stem in it, with screws"),
      integer("screws", "", 0, {0, 40}, "flanges: in all; plate, nail: in each stump; 0: 4, 3 and 2"),
      optionalNumber("plate-thickness-mm", "mm", {0.3, 20}, "of flanges (1) or plate (4.5)"),
      optionalNumber("plate-width-mm", "mm", {1, 60}, "of flanges (8) or plate (14); diameter of the nail (10)"),
      optionalNumber("screw-mm", "mm", {0.5, 12}, "thread's diameter (1.6; 4.5)"),
      optionalNumber("head-mm", "mm", {0.8, 20}, "head's diameter, countersunk (3; 8)").advanced(),
      optionalNumber("screw-spacing-mm", "mm", {1, 100}, "least distance between screws (8; 16)").advanced(),
      optionalNumber("screw-edge-mm", "mm", {0, 50}, "least bone from a head to the cut (4; 8)").advanced(),
      optionalNumber("screw-bone-mm", "mm", {0.5, 100}, "bone that a screw needs along its axis (3; 8)").advanced(),
      optionalNumber("screw-longest-mm", "mm", {2, 200}, "longest screw (20; 90)").advanced(),
      choice("bicortical", {"auto", "yes", "no"}, "auto", "screws through both cortices (auto: plates and nails)"),
      outputOption("plan", {".json"}, "pose, way in, screws and landmarks for navigation"),
      inputOption("ct", {".nrrd", ".nii", ".gz"}, "the patient's CT, for --overlay and the density along screws"),
      outputOption("overlay", {".seg.nrrd"}, "implant as labels on the grid of --ct"),
      outputOption("overlay-picture", {".png"}, "slices of --ct with the implant"),
      choice("skin", {"outer", "both", "rim"}, "outer",
             "solid cover: the surface towards the way in, all free surfaces, or a frame along the host"),
      optionalNumber("skin-mm", "mm", {0, 10}, "thickness of the skin; default 1 with a host, 0 without; 0: none"),
      number("rim-mm", "mm", 3.0, {0.5, 30}, "width of the frame of --skin rim").advanced()};
}

design_scaffold::Fit fitOf(const cli::Context& ctx) {
  if (!ctx.given("host"))
    ctx.refuse({"fit", "contour", "insertion", "insertion-direction", "fixation"}, "goes with --host");
  const Skin skin = ctx.text("skin") == "outer" ? Skin::Outer : ctx.text("skin") == "both" ? Skin::Both : Skin::Rim;
  return {.clearance_mm = ctx.number("clearance-mm"),
          .skin = skin,
          .skin_mm = checkedSkin_mm(ctx.maybe("skin-mm"), ctx.given("host")),
          .rim_mm = ctx.number("rim-mm")};
}

design_scaffold::Seating seatingOf(const cli::Context& ctx) {
  Seating seating{.insertion = ctx.text("insertion") == "auto",
                  .most_trimmed_percent = ctx.number("most-trimmed-percent"),
                  .flush = ctx.text("contour") == "flush"};
  if (ctx.given("insertion-direction"))
    seating.direction = Eigen::Vector3d::Map(ctx.numbers("insertion-direction").data());
  if (!seating.insertion) ctx.refuse({"insertion-direction", "most-trimmed-percent"}, "goes with --insertion auto");
  if (!ctx.given("keep-out")) ctx.refuse({"keep-out-labels", "keep-out-mm"}, "goes with --keep-out");
  if (!ctx.given("ct")) ctx.refuse({"overlay", "overlay-picture"}, "needs --ct");
  if (ctx.given("keep-out"))
    seating.keep_outs = readKeepOuts(ctx.input("keep-out"), ctx.texts("keep-out-labels"), ctx.number("keep-out-mm"));
  seating.fixation = fixationOf(ctx);
  if (ctx.given("ct")) seating.ct = image::readVolume(ctx.input("ct"));
  return seating;
}

}  // namespace osteo
