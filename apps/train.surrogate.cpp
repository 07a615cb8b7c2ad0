#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "design_scaffold/cell_surrogate.h"
#include "train.loop.h"

namespace osteo {

cli::Job trainSurrogateJob();

namespace {

using namespace design_scaffold;

CellTableRecipe recipeOf(const cli::Context& ctx) {
  CellTableRecipe recipe;
  recipe.lattices = ctx.given("lattices") ? ctx.texts("lattices") : usualCellLattices();
  for (const std::string& name : recipe.lattices) latticeSpecNamed(name);
  recipe.cells = static_cast<int>(ctx.integer("cells"));
  recipe.elements = static_cast<int>(ctx.integer("elements"));
  recipe.seed = ctx.seed();
  if (recipe.elements % 8 != 0) throw core::Error(core::Exit::Usage, {.what = "--elements takes multiples of 8"});
  requireEnoughCells(recipe);
  return recipe;
}

learn::PropertyTraining trainingOf(const cli::Context& ctx) {
  learn::PropertyTraining out;
  out.loop = loopOf(ctx, "network");
  out.members = static_cast<int>(ctx.integer("members"));
  out.width = static_cast<int>(ctx.integer("width"));
  out.layers = static_cast<int>(ctx.integer("layers"));
  out.judge_every = ctx.integer("validate-every");
  return out;
}

void run(cli::Context& ctx) {
  const CellTableRecipe recipe = recipeOf(ctx);
  const learn::PropertyTraining training = trainingOf(ctx);
  if (ctx.dryRun(4e8 + 4e3 * std::pow(2.0 * recipe.elements, 3))) return;
  const std::string folder = ctx.outputFolder("output");
  std::string table;
  if (ctx.given("checkpoint")) {
    std::filesystem::create_directories(ctx.text("checkpoint"));
    table = ctx.text("checkpoint") + "/cells.jsonl";
  }
  const SurrogateTrained trained = trainSurrogate(cellTable(recipe, table), recipe, training);
  ctx.results() = trained.weights.training;
  learn::writeWeights(trained.weights, folder);
  writeCurve(trained.curve, folder, {{"validation", "validation"}}, "mean squared error of the validation cells");
}

}  // namespace

cli::Job trainSurrogateJob() {
  using namespace cli;
  return {
      "surrogate",
      "networks that know stiffness, permeability, surface and strength of a lattice's cell, taught by the solver",
      {"train surrogate -o tiny.surrogate --lattices gyroid_network --cells 20 --elements 8 --steps 20 --members 2 "
       "--width 8"},
      {output({}, "folder of the weights: index.json, weights.bin, curve.jsonl, curve.png"),
       integer("cells", "", 840, {5, 1000000}, "cells that are resolved, in turn of each lattice"),
       texts("lattices",
             "lattices to learn, such as gyroid_sheet or spinodoid_network (default: all surfaces and unit "
             "cells of struts)"),
       integer("elements", "", 24, {8, 128}, "elements along the edge of a lattice's period, a multiple of 8"),
       integer("steps", "", 4000, {1, 10000000}, "steps of the optimiser"),
       integer("batch", "", 64, {1, 100000}, "cells a step"),
       number("rate", "", 3e-3, {1e-7, 1}, "rate of the optimiser at the start; it falls to 2 % of that"),
       integer("members", "", 5, {1, 64}, "networks whose answers are put together"),
       integer("width", "", 48, {1, 4096}, "features of a layer"), integer("layers", "", 2, {1, 32}, "hidden layers"),
       integer("validate-every", "", 200, {1, 10000000}, "steps between two looks at the validation cells").advanced(),
       checkpointFolder("cells"),
       integer("checkpoint-every", "", 2000, {1, 10000000}, "steps between two checkpoints").advanced()},
      run};
}

}  // namespace osteo
