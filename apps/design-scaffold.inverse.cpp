#include <fmt/format.h>

#include <Eigen/Geometry>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/log.h"
#include "design_scaffold/cell_block.h"
#include "mesh/io.h"

namespace osteo {

cli::Job inverseJob();

namespace {

using namespace design_scaffold;

void tell(const Inverted& inverted, const CellTarget& target) {
  constexpr double kTold = 0.01;  // of the tensor's norm
  const double error = inverted.chosen().error, angle = Eigen::AngleAxisd(inverted.own.axes).angle();
  if (angle > 0)
    core::info(
        fmt::format("the cell is to be turned by {:.1f} degrees (turn in the record)", angle * 180 / std::numbers::pi));
  if (inverted.own.skew_share > kTold)
    core::warn(fmt::format(
        "the tensor is not orthotropic in any axes: {:.1f} % of it no such cell can have, which counts as error",
        100 * inverted.own.skew_share));
  if (error <= target.tolerance) {
    core::info(fmt::format("reached: {} with a tensor error of {:.2f} %", latticeName(inverted.chosen().cell.spec),
                           100 * error));
    return;
  }
  const double ratio = mandel(inverted.chosen().delivered).norm() / mandel(inverted.wanted).norm();
  core::warn(fmt::format("unreachable: the nearest cell, {}, is {:.1f} % off, {:.1f} % beyond the tolerance{}",
                         latticeName(inverted.chosen().cell.spec), 100 * error, 100 * (error - target.tolerance),
                         ratio > 20 ? fmt::format("; it is {:.0f} times as stiff: is the tensor in MPa?", ratio) : ""));
}

void run(cli::Context& ctx) {
  InverseOptions options{ctx.text("method"), static_cast<int>(ctx.integer("candidates")),
                         static_cast<int>(ctx.integer("corrections")), static_cast<int>(ctx.integer("elements"))};
  if (options.elements % 8 != 0) throw core::Error(core::Exit::Usage, {.what = "--elements takes multiples of 8"});
  const CellTarget target = readCellTarget(ctx.input("inverse"), readImplantLibrary(ctx.input("materials")));
  const Generator generator = readGenerator(generatorFolder(ctx.text("weights")));
  const auto cells = static_cast<int>(ctx.integer("cells"));
  if (ctx.dryRun(2e8 + 2e4 * std::pow(finerElements(options.elements), 3) + 40 * std::pow(96.0 * cells, 3))) return;
  const std::string path = ctx.output("output"), mesh = ctx.output("mesh"), picture = ctx.output("picture");
  const Inverted inverted = invert(generator, target, options);
  ctx.results() = describe(inverted, target, options);
  const levelset::LevelSet block =
      cellBlock(inverted.chosen().cell, target.cell_mm, cells, ctx.maybe("voxel-mm").value_or(0));
  ctx.results()["voxel_mm"] = block.voxel_mm();
  const double whole_mm3 = std::pow(cells * target.cell_mm, 3);
  ctx.results()["level_set_porosity"] = 1 - levelset::measureSurface(block).volume_mm3 / whole_mm3;
  levelset::writeVdb(block, path, "cell");
  if (!mesh.empty()) mesh::writeMesh(levelset::toMesh(block), mesh);
  if (!picture.empty()) draw(inverted, target, block, picture);
  tell(inverted, target);
}

}  // namespace

cli::Job inverseJob() {
  using namespace cli;
  return {
      "inverse",
      "Finds the cell of a lattice with a wanted stiffness tensor and porosity; the solver confirms it.",
      {"design-scaffold --inverse target.json -o cell.vdb --picture cell.png"},
      {inputOption("inverse", {".json"},
                   "stiffness tensor, porosity and solid that are wanted (configs/schema/target.json)")
           .must(),
       output({".vdb"}, "the cell as a level set, its lowest corner at the origin"),
       outputOption("mesh", {".stl", ".ply", ".obj", ".amf", ".3mf"}, "the cell as a closed triangle mesh"),
       integer("cells", "", 1, {1, 8}, "cells along each side of what is written"),
       choice(
           "method", {"auto", "generator", "classical"}, "auto",
           "who proposes cells: the network, a table without one, or what was better on cells that training never saw"),
       folderOption("weights", Channel::Input,
                    "weights of train generator (default: data-samples/models/cell.generator)"),
       inputOption("materials", {".json"}, "materials file; default: configs/materials/library.json"),
       integer("candidates", "", 3, {1, 8}, "cells that the solver judges").advanced(),
       integer("corrections", "", 3, {0, 20}, "corrections of the best by what the solver found, at most").advanced(),
       integer("elements", "", 24, {8, 96}, "of the solver's coarser mesh along the cell's edge, a multiple of 8")
           .advanced(),
       optionalNumber("voxel-mm", "mm", {0.01, 2}, "voxel; default: the shortest side/48").advanced(),
       picture("the cell, and Young's modulus over all directions: wanted, delivered, predicted")},
      run};
}

}  // namespace osteo
