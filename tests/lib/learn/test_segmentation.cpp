#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "core/random.h"
#include "image/io.h"
#include "learn/explanation.h"
#include "learn/familiarity.h"
#include "learn/method.h"
#include "learn/regrid.h"
#include "learn/segmentation_training.h"

using namespace osteo;
using Eigen::Vector3d;
using nlohmann::json;

namespace {

/// A shell of cortical bone around marrow, with a hole in it on some; what the grey values say is the truth.
struct Ball {
  image::CtVolume ct;
  image::LabelVolume labels;
};
Ball ball(int seed, double noise_hu = 10, double shift_hu = 0) {
  image::Frame frame;
  frame.size = {26, 24, 28};
  frame.spacing_mm.setConstant(2);
  Ball out{image::CtVolume(frame), image::LabelVolume(frame)};
  const core::Random random(static_cast<std::uint64_t>(seed), 3);
  const Vector3d centre = frame.toWorld(0.5 * frame.size.cast<double>()) + Vector3d(3 * random.uniform(1), 0, 0);
  const double radius = 14 + 4 * random.uniform(2);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const Vector3d p = frame.centre(v) - centre;
    const double r = p.norm();
    int label = r > radius ? image::Background : r > radius - 5 ? image::Cortical : image::Cancellous;
    if (label != 0 && p[2] > 4 && std::hypot(p[0], p[1]) < 7) label = image::Defect;
    const double hu[] = {40, 1300, 250, 0, 60};
    const auto at = static_cast<std::size_t>(v);
    out.labels.voxels[at] = static_cast<std::uint16_t>(label);
    out.ct.voxels[at] = static_cast<float>((r > radius + 9 ? -900 : hu[label]) + shift_hu +
                                           noise_hu * random.normal(static_cast<std::uint64_t>(v)));
  }
  return out;
}

/// A folder with six balls and their cases.json; it goes away again.
struct Folder {
  Folder() : path((std::filesystem::temp_directory_path() / ("osteo_cases_" + std::to_string(::getpid()))).string()) {
    std::filesystem::create_directories(path);
    const char* const split[] = {"train", "train", "train", "validation", "test", "test"};
    for (int i = 0; i < 6; ++i) {
      const Ball one = ball(i);
      const std::string name = "b" + std::to_string(i);
      image::writeVolume(one.ct, path + "/" + name + ".nrrd");
      image::writeSegmentation({one.labels, {}}, path + "/" + name + ".seg.nrrd");
      document["cases"].push_back({{"name", name},
                                   {"ct", name + ".nrrd"},
                                   {"labels", name + ".seg.nrrd"},
                                   {"split", split[i]},
                                   {"margin", "sharp"}});
    }
    write();
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void write() const { core::writeFile(cases(), document.dump()); }
  std::string cases() const { return path + "/cases.json"; }
  json document = {{"space", "LPS"}, {"cases", json::array()}};
  std::string path;
};

learn::SegmentationTraining small(int steps) {
  learn::SegmentationTraining out;
  out.loop.steps = steps;
  out.loop.rate = 1e-2;
  out.plan.patch_voxels = 16 * 16 * 16;
  out.plan.base = 8;
  out.plan.levels = 2;
  out.plan.fold = 2;
  out.plan.residual = true;
  out.validate_every = 10;
  out.validation_patches = 2;
  return out;
}

const learn::SegmentationTrained& trained() {
  static const learn::SegmentationTrained once = [] {
    const Folder folder;
    const int threads = core::threads();
    core::setThreads(1);  // maps this small are slower on several
    learn::SegmentationTrained out = learn::trainSegmentation(folder.cases(), small(160));
    core::setThreads(threads);
    return out;
  }();
  return once;
}

learn::SegmentationModel model() {
  const json& after = trained().weights.training.at("postprocessing");
  return {trained().weights, trained().plans, "balls", {}, {}, {}, {1, 1, 1, 1}, after.at("least_defect_mm3")};
}

core::Exit codeOf(const Folder& folder) {
  try {
    learn::readCases(folder.cases(), 0);
  } catch (const core::Error& e) {
    return e.code();
  }
  return core::Exit::Ok;
}

}  // namespace

