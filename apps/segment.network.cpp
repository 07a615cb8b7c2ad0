#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/context.h"
#include "core/error.h"
#include "core/log.h"
#include "image/io.h"
#include "learn/explanation.h"
#include "learn/familiarity.h"
#include "learn/method.h"
#include "segment/relabel.h"

namespace osteo {

using Models = std::vector<learn::SegmentationModel>;
std::vector<cli::Parameter> networkRows();
Models modelsOf(const cli::Context& ctx);
double networkBytes(const cli::Context& ctx, const Models& models, const image::Frame& frame);
void labelByNetwork(cli::Context& ctx, const Models& models, const image::CtVolume& ct, segment::Result& result);

namespace {

using learn::SegmentationModel;
using nlohmann::json;

learn::PredictionOptions optionsOf(const cli::Context& ctx) {
  return {.mirrors = ctx.text("method") == "ensemble", .uncertainty = ctx.given("uncertainty")};
}

void writeUncertainty(const image::Frame& frame, const learn::Prediction& found, const std::string& path) {
  std::vector<float> channels;
  channels.reserve(2 * found.entropy.size());
  for (std::size_t v = 0; v < found.entropy.size(); ++v) {
    channels.push_back(found.entropy[v]);
    channels.push_back(found.disagreement[v]);
  }
  image::writeChannels(frame, channels, 2, path);
}

json explainTo(const SegmentationModel& model, const image::CtVolume& ct, const image::LabelVolume& labels,
               const std::string& path) {
  const learn::Explanation told = learn::explainLabels(model, ct, labels);
  image::writeChannels(told.frame, told.channels, 2, path);
  if (std::abs(told.sum - (told.value - told.baseline)) > 0.01 * std::abs(told.value - told.baseline))
    core::warn("the integrated gradients miss the difference in value by more than 1 %");
  return {{"structure", told.structure},
          {"mean_logit", told.value},
          {"baseline_logit", told.baseline},
          {"sum_of_gradients", told.sum},
          {"steps", told.steps}};
}

/// What the weights know of themselves: figures on unseen cases, and how unlike them this scan is.
learn::MethodChoice choose(const SegmentationModel& model, const image::CtVolume& ct, double doubt, json& told) {
  const json& training = model.weights.training;
  double score = 0, limit = 0;
  if (training.contains("known_scans")) {
    const learn::Familiarity known = learn::familiarityFrom(training["known_scans"], model.name);
    score = known.score(learn::featuresOf(ct, doubt)), limit = known.limit;
    told["out_of_distribution_score"] = score;
    told["out_of_distribution_limit"] = limit;
  }
  return learn::chooseMethod(training.value("unseen_scans", json::object()), score, limit);
}

void report(const learn::MethodChoice& choice, json& told) {
  const auto row = [](bool network, const std::string& why) {
    return json{{"method", network ? "network" : "classical"}, {"why", why}};
  };
  told["chosen"] = {{"bone", row(choice.bone, choice.why_bone)},
                    {"metal", row(choice.metal, choice.why_metal)},
                    {"defect", row(choice.defect, choice.why_defect)}};
}

}  // namespace

std::vector<cli::Parameter> networkRows() {
  using namespace cli;
  Parameter weights =
      folderOption("weights", Channel::Input, "folders of `train segment`; without them the classical path alone runs");
  weights.count = 0;
  return {choice("method", {"auto", "classical", "network", "ensemble"}, "auto",
                 "auto: with --weights, for bone, metal and defect what did better on the same unseen scans, and the "
                 "classical path on scans unlike those; network; ensemble: all --weights, each on mirrored inputs too"),
          weights,
          flag("allow-torchscript",
               "--weights may hold model.pt, plans.json and dataset.json; a TorchScript file can execute code"),
          outputOption("uncertainty", {".nrrd"},
                       "two channels: entropy in bits of what a voxel is, disagreement between networks and mirrors"),
          outputOption("explain", {".nrrd"},
                       "patch about the defect, or else of cortex: integrated gradients and Grad-CAM of its logit")};
}

/// The folders of --weights; none where the classical path is asked for.
Models modelsOf(const cli::Context& ctx) {
  const std::string method = ctx.text("method");
  if (!ctx.given("weights")) {
    if (method == "network" || method == "ensemble")
      throw core::Error(core::Exit::Usage, {.what = "--method " + method + " needs --weights",
                                            .hint = "scripts/train_segment makes one from phantoms"});
    ctx.refuse({"uncertainty", "explain", "allow-torchscript"}, "goes with --weights");
    return {};
  }
  if (method == "classical") ctx.refuse({"weights", "uncertainty", "explain"}, "does not go with --method classical");
  Models out;
  for (const std::string& folder : ctx.inputs("weights"))
    out.push_back(learn::readSegmentationModel(folder, ctx.flag("allow-torchscript")));
  if (method != "ensemble" && out.size() > 1)
    throw core::Error(core::Exit::Usage, {.what = "several --weights go with --method ensemble"});
  return out;
}

double networkBytes(const cli::Context& ctx, const Models& models, const image::Frame& frame) {
  return models.empty() ? 0 : learn::predictionBytes(models, frame, optionsOf(ctx));
}

void labelByNetwork(cli::Context& ctx, const Models& models, const image::CtVolume& ct, segment::Result& result) {
  if (models.empty()) return;
  const std::string uncertainty = ctx.output("uncertainty"), explanation = ctx.output("explain");
  learn::Prediction found = learn::predict(models, ct, optionsOf(ctx));
  json told = {{"doubt_bits", found.doubt}};
  const learn::MethodChoice measured = choose(models.front(), ct, found.doubt, told);
  if (ctx.text("method") == "auto") {
    report(measured, told);
    if (measured.bone || measured.metal || measured.defect)
      segment::relabel(result, learn::combine(result.labels, found.labels, measured));
  } else {
    if (told.contains("out_of_distribution_score") &&
        told["out_of_distribution_score"] > told["out_of_distribution_limit"])
      core::warn("the scan is unlike those that the network was trained on: look at its labels with care");
    segment::relabel(result, found.labels);
  }
  if (ctx.text("method") != "auto" || measured.defect) result.defect_probability = std::move(found.defect);
  if (!uncertainty.empty()) writeUncertainty(ct.frame, found, uncertainty);
  if (!explanation.empty()) told["explained"] = explainTo(models.front(), ct, found.labels, explanation);
  ctx.results()["network"] = told;
}

}  // namespace osteo
