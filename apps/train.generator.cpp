#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "design_scaffold/generator_training.h"
#include "train.loop.h"

namespace osteo {

cli::Job trainGeneratorJob();

namespace {

using namespace design_scaffold;

CellTableRecipe recipeOf(const cli::Context& ctx) {
  CellTableRecipe recipe;
  recipe.lattices = ctx.given("lattices") ? ctx.texts("lattices") : usualCellLattices();
  requireCubic(recipe.lattices);
  recipe.cells = static_cast<int>(ctx.integer("cells"));
  recipe.elements = static_cast<int>(ctx.integer("elements"));
  recipe.seed = ctx.seed();
  if (recipe.elements % 8 != 0) throw core::Error(core::Exit::Usage, {.what = "--elements takes multiples of 8"});
  requireEnoughStretchedCells(recipe);
  return recipe;
}

learn::ProposalTraining trainingOf(const cli::Context& ctx) {
  learn::ProposalTraining out;
  out.loop = loopOf(ctx, "network");
  out.width = static_cast<int>(ctx.integer("width"));
  out.layers = static_cast<int>(ctx.integer("layers"));
  out.judge_every = ctx.integer("validate-every");
  out.patience = static_cast<int>(ctx.integer("patience"));
  return out;
}

void run(cli::Context& ctx) {
  const CellTableRecipe recipe = recipeOf(ctx);
  const learn::ProposalTraining training = trainingOf(ctx);
  if (ctx.dryRun(4e8 + 4e3 * std::pow(2.0 * finerElements(recipe.elements), 3))) return;
  const std::string folder = ctx.outputFolder("output");
  std::string table;
  if (ctx.given("checkpoint")) {
    std::filesystem::create_directories(ctx.text("checkpoint"));
    table = ctx.text("checkpoint") + "/stretched-cells.jsonl";
  }
  const GeneratorTrained trained = trainGenerator(stretchedTable(recipe, table), recipe, training);
  ctx.results() = trained.weights.training;
  learn::writeWeights(trained.weights, folder);
  writeCurve(trained.curve, folder,
             {{"training, the law's cells", "loss"}, {"validation, the solver's cells", "validation"}},
             "negative log-likelihood");
}

}  // namespace

cli::Job trainGeneratorJob() {
  using namespace cli;
  return {
      "generator",
      "a network that proposes cells for a wanted stiffness tensor and porosity, taught by a law of the solver's cells",
      {"train generator -o tiny.generator --lattices gyroid_network --cells 20 --elements 8 --steps 20 --width 8"},
      {output({}, "folder of the weights: index.json, weights.bin, curve.jsonl, curve.png"),
       integer("cells", "", 840, {20, 1000000}, "stretched cells that are solved, in turn of each lattice"),
       texts("lattices", "lattices to learn, such as gyroid_sheet (default: all surfaces and unit cells of struts)"),
       integer("elements", "", 16, {8, 128},
               "elements along the edge of a cell in the coarser of two meshes, a multiple of 8"),
       integer("steps", "", 12000, {1, 10000000}, "steps of the optimiser at most"),
       integer("batch", "", 256, {1, 100000}, "pairs a step"),
       number("rate", "", 3e-3, {1e-7, 1}, "rate of the optimiser at the start; it falls to 2 % of that"),
       integer("width", "", 96, {1, 4096}, "features of a layer"), integer("layers", "", 2, {1, 32}, "hidden layers"),
       integer("validate-every", "", 250, {1, 10000000}, "steps between two looks at the validation cells").advanced(),
       integer("patience", "", 12, {0, 1000000}, "looks without a better one that end the training; 0: none do")
           .advanced(),
       checkpointFolder("cells"),
       integer("checkpoint-every", "", 2000, {1, 10000000}, "steps between two checkpoints").advanced()},
      run};
}

}  // namespace osteo