TEST_CASE("a small network learns shells, marrow and holes, and is judged on balls that it has not seen") {
  const json& record = trained().weights.training;
  INFO(record.dump(1));
  const json& dice = record.at("unseen").at("network").at("dice");
  CHECK(dice.at("cortical").at("mean").get<double>() > 0.75);
  CHECK(dice.at("cancellous").at("mean").get<double>() > 0.7);
  CHECK(dice.at("defect").at("mean").get<double>() > 0.3);
  CHECK(record.at("unseen").at("network").at("defect_by_margin").at("sharp").at("cases") == 2);
  CHECK(trained().curve.size() == 16);
  CHECK(trained().curve.back().at("loss").get<double>() < trained().curve.front().at("loss").get<double>());
  CHECK(record.at("calibration").at("expected_error").get<double>() < 0.2);
}

TEST_CASE("labels are the same for any number of threads; mirrors and uncertainty come on top") {
  const Ball one = ball(77);
  const int threads = core::threads();
  core::setThreads(1);
  const learn::Prediction alone = learn::predict({model()}, one.ct, {.mirrors = true, .uncertainty = true});
  core::setThreads(2);
  const learn::Prediction both = learn::predict({model()}, one.ct, {.mirrors = true, .uncertainty = true});
  core::setThreads(threads);
  CHECK(alone.labels.voxels == both.labels.voxels);
  CHECK(alone.entropy == both.entropy);
  CHECK(alone.disagreement == both.disagreement);
  // Doubt lies at the surfaces: more where the network is wrong than where it is right.
  double wrong = 0, right = 0;
  int wrongs = 0, rights = 0;
  for (std::size_t v = 0; v < alone.entropy.size(); ++v) {
    const bool off = alone.labels.voxels[v] != one.labels.voxels[v];
    (off ? wrong : right) += alone.entropy[v];
    ++(off ? wrongs : rights);
  }
  CHECK(wrong / wrongs > 2 * right / rights);
  learn::SegmentationModel other = model();
  other.plans.patch[0] = 32;
  CHECK_THROWS_AS(learn::predict({model(), other}, one.ct, {}), core::Error);
}

TEST_CASE("a finer scan is labelled on its own grid") {
  const Ball coarse = ball(78, 0);
  const image::Frame fine = learn::regridded(coarse.ct.frame, Vector3d::Ones());
  const image::CtVolume ct = learn::regrid(coarse.ct, fine);
  const learn::Prediction found = learn::predict({model()}, ct, {});
  CHECK(found.labels.frame.sameGrid(fine));
  const learn::Prediction before = learn::predict({model()}, coarse.ct, {});
  int same = 0, bone = 0;
  for (int k = 0; k < fine.size[2]; ++k)
    for (int j = 0; j < fine.size[1]; ++j)
      for (int i = 0; i < fine.size[0]; ++i) {
        const auto a = found.labels.at(i, j, k), b = before.labels.at(i / 2, j / 2, k / 2);
        bone += a != 0 || b != 0;
        same += (a != 0 || b != 0) && a == b;
      }
  CHECK(same > 0.8 * bone);
}

TEST_CASE("integrated gradients add up to the difference in value within 1 %") {
  const Ball one = ball(79);
  const learn::Explanation told = learn::explainLabels(model(), one.ct, one.labels);
  CHECK(told.structure == "defect");
  CHECK(std::abs(told.value - told.baseline) > 1e-3);
  CHECK(told.sum == Approx(told.value - told.baseline).epsilon(0.01));
  CHECK(told.channels.size() == 2 * static_cast<std::size_t>(told.frame.voxelCount()));
  double most = 0;
  for (std::size_t v = 1; v < told.channels.size(); v += 2) {
    REQUIRE(told.channels[v] >= 0);
    most = std::max<double>(most, told.channels[v]);
  }
  CHECK(most > 0);
  image::LabelVolume nothing(one.labels.frame);
  CHECK_THROWS_AS(learn::explainLabels(model(), one.ct, nothing), core::Error);
}

