#include "learn/segmentation_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "image/io.h"
#include "learn/familiarity.h"

namespace osteo::learn {

using nlohmann::json;

namespace {

constexpr std::uint64_t kValidation = std::uint64_t{1} << 40;  // numbers of patches from here on are never trained on
constexpr std::size_t kSampled = 400000;                       // voxels a case by which probabilities are judged
constexpr std::size_t kKnown = 16;                             // training cases by which a scan is known or not

std::vector<Case> only(const std::vector<Case>& cases, Split split) {
  std::vector<Case> out;
  std::copy_if(cases.begin(), cases.end(), std::back_inserter(out), [&](const Case& c) { return c.split == split; });
  return out;
}

template <class Value, class Step>
std::vector<Value> eachCase(const std::string& title, const std::vector<Case>& cases, const Step& step) {
  core::Progress progress(title, static_cast<std::int64_t>(cases.size()));
  std::vector<Value> out;
  for (const Case& one : cases) {
    out.push_back(step(one));
    progress.advance();
  }
  return out;
}

std::vector<PreparedCase> prepareAll(const std::vector<Case>& cases, const Plans& plans, std::uint64_t seed) {
  return eachCase<PreparedCase>("preparing cases", cases,
                                [&](const Case& one) { return prepare(one, plans.spacing_mm, seed); });
}

/// Dice of each region and of the defect over the batch of validation.
json regionDice(const std::vector<float>& logits, const Batch& batch, std::size_t voxels) {
  double both[kRegions + 1] = {}, sum[kRegions + 1] = {};
  for (std::size_t b = 0; b < static_cast<std::size_t>(batch.count); ++b) {
    for (std::size_t v = 0; v < voxels; ++v) {
      bool found[kRegions + 1], truth[kRegions + 1], known = true;
      for (std::size_t r = 0; r < kRegions; ++r) {
        const std::size_t at = (b * kRegions + r) * voxels + v;
        found[r] = logits[at] > 0, truth[r] = batch.target[at] > 0.5F;
        if (batch.weight[at] == 0) {
          found[r] = truth[r] = false;
          known = known && r != Envelope;
        }
      }
      found[kRegions] = known && found[Envelope] && !found[Host];
      truth[kRegions] = known && truth[Envelope] && !truth[Host];
      for (std::size_t r = 0; r <= kRegions; ++r) {
        both[r] += found[r] && truth[r] ? 1 : 0;
        sum[r] += (found[r] ? 1 : 0) + (truth[r] ? 1 : 0);
      }
    }
  }
  json out;
  for (std::size_t r = 0; r <= kRegions; ++r)
    out[r < kRegions ? kRegionNames[r] : "defect"] = sum[r] > 0 ? 2 * both[r] / sum[r] : 1.0;
  return out;
}

/// Judges the network on the same undisturbed patches every time and keeps the best one.
class Validation {
 public:
  Validation(const Plans& plans, const std::vector<PreparedCase>& cases, const SegmentationTraining& options)
      : network_(networkOf(plans)), voxels_(static_cast<std::size_t>(plans.patch.prod())), patience_(options.patience) {
    for (int i = 0; i < options.validation_patches && !cases.empty(); ++i) {
      PatchRequest request{options.loop.seed, kValidation + static_cast<std::uint64_t>(i), false, {}, {0.5, 0.4}};
      patches_.emplace_back();
      appendPatch(patches_.back(), cases, plans, request);
    }
  }
  bool empty() const { return patches_.empty(); }

