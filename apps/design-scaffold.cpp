#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "design_scaffold/design.h"
#include "design_scaffold/draw.h"
#include "mesh/io.h"
#include "mesh/measures.h"

namespace osteo {
namespace {

using design_scaffold::Fit;
using design_scaffold::Kind;
using design_scaffold::Skin;

design_scaffold::LatticeSpec latticeOf(const cli::Context& ctx) {
  design_scaffold::LatticeSpec spec;
  spec.kind = ctx.text("kind") == "sheet" ? Kind::Sheet : Kind::Network;
  spec.surface = design_scaffold::tpmsNamed(ctx.text("lattice"));
  spec.cell_mm = ctx.number("cell-mm");
  spec.volume_fraction = ctx.maybe("volume-fraction").value_or(1 - ctx.number("porosity"));
  if (ctx.given("origin-mm")) spec.origin_mm = Eigen::Vector3d::Map(ctx.numbers("origin-mm").data());
  return spec;
}

Fit fitOf(const cli::Context& ctx) {
  const bool host = ctx.given("host");
  if (!host && ctx.maybe("skin-mm").value_or(0) > 0)
    throw core::Error(core::Exit::Usage,
                      {.what = "a skin needs --host",
                       .expected = "--host BONE.vdb",
                       .hint = "without the bone nothing says which side must stay open; or --skin-mm 0"});
  constexpr double kSkin_mm = 1.0;
  Fit fit;
  fit.clearance_mm = ctx.number("clearance-mm");
  fit.skin = ctx.text("skin") == "outer" ? Skin::Outer : ctx.text("skin") == "both" ? Skin::Both : Skin::Rim;
  fit.skin_mm = host ? ctx.maybe("skin-mm").value_or(kSkin_mm) : 0;
  fit.rim_mm = ctx.number("rim-mm");
  return fit;
}

/// The defect as a level set, once its size is known to fit this machine.
levelset::LevelSet readDefect(const std::string& path, const design_scaffold::Lattice& lattice, double voxel_mm) {
  if (levelset::isMeshFile(path)) {
    const mesh::TriangleMesh shape = mesh::readMesh(path);
    design_scaffold::requireMemory(mesh::volume_mm3(shape), lattice, voxel_mm);
    return levelset::fromMesh(shape, voxel_mm);
  }
  const levelset::LevelSet shape = levelset::readVdb(path);
  design_scaffold::requireMemory(levelset::volume_mm3(shape), lattice, voxel_mm);
  return shape;
}

levelset::LevelSet readHost(const std::string& path, double voxel_mm) {
  constexpr double kFinest_mm = 0.4;  // of a host that comes as a mesh; skins and gaps need no more
  return levelset::readSolid(path, std::max(voxel_mm, kFinest_mm));
}

void run(cli::Context& ctx) {
  const Fit fit = fitOf(ctx);
  const design_scaffold::Lattice lattice(latticeOf(ctx));
  const double voxel = design_scaffold::checkedVoxel_mm(lattice, ctx.maybe("voxel-mm").value_or(0));
  const levelset::LevelSet defect = readDefect(ctx.input("defect"), lattice, voxel);
  std::optional<levelset::LevelSet> host;
  if (ctx.given("host")) host = readHost(ctx.input("host"), voxel);
  const levelset::LevelSet* bone = host ? &*host : nullptr;
  design_scaffold::requireDesignable(defect, bone);
  if (ctx.dryRun(design_scaffold::estimatedBytes(levelset::volume_mm3(defect), lattice, voxel))) return;

  const std::string vdb = ctx.output("output"), stl = ctx.output("mesh"), png = ctx.output("picture");
  const auto made = design_scaffold::design(defect, bone, lattice, fit, voxel, ctx.results());
  ctx.results()["skin_mm"] = fit.skin_mm;
  levelset::writeVdb(made.solid, vdb, "scaffold");
  if (!stl.empty()) mesh::writeMesh(made.mesh, stl);
  if (!png.empty()) design_scaffold::draw(made.mesh, bone, png);
}

}  // namespace

cli::App cli::describe() {
  const std::vector<std::string> shapes{".vdb", ".stl", ".ply", ".obj", ".3mf"};
  return {
      "design-scaffold",
      "Turns a defect into a porous implant that fits its bone: one closed, printable piece.",
      {{"",
        "Fills a defect with a lattice, keeps it clear of the host and covers it with a skin.",
        {"design-scaffold defect.vdb --host bone.vdb -o scaffold.vdb --mesh scaffold.stl --picture scaffold.png",
         "design-scaffold defect.vdb --host bone.vdb -o rim.vdb --skin rim --porosity 0.7 --voxel-mm 0.2",
         "design-scaffold defect.vdb -o block.vdb --kind sheet --volume-fraction 0.3 --cell-mm 5 --voxel-mm 0.15"},
        {input("defect", shapes, "shape of the missing bone, as reconstruct writes it"),
         inputOption("host", {".vdb", ".stl", ".ply", ".obj", ".3mf"}, "remaining bone; the implant keeps clear of it"),
         output({".vdb"}, "scaffold as a level set"),
         outputOption("mesh", {".stl", ".ply", ".obj", ".amf", ".3mf"}, "scaffold as a closed triangle mesh"),
         choice("lattice", design_scaffold::tpmsNames(), "gyroid", "triply periodic minimal surface of the cell"),
         choice("kind", {"network", "sheet"}, "network", "solid on one side of the surface, or a sheet along it"),
         number("porosity", "", 0.65, {0.05, 0.95}, "share of pores in the lattice core"),
         optionalNumber("volume-fraction", "", {0.05, 0.95}, "solid share of the core; takes the place of --porosity"),
         number("cell-mm", "mm", 3.0, {0.2, 50}, "edge of the lattice's cell"),
         number("clearance-mm", "mm", 0.3, {0, 5}, "gap to the host"),
         choice("skin", {"outer", "both", "rim"}, "outer",
                "solid cover: surface away from the host's centre, all free surfaces, or a frame along the host"),
         optionalNumber("skin-mm", "mm", {0, 10}, "thickness of the skin; default 1 with a host, 0 without; 0: none"),
         number("rim-mm", "mm", 3.0, {0.5, 30}, "width of the frame of --skin rim").advanced(),
         numbers("origin-mm", "mm", 3, {}, "point of phase zero of the lattice (default 0,0,0)").advanced(),
         optionalNumber("voxel-mm", "mm", {0.01, 2}, "voxel; default the smaller of cell/24 and wall/4").advanced(),
         picture("scaffold whole, cut open, and in its host")},
        run}}};
}

}  // namespace osteo
