#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/confirm.h"
#include "design_scaffold/design.h"
#include "design_scaffold/files.h"
#include "design_scaffold/grade.h"
#include "design_scaffold/history_picture.h"
#include "design_scaffold/loop.h"
#include "design_scaffold/measures.h"
#include "design_scaffold/recommend.h"
#include "design_scaffold/seating.h"
#include "design_scaffold/targets.h"
#include "image/io.h"

namespace osteo {

cli::Job resectJob();           // apps/design-scaffold.resect.cpp
cli::Job anatomicalModelJob();  // apps/design-scaffold.anatomical-model.cpp

namespace {

using namespace design_scaffold;

std::optional<Eigen::Vector3d> vectorOf(const cli::Context& ctx, const std::string& name) {
  if (!ctx.given(name)) return std::nullopt;
  return Eigen::Vector3d::Map(ctx.numbers(name).data());
}

LatticeSpec shapeOf(const cli::Context& ctx) {
  LatticeSpec spec{.type = latticeNamed(ctx.text("lattice")), .fillet = ctx.number("fillet"), .seed = ctx.seed()};
  if (ctx.text("kind") == "sheet") spec.kind = Kind::Sheet;
  spec.cone_deg = vectorOf(ctx, "cone-deg").value_or(spec.cone_deg);
  spec.origin_mm = vectorOf(ctx, "origin-mm").value_or(spec.origin_mm);
  return spec;
}

Wishes wishesOf(const cli::Context& ctx) {
  Wishes wishes{ctx.maybe("volume-fraction"), ctx.maybe("cell-mm"), ctx.maybe("pore-mm"), ctx.maybe("wall-mm")};
  if (ctx.given("porosity") && !wishes.volume_fraction) wishes.volume_fraction = 1 - *ctx.maybe("porosity");
  wishes.modulus_mpa = ctx.maybe("modulus-mpa");
  wishes.permeability_m2 = ctx.maybe("permeability-m2");
  return wishes;
}

/// What the implant is for, as far as the flags say; the defect and the lattice are filled in later.
ImplantCase caseOf(const cli::Context& ctx) {
  ImplantCase wanted{.site = ctx.text("site"),
                     .peak_load_n = ctx.maybe("peak-load-n"),
                     .body_mass_kg = ctx.number("body-mass-kg"),
                     .plated = ctx.flag("plated"),
                     .age_years = ctx.maybe("age-years"),
                     .resorption_months = ctx.number("resorption-months")};
  if (ctx.text("segmental") != "auto") wanted.segmental = ctx.text("segmental") == "yes";
  if (ctx.changed("sterilisation")) wanted.sterilisation = ctx.text("sterilisation");
  return wanted;
}

std::optional<std::array<double, 2>> endsOf(const cli::Context& ctx, const std::string& name) {
  if (!ctx.given(name)) return std::nullopt;
  return std::array<double, 2>{ctx.numbers(name)[0], ctx.numbers(name)[1]};
}

/// What changes over space.
Variation variationOf(const cli::Context& ctx) {
  if (!ctx.given("grade"))
    ctx.refuse({"grade-range", "grade-volume-fraction", "grade-cell-mm", "grade-lattice"}, "goes with --grade");
  Variation variation{ctx.input("grade"), endsOf(ctx, "grade-range"), endsOf(ctx, "grade-volume-fraction"),
                      endsOf(ctx, "grade-cell-mm")};
  if (ctx.changed("grade-lattice")) variation.towards = latticeNamed(ctx.text("grade-lattice"));
  variation.conformal = ctx.flag("conformal");
  return variation;
}

/// The material to use, ranked or held against the site where one is named.
std::string materialOf(cli::Context& ctx, const ImplantLibrary& library, const levelset::LevelSet& defect,
                       const Infill& infill) {
  const std::string name = ctx.text("material");
  if (ctx.text("site").empty()) {
    ctx.refuse({"recommend-material", "plated", "peak-load-n", "resorption-months", "sterilisation", "age-years"},
               "goes with --site");
    return name;
  }
  const MaterialWish wish{name, ctx.changed("material"), ctx.flag("recommend-material")};
  return chosenMaterial(library, caseFor(caseOf(ctx), defect, infill), wish, ctx.results());
}

Fit fitOf(const cli::Context& ctx) {
  if (!ctx.given("host"))
    ctx.refuse({"fit", "contour", "insertion", "insertion-direction", "fixation"}, "goes with --host");
  const Skin skin = ctx.text("skin") == "outer" ? Skin::Outer : ctx.text("skin") == "both" ? Skin::Both : Skin::Rim;
  return {ctx.number("clearance-mm"),
          {},
          skin,
          checkedSkin_mm(ctx.maybe("skin-mm"), ctx.given("host")),
          ctx.number("rim-mm")};
}

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

/// How the implant gets in, what it keeps off, how it is held.
Seating seatingOf(const cli::Context& ctx) {
  Seating seating{ctx.text("insertion") == "auto", vectorOf(ctx, "insertion-direction"),
                  ctx.number("most-trimmed-percent"), ctx.text("contour") == "flush"};
  if (!seating.insertion) ctx.refuse({"insertion-direction", "most-trimmed-percent"}, "goes with --insertion auto");
  if (!ctx.given("keep-out")) ctx.refuse({"keep-out-labels", "keep-out-mm"}, "goes with --keep-out");
  if (!ctx.given("ct")) ctx.refuse({"overlay", "overlay-picture"}, "needs --ct");
  if (ctx.given("keep-out"))
    seating.keep_outs = readKeepOuts(ctx.input("keep-out"), ctx.texts("keep-out-labels"), ctx.number("keep-out-mm"));
  seating.fixation = fixationOf(ctx);
  if (ctx.given("ct")) seating.ct = image::readVolume(ctx.input("ct"));
  return seating;
}

/// Goals and loads of --optimise.
struct Wanted {
  Goal goal;
  std::vector<simulate::LoadCase> cases;
};
std::optional<Wanted> wantedOf(const cli::Context& ctx) {
  if (!ctx.given("optimise")) {
    ctx.refuse({"loads", "landmarks", "body-weight-n", "checkpoint"}, "goes with --optimise");
    return std::nullopt;
  }
  ctx.refuse({"porosity", "volume-fraction", "wall-mm", "modulus-mpa", "permeability-m2", "grade", "conformal"},
             "is what --optimise decides, or goes without it");
  if (!ctx.given("loads")) ctx.refuse({"optimise"}, "needs --loads");
  return Wanted{
      readGoal(ctx.input("optimise")),
      simulate::readLoads(ctx.input("loads"), {ctx.input("landmarks"), ctx.maybe("body-weight-n").value_or(0)})};
}

/// The files that are wanted, each by a path for its option.
template <class Path>
ImplantFiles filesOf(const Path& path) {
  return {path("output"), path("mesh"), path("picture"), path("plan"), path("overlay"), path("overlay-picture")};
}

void run(cli::Context& ctx) {
  Fit fit = fitOf(ctx);
  const std::optional<Wanted> wanted = wantedOf(ctx);
  const ImplantLibrary library = readImplantLibrary(ctx.input("materials"));
  const LatticeSpec spec = fulfilled(shapeOf(ctx), wishesOf(ctx), solidPhase(library, ctx.text("material")));
  const double mesh_voxel = ctx.maybe("voxel-mm").value_or(spec.cell_mm / 16);
  const levelset::LevelSet defect = readDefect(ctx.input("defect"), mesh_voxel),
                           host = ctx.given("host") ? readHost(ctx.input("host"), mesh_voxel) : levelset::LevelSet();
  const levelset::LevelSet* bone = ctx.given("host") ? &host : nullptr;
  requireDesignable(defect, bone);
  const Seating seating = seatingOf(ctx);
  if (ctx.given("fit")) fit.regions = readFitRegions(ctx.input("fit"), defect.frameId());
  Infill infill = infillFor(spec, variationOf(ctx), defect, bone);
  const double wished = ctx.maybe("voxel-mm").value_or(0);
  const bool no_lattice = wanted && wanted->goal.is_solid;  // whose walls would have to be resolved
  double voxel = no_lattice && wished > 0 ? wished : checkedVoxel_mm(infill, wished);
  ImplantFiles files = filesOf([&](const char* name) { return ctx.finalPath(name); });
  const double defect_mm3 = levelset::measureSurface(defect).volume_mm3;
  requireMemory(defect_mm3, infill, voxel, files.needsMesh());
  const std::string material = materialOf(ctx, library, defect, infill);
  if (ctx.dryRun(estimatedBytes(defect_mm3, infill, voxel, files.needsMesh()))) return;
  const std::string implant = files.mesh.empty() ? files.level_set : files.mesh;
  files = filesOf([&](const char* name) { return ctx.output(name); });
  const Seated seated = seat(defect, bone, fit, seating, ctx.results());
  std::optional<LoopResult> optimised;
  if (wanted) {
    const Envelope envelope = makeEnvelope(seated.defect, seated.around(bone), fit);
    optimised = optimise({wanted->goal, wanted->cases, envelope, bone, spec, solidPhase(library, material),
                          library.at(material).solid.density_g_cm3, ctx.text("checkpoint")},
                         ctx.results());
    infill = optimised->infill;
    voxel = checkedVoxel_mm(infill, wished);
    requireMemory(defect_mm3, infill, voxel, files.needsMesh());
  }
  auto made = design({seated.defect, seated.around(bone), fit, voxel, files.needsMesh()}, infill, ctx.results());
  if (bone) checkSeated(made, *bone, seated, ctx.results());
  measure(made, measuredNamed(ctx.text("measure")), solidPhase(library, material),
          {ctx.number("powder-mm"), ctx.number("smallest-feature-mm")}, ctx.results());
  if (optimised) confirm(*optimised, wanted->goal, made, ctx.results());
  write(made, bone, seated, seating.ct ? &*seating.ct : nullptr, files, implant);
  if (optimised && !files.picture.empty()) addHistory(ctx.results(), files.picture);
}

}  // namespace

cli::App cli::describe() {
  const std::vector<std::string> shapes{".vdb", ".stl", ".ply", ".obj", ".3mf"};
  std::vector<std::string> blends = design_scaffold::latticeNames();
  blends.insert(blends.begin(), "none");
  return {
      "design-scaffold",
      "Turns a defect into a porous implant that fits its bone: one closed, printable piece.",
      {{"",
        "Fills a defect with a lattice, keeps it clear of the host and covers it with a skin.",
        {"design-scaffold defect.vdb --host bone.vdb -o scaffold.vdb --cell-mm 3 --mesh scaffold.stl --picture "
         "scaffold.png",
         "design-scaffold defect.vdb --host bone.vdb -o rim.vdb --skin rim --porosity 0.7 --cell-mm 3 --voxel-mm 0.2",
         "design-scaffold defect.vdb -o block.vdb --kind sheet --volume-fraction 0.3 --cell-mm 5 --voxel-mm 0.15",
         "design-scaffold defect.vdb --host bone.vdb -o optimised.vdb --cell-mm 3 --optimise goal.json --loads "
         "loads.json"},
        {input("defect", shapes, "shape of the missing bone, as reconstruct writes it"),
         inputOption("host", {".vdb", ".stl", ".ply", ".obj", ".3mf"}, "remaining bone; the implant keeps clear of it"),
         output({".vdb"}, "scaffold as a level set"),
         outputOption("mesh", {".stl", ".ply", ".obj", ".amf", ".3mf"}, "scaffold as a closed triangle mesh"),
         choice("lattice", design_scaffold::latticeNames(), "gyroid",
                "surface, struts, foam or random field of a cell"),
         choice("kind", {"network", "sheet"}, "network", "solid on one side of the surface, or a sheet along it"),
         optionalNumber("porosity", "", {0.001, 0.999}, "share of pores in the lattice core (default 0.65)"),
         optionalNumber("volume-fraction", "", {0.001, 0.999}, "solid share of the core; in place of --porosity"),
         optionalNumber("cell-mm", "mm", {0.1, 50}, "edge of the lattice's cell; default: what makes pores of 0.6 mm"),
         optionalNumber("pore-mm", "mm", {0.05, 20}, "mean pore diameter, in place of --cell-mm"),
         optionalNumber("wall-mm", "mm", {0.02, 20}, "mean wall thickness, in place of --cell-mm or of the porosity"),
         optionalNumber("modulus-mpa", "MPa", {0.001, 1e6}, "mean Young's modulus of the lattice; sets the porosity"),
         optionalNumber("permeability-m2", "m2", {1e-14, 1e-4}, "Darcy permeability, in place of --cell-mm"),
         text("material", "ti6al4v", "what the lattice is made of, by its name in --materials"),
         inputOption("materials", {".json"}, "materials file; default: configs/materials/library.json"),
         flag("recommend-material",
              "rank the materials for --site, with reasons; the first is taken unless --material"),
         text("site", "",
              "bone of the defect: cranial, mandible, spine, femur, ... (configs/design-scaffold/sites.json)"),
         optionalNumber("peak-load-n", "N", {1, 20000}, "peak load of the site (default: the site's)"),
         number("body-mass-kg", "kg", 75, {2, 300}, "for loads that go by the body's weight"),
         optionalNumber("age-years", "years", {0, 120}, "of the patient; below 18 the physes may be open"),
         flag("plated", "a plate or nail bridges the defect as well"),
         choice("segmental", {"auto", "yes", "no"}, "auto", "whether the defect goes through the whole bone"),
         number("resorption-months", "months", 0, {0, 120}, "after which the implant should be gone; 0: it stays"),
         choice("sterilisation", {"any", "steam", "ethylene_oxide", "gamma", "electron_beam", "hydrogen_peroxide"},
                "any", "method that the material has to bear"),
         inputOption("grade", {".nrrd", ".nii", ".gz", ".vdb"},
                     "scalar field that changes the lattice over space; a level set stands for the distance to it"),
         numbers("grade-range", "", 2, {}, "values of the field where the change begins and ends (default: its own)"),
         numbers("grade-volume-fraction", "", 2, {0.05, 0.95},
                 "solid share at both (default 0.6 and 1.4 times the wanted)"),
         numbers("grade-cell-mm", "mm", 2, {0.1, 50}, "cells at both"),
         choice("grade-lattice", blends, "none", "lattice into which it blends"),
         flag("conformal",
              "cells follow the outer surface: layers under a cap of skull, rings around a piece of shaft"),
         inputOption(
             "optimise", {".json"},
             "goals that the implant has to reach under --loads (configs/schema/goal.json): its volume fraction "
             "is changed over space until they hold"),
         inputOption("loads", {".json"}, "load cases, as of simulate, on the implant itself"),
         inputOption("landmarks", {".json"}, "positions that the loads call by name, as of simulate"),
         optionalNumber("body-weight-n", "N", {1, 1e5}, "body weight of the loads, instead of the file's own"),
         text("checkpoint", "", "file that keeps the designs of --optimise, and from which it goes on").advanced(),
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
         number("rim-mm", "mm", 3.0, {0.5, 30}, "width of the frame of --skin rim").advanced(),
         choice("measure", {"shape", "pores", "all"}, "all",
                "shape alone, with walls and pores, or with flow, stiffness and verdicts too"),
         number("powder-mm", "mm", 0.15, {0.001, 5}, "channels narrower than this keep their powder").advanced(),
         number("smallest-feature-mm", "mm", 0.15, {0.001, 5}, "thinnest wall that the process prints").advanced(),
         number("fillet", "radii", 0.2, {0, 1}, "of struts where they meet").advanced(),
         numbers("cone-deg", "deg", 3, {0, 90}, "cones of the spinodoid's waves around x,y,z (default 90,90,90)")
             .advanced(),
         numbers("origin-mm", "mm", 3, {}, "point of phase zero of the lattice (default 0,0,0)").advanced(),
         optionalNumber("voxel-mm", "mm", {0.01, 2}, "voxel; default the smaller of cell/16 and wall/4").advanced(),
         picture("scaffold whole, cut open, and in its host")},
        run},
       resectJob(),
       anatomicalModelJob()}};
}

}  // namespace osteo
