#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/files.h"
#include "learn/segmentation_training.h"
#include "picture/render.h"
#include "segment/segment.h"

namespace osteo {

cli::Job trainSegmentJob();

namespace {

using nlohmann::json;

/// What the classical path makes of a case, for the comparison that segment's --method auto goes by.
image::LabelVolume classical(const image::CtVolume& ct) {
  image::CtVolume copy = ct;
  return segment::segment(copy, {}).labels;
}

learn::SegmentationTraining optionsOf(const cli::Context& ctx) {
  learn::SegmentationTraining out;
  out.loop.steps = ctx.integer("steps");
  out.loop.batch = ctx.integer("batch");
  out.loop.rate = ctx.number("rate");
  if (ctx.text("optimiser") == "sgd") out.loop.momentum = 0.99;
  out.loop.seed = ctx.seed();
  if (ctx.given("checkpoint")) out.loop.checkpoint = ctx.text("checkpoint");
  out.loop.checkpoint_every = ctx.integer("checkpoint-every");
  if (ctx.given("spacing-mm")) out.plan.spacing_mm = ctx.number("spacing-mm");
  const int side = static_cast<int>(ctx.integer("patch"));
  out.plan.patch_voxels = side * side * side;
  out.plan.base = static_cast<int>(ctx.integer("base"));
  out.plan.levels = static_cast<int>(ctx.integer("levels"));
  out.plan.blocks = static_cast<int>(ctx.integer("blocks"));
  out.plan.fold = ctx.flag("fold") ? 2 : 1;
  out.plan.residual = ctx.text("encoder") == "residual";
  out.sampling = {ctx.number("defect-share"), ctx.number("foreground-share")};
  out.validate_every = ctx.integer("validate-every");
  out.patience = static_cast<int>(ctx.integer("patience"));
  out.classical = classical;
  return out;
}

/// The validation curve as JSON lines and as a picture.
void writeCurve(const json& curve, const std::string& folder) {
  std::string lines;
  std::vector<picture::Series> series;
  for (const json& row : curve) {
    lines += row.dump() + "\n";
    std::size_t s = 0;
    const auto add = [&](const std::string& name, double y) {
      if (series.size() <= s) series.push_back({name, {}, {}});
      series[s].x.push_back(row.at("step").get<double>());
      series[s++].y.push_back(y);
    };
    add("loss", row.at("loss"));
    for (const auto& [name, value] : row.at("dice").items()) add(name, value);
  }
  if (series.empty()) return;
  core::writeFile(folder + "/curve.jsonl", lines);
  picture::writePng(picture::plot(series, "step", "loss; Dice of validation"), folder + "/curve.png");
}

void run(cli::Context& ctx) {
  const std::string cases = ctx.input("cases");
  const learn::SegmentationTraining options = optionsOf(ctx);
  if (ctx.dryRun(learn::trainingBytes(learn::readCases(cases, options.loop.seed), options))) return;
  const std::string folder = ctx.outputFolder("output");
  const learn::SegmentationTrained trained = learn::trainSegmentation(cases, options);
  ctx.results() = trained.weights.training;
  learn::writeWeights(trained.weights, folder);
  core::writeFile(folder + "/plans.json", toJson(trained.plans).dump(1) + "\n");
  writeCurve(trained.curve, folder);
}

}  // namespace

cli::Job trainSegmentJob() {
  using namespace cli;
  Parameter checkpoint = text("checkpoint", "", "folder that keeps the state; a run that finds it goes on from there");
  checkpoint.type = Type::Folder;
  return {
      "segment",
      "a network that labels cortical and cancellous bone, metal and defect, trained on your cases",
      {"train segment cases/cases.json -o tiny.segment --steps 4 --patch 16 --base 4 --levels 2 --validate-every 2"},
      {input("cases", {".json"}, "CTs with labels (configs/schema/cases.json)"),
       output({}, "folder of the weights: index.json, weights.bin, plans.json, curve.jsonl, curve.png"),
       integer("steps", "", 5000, {1, 10000000}, "steps of the optimiser"),
       integer("batch", "", 2, {1, 1000}, "patches a step"),
       number("rate", "", 2e-3, {1e-7, 1}, "rate of the optimiser at the start; it falls to 2 % of that"),
       choice("optimiser", {"adam", "sgd"}, "adam", "Adam, or steepest descent with Nesterov's momentum of 0.99"),
       optionalNumber("spacing-mm", "mm", {0.1, 10}, "voxel that the network sees; the cases' median unless given"),
       integer("patch", "", 64, {16, 256},
               "side in voxels of a cube as large as a patch, whose sides follow the spacing"),
       integer("base", "", 16, {2, 128}, "features of the first level; they double a level, up to 320"),
       integer("levels", "", 0, {0, 8}, "levels at most; 0: as long as a map has 8 voxels a side"),
       integer("blocks", "", 1, {1, 6}, "pairs of convolutions a level").advanced(),
       choice("encoder", {"plain", "residual"}, "residual", "with or without a way around each pair of convolutions"),
       flag("fold", "eight voxels become channels of one first: an eighth of the work"),
       number("defect-share", "", 0.33, {0, 1}, "share of the patches about a defect, where cases have one"),
       number("foreground-share", "", 0.33, {0, 1}, "share of the patches about any other label"),
       integer("validate-every", "", 200, {1, 10000000}, "steps between two validations"),
       integer("patience", "", 0, {0, 100000}, "validations without a better one that end the training; 0: none"),
       checkpoint, integer("checkpoint-every", "", 200, {1, 10000000}, "steps between two checkpoints").advanced()},
      run};
}

}  // namespace osteo
