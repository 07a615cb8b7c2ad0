#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "learn/completion_training.h"

namespace osteo {
namespace {

using cli::Context;

learn::TrainingOptions loop(const Context& ctx) {
  learn::TrainingOptions out;
  out.steps = ctx.integer("steps");
  out.batch = ctx.integer("batch");
  out.rate = ctx.number("rate");
  out.seed = ctx.seed();
  if (ctx.given("checkpoint")) out.checkpoint = ctx.text("checkpoint");
  out.checkpoint_every = ctx.integer("checkpoint-every");
  return out;
}

/// Weights as a folder, their training record as the results; the folder is opened before the long work.
template <class Train>
void write(Context& ctx, const Train& train) {
  const std::string folder = ctx.outputFolder("output");
  const learn::Weights weights = train();
  ctx.results() = weights.training;
  learn::writeWeights(weights, folder);
}

void runCompletion(Context& ctx) {
  learn::CompletionTraining options;
  options.loop = loop(ctx);
  options.bones = static_cast<int>(ctx.integer("bones"));
  options.unseen = static_cast<int>(ctx.integer("unseen"));
  options.base = static_cast<int>(ctx.integer("base"));
  options.levels = static_cast<int>(ctx.integer("levels"));
  const double examples = 2e7 * static_cast<double>(options.loop.batch * options.base);
  if (ctx.dryRun(6e8 + examples + 4e6 * options.bones)) return;
  write(ctx, [&] { return learn::trainCompletion(options); });
}

std::vector<cli::Parameter> loopRows(long long steps, long long batch, double rate) {
  using cli::integer, cli::number;
  cli::Parameter checkpoint =
      cli::text("checkpoint", "", "folder that keeps the state; a run that finds it goes on from there");
  checkpoint.type = cli::Type::Folder;
  return {cli::output({}, "folder of the weights: index.json and weights.bin"),
          integer("steps", "", steps, {1, 10000000}, "steps of the optimiser"),
          integer("batch", "", batch, {1, 1000000}, "examples a step"),
          number("rate", "", rate, {1e-7, 1}, "rate of the optimiser at the start; it falls to 2 % of that"),
          checkpoint,
          integer("checkpoint-every", "", 200, {1, 10000000}, "steps between two checkpoints").advanced()};
}

std::vector<cli::Parameter> joined(std::vector<cli::Parameter> rows, const std::vector<cli::Parameter>& more) {
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace

cli::App cli::describe() {
  return {"train",
          "trains the networks that other tools take as --weights",
          {{"completion",
            "a network that fills defects, trained on bones made of nothing",
            {"train completion -o tiny.completion --steps 5 --bones 2 --unseen 1 --base 8"},
            joined(loopRows(3000, 2, 2e-3),
                   {integer("bones", "", 80, {1, 10000}, "procedural bones that examples are cut from"),
                    integer("unseen", "", 40, {0, 10000}, "examples of other bones that it is judged by"),
                    integer("base", "", 16, {8, 64}, "features of the first level, a multiple of 8"),
                    integer("levels", "", 3, {2, 5}, "levels, each half as fine as the one before")}),
            runCompletion}}};
}

}  // namespace osteo