  bool judge(Judging& judging, std::int64_t step, double loss, const std::vector<Tensor>& tensors) {
    network_.tensors = tensors;
    Batch all;
    std::vector<float> logits;
    for (const Batch& patch : patches_) {
      const std::vector<float> out = apply(network_, patch);
      logits.insert(logits.end(), out.begin(), out.end());
      all.target.insert(all.target.end(), patch.target.begin(), patch.target.end());
      all.weight.insert(all.weight.end(), patch.weight.begin(), patch.weight.end());
      ++all.count;
    }
    const json dice = regionDice(logits, all, voxels_);
    double mean = 0;
    for (const auto& [name, value] : dice.items()) mean += value.get<double>() / static_cast<double>(dice.size());
    json& notes = judging.notes;
    notes["curve"].push_back({{"step", step}, {"loss", loss}, {"dice", dice}, {"mean_dice", mean}});
    core::info(fmt::format("step {}: loss {:.4f}, validation {}", step, loss, dice.dump()));
    if (!notes.contains("best") || mean > notes["best"]["mean_dice"].get<double>()) {
      notes["best"] = {{"step", step}, {"mean_dice", mean}};
      notes["since_best"] = 0;
      judging.best = tensors;
    } else {
      notes["since_best"] = notes["since_best"].get<int>() + 1;
    }
    const bool stop = patience_ > 0 && notes["since_best"].get<int>() >= patience_;
    if (stop) notes["stopped"] = true;
    return !stop;
  }