TEST_CASE("scans with shifted values, or noise that was never seen, are told apart") {
  const auto features = [](const Ball& one) {
    return learn::featuresOf(one.ct, learn::predict({model()}, one.ct, {}).doubt);
  };
  std::vector<std::vector<double>> seen, unseen;
  for (int i = 0; i < 14; ++i) (i < 10 ? seen : unseen).push_back(features(ball(200 + i)));
  const learn::Familiarity known = learn::familiarityFrom(learn::toJson(learn::familiarityOf(seen, unseen)), "balls");
  for (int i = 0; i < 3; ++i) CHECK(known.score(features(ball(300 + i))) < 2 * known.limit);
  CHECK(known.score(features(ball(301, 10, 200))) > 5 * known.limit);
  CHECK(known.score(features(ball(301, 150))) > 5 * known.limit);
  const json& record = trained().weights.training;
  CHECK(learn::familiarityFrom(record.at("known_scans"), "balls").limit > 0);
  CHECK_THROWS_AS(learn::familiarityFrom({{"mean", {1, 2}}}, "x"), core::Error);
}

TEST_CASE("temperature lowers the calibration error of logits that are too sure") {
  learn::Sampled seen, unseen;
  const core::Random random(8, 1);
  for (std::uint64_t i = 0; i < 40000; ++i) {
    const double x = 4 * random.normal(2 * i), p = 1 / (1 + std::exp(-x));
    learn::Sampled& to = i % 2 == 0 ? seen : unseen;
    for (std::size_t r = 0; r < learn::kRegions; ++r) {
      to.logits[r].push_back(static_cast<float>(3 * x));  // three times as sure as is true
      to.inside[r].push_back(random.uniform(1000000 + i) < p ? 1 : 0);
    }
  }
  const auto temperature = learn::fitTemperature(seen);
  CHECK(temperature[0] == Approx(3).epsilon(0.1));
  CHECK(learn::calibrationError(unseen, temperature) < 0.02);
  CHECK(learn::calibrationError(unseen, {1, 1, 1, 1}) > 0.05);
}

TEST_CASE("a training that was stopped goes on to the same bytes, curve and judgement included") {
  Folder folder;
  learn::SegmentationTraining options = small(12);
  options.validate_every = 5;
  const learn::SegmentationTrained whole = learn::trainSegmentation(folder.cases(), options);
  options.loop.checkpoint = folder.path + "/checkpoint";
  options.loop.checkpoint_every = 7;
  learn::SegmentationTraining stopped = options;
  stopped.classical = {};
  stopped.sampling = options.sampling;
  learn::trainSegmentation(folder.cases(), stopped);  // leaves its last checkpoint
  const learn::SegmentationTrained again = learn::trainSegmentation(folder.cases(), options);
  CHECK(again.weights.training == whole.weights.training);
  CHECK(again.curve == whole.curve);
  REQUIRE(again.weights.network.tensors.size() == whole.weights.network.tensors.size());
  for (std::size_t t = 0; t < whole.weights.network.tensors.size(); ++t)
    CHECK(again.weights.network.tensors[t].values == whole.weights.network.tensors[t].values);
  // Other cases, other training.
  folder.document["cases"][0]["margin"] = "lytic";
  folder.write();
  CHECK_THROWS_AS(learn::trainSegmentation(folder.cases(), options), core::Error);
}

TEST_CASE("early stop keeps the best network") {
  const Folder folder;
  learn::SegmentationTraining options = small(60);
  options.loop.rate = 1e-7;  // nothing gets better
  options.validate_every = 2;
  options.patience = 3;
  const learn::SegmentationTrained out = learn::trainSegmentation(folder.cases(), options);
  CHECK(out.curve.size() < 30);
}

