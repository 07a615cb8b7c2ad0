#include "learn/completion_training.h"

#include <algorithm>

#include "core/progress.h"
#include "image/metrics.h"
#include "learn/bones.h"
#include "learn/completion.h"

namespace osteo::learn {

namespace {

using nlohmann::json;

constexpr double kMirrorShare = 0.6;        // of the examples that come with a mirrored copy
constexpr std::uint64_t kUnseen = 1 << 20;  // seeds of bones from here on are never trained on

std::uint64_t boneSeed(std::uint64_t seed, std::uint64_t number) { return core::mix(seed) + number; }

std::vector<image::CtVolume> makeBones(const CompletionTraining& options) {
  core::Progress progress("making bones", options.bones);
  std::vector<image::CtVolume> out;
  for (int i = 0; i < options.bones; ++i) {
    out.push_back(proceduralBone(boneSeed(options.loop.seed, static_cast<std::uint64_t>(i))));
    progress.advance();
  }
  return out;
}

void append(std::vector<float>& to, const std::vector<float>& from) { to.insert(to.end(), from.begin(), from.end()); }

void fill(Batch& batch, const std::vector<image::CtVolume>& bones, std::int64_t step, const TrainingOptions& options) {
  for (std::int64_t b = 0; b < options.batch; ++b) {
    const auto number = static_cast<std::uint64_t>(step * options.batch + b);
    Draw draw(options.seed, core::mix(number) + 7);
    const auto bone = static_cast<std::size_t>(draw.between(0, static_cast<double>(bones.size())));
    Example made = example(bones[bone], options.seed, number);
    if (!draw.chance(kMirrorShare)) std::fill(made.mirrored.begin(), made.mirrored.end(), 1.0F);
    append(batch.input, made.damaged);
    append(batch.input, made.mirrored);
    append(batch.target, made.whole);
    append(batch.weight, made.weight);
    ++batch.count;
  }
}

/// What is inside the whole and outside the damaged bone.
image::LabelVolume piece(const std::vector<float>& whole, const std::vector<float>& damaged) {
  image::Frame frame;
  frame.size.setConstant(kPatch);
  frame.spacing_mm.setConstant(kCell_mm);
  image::LabelVolume out(frame);
  for (std::size_t v = 0; v < whole.size(); ++v) out.voxels[v] = whole[v] < 0 && damaged[v] > 0 ? 1 : 0;
  return out;
}

json describe(const CompletionScore& score) {
  return {{"dice_median", score.dice_median},
          {"dice_p10", score.dice_p10},
          {"hd95_median_mm", score.hd95_median_mm},
          {"hd95_p90_mm", score.hd95_p90_mm}};
}

}  // namespace

CompletionScore scoreCompletion(const Network& network, std::uint64_t seed, int count, bool mirrored) {
  constexpr std::int64_t kLeast_voxels = 40;  // smaller pieces say little
  std::vector<double> dice, hd95;
  core::Progress progress(mirrored ? "judging with a mirrored copy" : "judging without one", count);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t number = kUnseen + static_cast<std::uint64_t>(i);
    Example made = example(proceduralBone(boneSeed(seed, number)), seed, core::mix(number));
    if (!mirrored) std::fill(made.mirrored.begin(), made.mirrored.end(), 1.0F);
    progress.advance();
    const image::LabelVolume truth = piece(made.whole, made.damaged);
    if (std::count(truth.voxels.begin(), truth.voxels.end(), 1) < kLeast_voxels) continue;
    const image::LabelVolume found = piece(completePatch(network, made.damaged, made.mirrored), made.damaged);
    dice.push_back(image::overlap(found, truth).dice);
    hd95.push_back(std::min(1000.0, image::surfaceDistance(found, truth).hd95_mm));  // JSON knows no infinity
  }
  return {quantile(dice, 0.5), quantile(dice, 0.1), quantile(hd95, 0.5), quantile(hd95, 0.9)};
}

Weights trainCompletion(const CompletionTraining& options) {
  Weights out;
  out.network.architecture = "residual-unet";
  out.network.settings = {{"channels", 2}, {"size", kPatch}, {"base", options.base}, {"levels", options.levels}};
  module();
  const std::vector<image::CtVolume> bones = makeBones(options);
  const double loss = runTraining(out.network, options.loop,
                                  [&](std::int64_t step, Batch& batch) { fill(batch, bones, step, options.loop); });
  out.training = {{"data", "procedural bones of lib/learn/bones.h, holes cut by the same file"},
                  {"bones", options.bones},
                  {"steps", options.loop.steps},
                  {"batch", options.loop.batch},
                  {"rate", options.loop.rate},
                  {"seed", options.loop.seed},
                  {"loss", loss}};
  if (options.unseen > 0) {
    out.training["unseen_examples"] = options.unseen;
    out.training["with_mirrored_copy"] =
        describe(scoreCompletion(out.network, options.loop.seed, options.unseen, true));
    out.training["without_mirrored_copy"] =
        describe(scoreCompletion(out.network, options.loop.seed, options.unseen, false));
  }
  return out;
}

}  // namespace osteo::learn