 private:
  Network network_;
  std::size_t voxels_;
  int patience_;
  std::vector<Batch> patches_;
};

struct Read {
  image::CtVolume ct;
  image::LabelVolume labels;
};
Read read(const Case& one) { return {image::readVolume(one.ct), image::readSegmentation(one.labels).labels}; }

/// A prediction whose logits are compared with the truth on the way.
Prediction sampledPrediction(const SegmentationModel& model, const Read& one, Sampled& seen) {
  const std::size_t plane =
      static_cast<std::size_t>(one.ct.frame.size[0]) * static_cast<std::size_t>(one.ct.frame.size[1]);
  const std::size_t stride = one.ct.voxels.size() / kSampled + 1;
  return predict({model}, one.ct, {}, [&](int z, const std::vector<float>& logits) {
    seen.add(logits.data(), plane, one.labels.voxels.data() + plane * static_cast<std::size_t>(z), stride);
  });
}

/// Temperature from the validation cases, what it does to unseen ones, the labels' Dice there beside the classical
/// path's, and by what a scan is known.
void judgeCases(SegmentationTrained& trained, const std::vector<Case>& cases, const Segmenter& classical) {
  SegmentationModel model{trained.weights, trained.plans, "the new network"};
  json& record = trained.weights.training;
  Sampled validation, test;
  LeastDefect least;
  eachCase<int>("calibrating", only(cases, Split::Validation), [&](const Case& one) {
    const Read volumes = read(one);
    least.add(sampledPrediction(model, volumes, validation).labels, volumes.labels);
    return 0;
  });
  model.least_defect_mm3 = least.best_mm3();
  model.temperature = fitTemperature(validation);
  const std::array<double, kRegions> none = {1, 1, 1, 1};
  const auto plain = calibrationErrors(validation, none), fitted = calibrationErrors(validation, model.temperature);
  for (std::size_t r = 0; r < kRegions; ++r)  // the likelihood's temperature may miss what the error measures
    if (fitted[r] >= plain[r]) model.temperature[r] = 1;
  std::vector<Case> training = only(cases, Split::Train);
  training.resize(std::min(training.size(), kKnown));
  std::vector<std::vector<double>> unseen;
  const auto known = eachCase<std::vector<double>>("looking at known scans", training, [&](const Case& one) {
    const image::CtVolume ct = image::readVolume(one.ct);
    return featuresOf(ct, predict({model}, ct, {}).doubt);
  });
  LabelJudge network, other, network_scans, other_scans;
  eachCase<int>("judging unseen cases", only(cases, Split::Test), [&](const Case& one) {
    const Read volumes = read(one);
    const Prediction found = sampledPrediction(model, volumes, test);
    network.add(one, found.labels, volumes.labels);
    if (!one.phantom) network_scans.add(one, found.labels, volumes.labels);
    unseen.push_back(featuresOf(volumes.ct, found.doubt));
    if (!classical) return 0;
    image::LabelVolume labels(volumes.ct.frame);
    try {
      labels = classical(volumes.ct);
    } catch (const core::Error& e) {
      if (e.code() != core::Exit::DataError) throw;  // it found no bone: nothing is labelled
    }
    other.add(one, labels, volumes.labels);
    if (!one.phantom) other_scans.add(one, labels, volumes.labels);
    return 0;
  });
  for (std::size_t r = 0; r < kRegions; ++r)
    record["calibration"]["temperature"][kRegionNames[r]] = model.temperature[r];
  record["postprocessing"]["least_defect_mm3"] = model.least_defect_mm3;
  record["calibration"]["expected_error_before"] = calibrationError(test, none);
  record["calibration"]["expected_error"] = calibrationError(test, model.temperature);
  record["unseen"]["network"] = network.summary();
  if (classical) record["unseen"]["classical"] = other.summary();
  record["unseen_scans"]["network"] = network_scans.summary();
  if (classical) record["unseen_scans"]["classical"] = other_scans.summary();
  record["known_scans"] = toJson(familiarityOf(known, unseen));
}

json wishesOf(const SegmentationTraining& options, const std::vector<Case>& cases) {
  json out = {{"steps", options.loop.steps},
              {"batch", options.loop.batch},
              {"rate", options.loop.rate},
              {"momentum", options.loop.momentum},
              {"seed", options.loop.seed}};
  out["cases"] = {{"train", only(cases, Split::Train).size()},
                  {"validation", only(cases, Split::Validation).size()},
                  {"test", only(cases, Split::Test).size()}};
  return out;
}

}  // namespace

double trainingBytes(const std::vector<Case>& cases, const SegmentationTraining& options) {
  double voxels = 0, largest = 0;
  for (const Case& one : cases) {
    const image::Frame frame = image::readInfo(one.ct).frame;
    const double mm3 = frame.voxelVolume_mm3() * static_cast<double>(frame.voxelCount());
    const double n = options.plan.spacing_mm > 0 ? mm3 / std::pow(options.plan.spacing_mm, 3)
                                                 : static_cast<double>(frame.voxelCount());
    largest = std::max(largest, static_cast<double>(frame.voxelCount()));
    if (one.split != Split::Test) voxels += n;
  }
  const double features = 4.0 * options.plan.patch_voxels * static_cast<double>(options.loop.batch);
  return 5e8 + 5 * voxels + 16 * largest +
         features * (12.0 * options.plan.base / std::pow(options.plan.fold, 3) + 12 * kRegions);
}

SegmentationTrained trainSegmentation(const std::string& cases_path, const SegmentationTraining& options) {
  const std::vector<Case> cases = readCases(cases_path, options.loop.seed);
  core::requireMemory(trainingBytes(cases, options), "the training");
  module();
  const std::vector<Case> training = only(cases, Split::Train);
  const Fingerprint seen = fingerprint(eachCase<CaseFacts>(
      "looking at cases", training, [&](const Case& one) { return factsOf(one, options.loop.seed); }));
  SegmentationTrained out;
  PlanWishes wishes = options.plan;
  wishes.batch = static_cast<int>(options.loop.batch);
  out.plans = plan(seen, wishes);
  out.weights.network = networkOf(out.plans);
  out.weights.training = wishesOf(options, cases);
  {
    const std::vector<PreparedCase> prepared = prepareAll(training, out.plans, options.loop.seed);
    Judging judging;
    Validation validation(out.plans, prepareAll(only(cases, Split::Validation), out.plans, options.loop.seed), options);
    judging.every = options.validate_every;
    judging.judge = [&](std::int64_t step, double loss, const std::vector<Tensor>& tensors) {
      return validation.judge(judging, step, loss, tensors);
    };
    TrainingOptions loop = options.loop;
    loop.data = hashOf(cases);
    if (!validation.empty()) loop.judging = &judging;
    runTraining(out.weights.network, loop, [&](std::int64_t step, Batch& batch) {
      for (std::int64_t b = 0; b < loop.batch; ++b) {
        const auto number = static_cast<std::uint64_t>(step * loop.batch + b);
        appendPatch(batch, prepared, out.plans, {loop.seed, number, true, options.augmentation, options.sampling});
      }
    });
    out.curve = judging.notes.value("curve", json::array());
    if (judging.notes.contains("best")) out.weights.training["best"] = judging.notes["best"];
    out.weights.training["data_sha256"] = loop.data;
  }
  judgeCases(out, cases, options.classical);
  return out;
}

}  // namespace osteo::learn