TEST_CASE("cases that don't fit are named before the first step") {
  Folder folder;
  CHECK(codeOf(folder) == core::Exit::Ok);
  const json good = folder.document;
  const auto refused = [&](const char* pointer, const json& value) {
    folder.document = good;
    folder.document[json::json_pointer(pointer)] = value;
    folder.write();
    INFO(pointer << " = " << value.dump());
    CHECK(codeOf(folder) == core::Exit::DataError);
  };
  refused("/cases/2/labels", "missing.seg.nrrd");
  refused("/cases/2/ct", "missing.nrrd");
  refused("/cases/2/name", "b1");
  refused("/cases/2/split", "later");
  refused("/cases/2/label", "b2.seg.nrrd");
  refused("/space", "RAS");
  refused("/cases", json::array());
  // Another grid, and another frame.
  Ball other = ball(1);
  other.labels.frame.origin_mm[0] += 5;
  image::writeSegmentation({other.labels, {}}, folder.path + "/moved.seg.nrrd");
  refused("/cases/1/labels", "moved.seg.nrrd");
  other = ball(1);
  other.labels.frame.frame_id = "someone";
  other.ct.frame.frame_id = "else";
  image::writeSegmentation({other.labels, {}}, folder.path + "/frame.seg.nrrd");
  image::writeVolume(other.ct, folder.path + "/frame.nrrd");
  folder.document = good;
  folder.document["cases"][1]["labels"] = "frame.seg.nrrd";
  folder.document["cases"][1]["ct"] = "frame.nrrd";
  folder.write();
  CHECK(codeOf(folder) == core::Exit::DataError);
  // Labels without bone are found when they are looked at.
  image::writeSegmentation({image::LabelVolume(ball(0).ct.frame), {}}, folder.path + "/empty.seg.nrrd");
  folder.document = good;
  folder.document["cases"][0]["labels"] = "empty.seg.nrrd";
  folder.write();
  try {
    learn::trainSegmentation(folder.cases(), small(1));
    FAIL("labels without bone were taken");
  } catch (const core::Error& e) {
    CHECK(e.code() == core::Exit::DataError);
    CHECK(std::string(e.what()).find("b0") != std::string::npos);
  }
}

TEST_CASE("splits by the seed leave most to train, and something to judge by") {
  Folder folder;
  for (json& one : folder.document["cases"]) one.erase("split");
  folder.write();
  int counts[3] = {};
  for (const learn::Case& one : learn::readCases(folder.cases(), 5)) ++counts[static_cast<int>(one.split)];
  CHECK(counts[0] == 4);
  CHECK(counts[1] == 1);
  CHECK(counts[2] == 1);
}

TEST_CASE("models in folders: ours come back, hostile ones and TorchScript without leave are refused") {
  const Folder folder;
  const std::string path = folder.path + "/model";
  std::filesystem::create_directories(path);
  learn::writeWeights(trained().weights, path);
  const json plans = learn::toJson(trained().plans);
  core::writeFile(path + "/plans.json", plans.dump());
  const learn::SegmentationModel back = learn::readSegmentationModel(path);
  CHECK(back.temperature[0] ==
        trained().weights.training.at("calibration").at("temperature").at("envelope").get<double>());
  const Ball one = ball(80);
  CHECK(learn::predict({back}, one.ct, {}).labels.voxels == learn::predict({model()}, one.ct, {}).labels.voxels);
  json bad = plans;
  bad["configurations"]["3d_fullres"]["patch_size"] = {32, 32, 32};
  core::writeFile(path + "/plans.json", bad.dump());
  CHECK_THROWS_AS(learn::readSegmentationModel(path), core::Error);
  std::filesystem::remove(path + "/index.json");
  core::writeFile(path + "/model.pt", "no TorchScript");
  core::writeFile(path + "/plans.json", plans.dump());
  core::writeFile(path + "/dataset.json", R"({"labels": {"background": 0, "cortical": 1, "femur": 2}})");
  try {
    learn::readSegmentationModel(path);
    FAIL("a TorchScript was taken without leave");
  } catch (const core::Error& e) {
    CHECK(e.code() == core::Exit::Usage);
  }
  const learn::SegmentationModel script = learn::readSegmentationModel(path, true);
  CHECK(script.script_labels == std::vector<std::uint16_t>{0, 1, 10});
  CHECK(script.names.at(10) == "femur");
  CHECK_THROWS_AS(learn::predict({script}, one.ct, {}), core::Error);
  core::writeFile(path + "/dataset.json", R"({"labels": {"background": 0, "cortical": 7}})");
  CHECK_THROWS_AS(learn::readSegmentationModel(path, true), core::Error);
}

