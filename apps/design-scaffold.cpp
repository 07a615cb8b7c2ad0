#include <nlohmann/json.hpp>
#include <optional>

#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/confirm.h"
#include "design_scaffold/files.h"
#include "design_scaffold/grade.h"
#include "design_scaffold/history_picture.h"
#include "design_scaffold/loop.h"
#include "design_scaffold/measures.h"
#include "design_scaffold/recommend.h"
#include "design_scaffold/response_surrogate.h"
#include "design_scaffold/seating.h"
#include "design_scaffold/targets.h"
#include "image/io.h"

namespace osteo {

cli::Job resectJob();           // apps/design-scaffold.resect.cpp
cli::Job anatomicalModelJob();  // apps/design-scaffold.anatomical-model.cpp
cli::Job inverseJob();          // apps/design-scaffold.inverse.cpp
// apps/design-scaffold.seating.cpp
std::vector<cli::Parameter> seatingRows();
design_scaffold::Fit fitOf(const cli::Context& ctx);
design_scaffold::Seating seatingOf(const cli::Context& ctx);
// apps/design-scaffold.material.cpp
std::string materialOf(cli::Context& ctx, const design_scaffold::ImplantLibrary& library,
                       const levelset::LevelSet& defect, const design_scaffold::Infill& infill);
// apps/design-scaffold.optimise.cpp
std::vector<cli::Parameter> optimiseRows();
std::optional<design_scaffold::Goal> goalOf(const cli::Context& ctx);
std::vector<simulate::LoadCase> loadsOf(const cli::Context& ctx);

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
  Wishes wishes{ctx.maybe("volume-fraction"), ctx.maybe("cell-mm"),     ctx.maybe("pore-mm"),
                ctx.maybe("wall-mm"),         ctx.maybe("modulus-mpa"), ctx.maybe("permeability-m2")};
  if (ctx.given("volume-fraction"))
    ctx.refuse({"porosity"}, "says in other words what --volume-fraction says: give one");
  if (ctx.given("porosity")) wishes.volume_fraction = 1 - *ctx.maybe("porosity");
  return wishes;
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

/// The files that are wanted, each by a path for its option.
template <class Path>
ImplantFiles filesOf(const Path& path) {
  return {path("output"), path("mesh"), path("picture"), path("plan"), path("overlay"), path("overlay-picture")};
}

void run(cli::Context& ctx) {
  Fit fit = fitOf(ctx);
  const std::optional<Goal> goal = goalOf(ctx);
  const std::vector<simulate::LoadCase> loads = loadsOf(ctx);
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
  const bool no_lattice = goal && goal->is_solid;  // whose walls would have to be resolved
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
  if (goal) {
    const Envelope envelope = makeEnvelope(seated.defect, seated.around(bone), fit);
    optimised = optimise(
        {*goal, loads, envelope, bone, spec, solidPhase(library, material), library.at(material).solid.density_g_cm3,
         ctx.text("checkpoint"), ctx.given("proposal-weights") ? ctx.text("proposal-weights") : responseFolder()},
        ctx.results());
    infill = optimised->infill;
    voxel = checkedVoxel_mm(infill, wished);
    requireMemory(defect_mm3, infill, voxel, files.needsMesh());
  }
  auto made = design({seated.defect, seated.around(bone), fit, voxel, files.needsMesh(), !goal}, infill, ctx.results());
  if (bone) checkSeated(made, *bone, seated, ctx.results());
  measure(made, measuredNamed(ctx.text("measure")), solidPhase(library, material),
          {ctx.number("powder-mm"), ctx.number("smallest-feature-mm")}, ctx.results());
  if (optimised) confirm(*optimised, *goal, made, ctx.results());
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
        joined(
            {input("defect", shapes, "shape of the missing bone, as reconstruct writes it"),
             output({".vdb"}, "scaffold as a level set"),
             outputOption("mesh", {".stl", ".ply", ".obj", ".amf", ".3mf"}, "scaffold as a closed triangle mesh"),
             choice("lattice", design_scaffold::latticeNames(), "gyroid",
                    "surface, struts, foam or random field of a cell"),
             choice("kind", {"network", "sheet"}, "network", "solid on one side of the surface, or a sheet along it"),
             optionalNumber("porosity", "", {0.001, 0.999}, "share of pores in the lattice core (default 0.65)"),
             optionalNumber("volume-fraction", "", {0.001, 0.999}, "solid share of the core; in place of --porosity"),
             optionalNumber("cell-mm", "mm", {0.1, 50},
                            "edge of the lattice's cell; default: what makes pores of 0.6 mm"),
             optionalNumber("pore-mm", "mm", {0.05, 20}, "mean pore diameter, in place of --cell-mm"),
             optionalNumber("wall-mm", "mm", {0.02, 20},
                            "mean wall thickness, in place of --cell-mm or of the porosity"),
             optionalNumber("modulus-mpa", "MPa", {0.001, 1e6},
                            "mean Young's modulus of the lattice; sets the porosity"),
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
             numbers("grade-range", "", 2, {},
                     "values of the field where the change begins and ends (default: its own)"),
             numbers("grade-volume-fraction", "", 2, {0.05, 0.95},
                     "solid share at both (default 0.6 and 1.4 times the wanted)"),
             numbers("grade-cell-mm", "mm", 2, {0.1, 50}, "cells at both"),
             choice("grade-lattice", blends, "none", "lattice into which it blends"),
             flag("conformal",
                  "cells follow the outer surface: layers under a cap of skull, rings around a piece of shaft"),
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
            joined(seatingRows(), optimiseRows())),
        run},
       resectJob(),
       anatomicalModelJob(),
       inverseJob()}};
}

}  // namespace osteo
