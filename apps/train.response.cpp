#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "design_scaffold/response_training.h"
#include "train.loop.h"

namespace osteo {

cli::Job trainResponseJob();

namespace {

using namespace design_scaffold;

ResponseTraining trainingOf(const cli::Context& ctx) {
  ResponseTraining out;
  out.loop = loopOf(ctx, "network");
  out.recipe = {static_cast<int>(ctx.integer("cases")), ctx.seed()};
  out.calibrating = static_cast<int>(ctx.integer("interval-cases"));
  out.judging = static_cast<int>(ctx.integer("unseen-cases"));
  out.width = static_cast<int>(ctx.integer("width"));
  out.blocks = static_cast<int>(ctx.integer("blocks"));
  out.judge_every = ctx.integer("validate-every");
  if (ctx.given("checkpoint")) out.folder = ctx.text("checkpoint") + "/cases";
  return out;
}

void run(cli::Context& ctx) {
  const ResponseTraining training = trainingOf(ctx);
  if (ctx.dryRun(6e8 + 4e5 * training.recipe.cases + 4e6 * static_cast<double>(training.loop.batch))) return;
  const std::string folder = ctx.outputFolder("output");
  if (!training.folder.empty()) std::filesystem::create_directories(training.folder);
  const ResponseTrained trained = trainResponse(training);
  ctx.results() = trained.weights.training;
  learn::writeWeights(trained.weights, folder);
  writeCurve(trained.curve, folder, {{"validation", "validation"}}, "mean squared error of the validation cases");
}

}  // namespace

cli::Job trainResponseJob() {
  using namespace cli;
  return {
      "response",
      "a network that tells an implant's stiffness and its stress everywhere from a solve on elements four times as "
      "large, taught by the solver",
      {"train response -o tiny.response --cases 10 --steps 4 --width 8 --interval-cases 2 --unseen-cases 2"},
      {output({}, "folder of the weights: index.json, weights.bin, curve.jsonl, curve.png"),
       integer("cases", "", 1200, {10, 1000000}, "procedural implants that are solved to learn from"),
       integer("steps", "", 6000, {1, 10000000}, "steps of the optimiser"),
       integer("batch", "", 8, {1, 1000}, "cases a step"),
       number("rate", "", 2e-3, {1e-7, 1}, "rate of the optimiser at the start; it falls to 2 % of that"),
       integer("width", "", 40, {4, 256}, "features of a layer"),
       integer("blocks", "", 2, {1, 8}, "pairs of convolutions"),
       integer("interval-cases", "", 150, {1, 100000}, "of other kinds of bodies, which set the 90 % intervals"),
       integer("unseen-cases", "", 150, {1, 100000}, "of further kinds of bodies, which judge"),
       integer("validate-every", "", 250, {1, 10000000}, "steps between two looks at the validation cases").advanced(),
       checkpointFolder("cases"),
       integer("checkpoint-every", "", 500, {1, 10000000}, "steps between two checkpoints").advanced()},
      run};
}

}  // namespace osteo