TEST_CASE("auto takes what did better on the same scans, and the classical path for what it does not know") {
  const json unseen = {
      {"network",
       {{"dice", {{"cortical", {{"mean", 0.97}}}, {"cancellous", {{"mean", 0.9}}}, {"defect", {{"mean", 0.8}}}}}}},
      {"classical",
       {{"dice", {{"cortical", {{"mean", 0.94}}}, {"cancellous", {{"mean", 0.95}}}, {"defect", {{"mean", 0.1}}}}}}}};
  const learn::MethodChoice choice = learn::chooseMethod(unseen, 1, 2);
  CHECK(!choice.bone);
  CHECK(!choice.metal);
  CHECK(choice.defect);
  CHECK(!learn::chooseMethod(unseen, 3, 2).defect);
  CHECK(!learn::chooseMethod(json::object(), 1, 2).bone);
  json poor = unseen;
  poor["network"]["dice"]["defect"]["mean"] = 0.4;  // better, and yet more wrong than right
  CHECK(!learn::chooseMethod(poor, 1, 2).defect);
  // Bone whose kind nobody labelled is measured as a whole.
  const json whole = {{"network", {{"dice", {{"bone", {{"mean", 0.92}}}}}}},
                      {"classical", {{"dice", {{"bone", {{"mean", 0.9}}}, {"cortical", {{"mean", 0.99}}}}}}}};
  CHECK(learn::chooseMethod(whole, 1, 2).bone);
  image::Frame frame;
  frame.size = {4, 1, 1};
  image::LabelVolume classical(frame), network(frame);
  classical.voxels = {1, 0, 2, 3};
  network.voxels = {4, 4, 0, 1};
  CHECK(learn::combine(classical, network, choice).voxels == std::vector<std::uint16_t>{1, 4, 2, 3});
}

TEST_CASE("parts of a found defect that are too small to be believed are dropped, by what the truth says") {
  const Ball one = ball(80);
  image::LabelVolume found = one.labels;  // 8 mm³ a voxel
  const auto put = [&](int i, int j, int k, int side) {
    for (int n = 0; n < side * side * side; ++n)
      found.at(i + n % side, j + n / side % side, k + n / (side * side)) = image::Defect;
  };
  put(1, 1, 1, 1), put(4, 1, 1, 2), put(22, 20, 24, 1);  // 8, 64 and 8 mm³ that are not there
  learn::LeastDefect least;
  CHECK(least.best_mm3() == 0);
  least.add(found, one.labels);
  CHECK(least.best_mm3() == 100);
  image::LabelVolume kept = found;
  learn::dropSmallDefects(kept, 100);
  CHECK(kept.voxels == one.labels.voxels);
  kept = found;
  learn::dropSmallDefects(kept, 9);
  CHECK(kept.at(1, 1, 1) == image::Background);
  CHECK(kept.at(4, 1, 1) == image::Defect);
  image::LabelVolume whole = one.labels;  // where nothing is missing, nothing is right
  for (auto& label : whole.voxels) label = label == image::Defect ? image::Background : label;
  learn::LeastDefect none;
  none.add(whole, whole);
  CHECK(none.best_mm3() == 0);
  image::LabelVolume speck = whole;
  for (int i = 1; i < 5; ++i) speck.at(i, 1, 1) = image::Defect;  // 32 mm³
  none.add(speck, whole);
  CHECK(none.best_mm3() == 50);
}
