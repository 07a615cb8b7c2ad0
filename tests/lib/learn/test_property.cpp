#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/random.h"
#include "learn/property.h"

using namespace osteo;
using Eigen::MatrixXd;

namespace {

/// Two members of one layer of one neuron each: means tanh(x) and 3 tanh(x) + 1, variances e^-2 and e^0.
learn::Network twoMembers() {
  return {"property-mlp",
          {{"inputs", 1}, {"outputs", 1}, {"members", 2}, {"width", 1}, {"layers", 1}},
          {{"layer0.w", {2, 1, 1}, {1, 1}},
           {"layer0.b", {2, 1, 1}, {0, 0}},
           {"mean.w", {2, 1, 1}, {1, 3}},
           {"mean.b", {2, 1, 1}, {0, 1}},
           {"spread.w", {2, 1, 1}, {0, 0}},
           {"spread.b", {2, 1, 1}, {-2, 0}}}};
}

/// y = (a² - b, a b) for a and b from -1 to 1.
learn::PropertyTable parabolas(int rows, std::uint64_t seed) {
  const core::Random random(seed, 1);
  learn::PropertyTable out{MatrixXd(rows, 2), MatrixXd(rows, 2)};
  for (int r = 0; r < rows; ++r) {
    const double a = 2 * random.uniform(static_cast<std::uint64_t>(2 * r)) - 1,
                 b = 2 * random.uniform(static_cast<std::uint64_t>(2 * r + 1)) - 1;
    out.inputs.row(r) << a, b;
    out.targets.row(r) << a * a - b, a * b;
  }
  return out;
}

learn::PropertyTrained trained() {
  learn::PropertyTraining training;
  training.loop.steps = 1200, training.loop.batch = 64, training.loop.rate = 5e-3;
  training.members = 3, training.width = 16, training.layers = 2, training.judge_every = 100;
  return learn::trainProperties(parabolas(400, 1), parabolas(100, 2), training);
}

}  // namespace

TEST_CASE("an ensemble's mean is that of its members, its spread their doubts and what they differ by") {
  const double x = 0.7, t = std::tanh(x);
  const learn::PropertyPrediction said = learn::predictProperties(twoMembers(), MatrixXd::Constant(1, 1, x));
  const double mean = (t + 3 * t + 1) / 2, differ = std::pow((3 * t + 1 - t) / 2, 2);
  CHECK(said.mean(0, 0) == Approx(mean).epsilon(1e-6));
  CHECK(said.spread(0, 0) == Approx(std::sqrt((std::exp(-2) + 1) / 2 + differ)).epsilon(1e-6));
}

TEST_CASE("an ensemble learns two functions, doubts more where it has seen nothing, and repeats itself") {
  const learn::PropertyTrained first = trained();
  const learn::PropertyTable unseen = parabolas(200, 3);
  const learn::PropertyPrediction said = learn::predictProperties(first.network, unseen.inputs);
  CHECK((said.mean - unseen.targets).cwiseAbs().mean() < 0.03);
  CHECK(first.curve.size() == 12);
  CHECK(first.curve.back()["validation"].get<double>() < 0.01 * first.curve.front()["validation"].get<double>() + 1e-3);
  const MatrixXd far = MatrixXd::Constant(1, 2, 4.0);
  CHECK(learn::predictProperties(first.network, far).spread(0, 0) > 3 * said.spread.col(0).mean());
  const learn::PropertyTrained again = trained();
  for (std::size_t i = 0; i < first.network.tensors.size(); ++i)
    CHECK(first.network.tensors[i].values == again.network.tensors[i].values);
}

TEST_CASE("weights of other inputs, or with a tensor of another shape, are unfit data") {
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("osteo_property_" + std::to_string(::getpid()))).string();
  std::filesystem::create_directories(folder);
  learn::writeWeights({twoMembers()}, folder);
  CHECK(learn::readProperties(folder, 1, 1).network.tensors.size() == 6);
  CHECK_THROWS_AS(learn::readProperties(folder, 2, 1), core::Error);
  learn::Network torn = twoMembers();
  torn.tensors[2].shape = {1, 2, 1};
  learn::writeWeights({torn}, folder);
  CHECK_THROWS_AS(learn::readProperties(folder, 1, 1), core::Error);
  std::filesystem::remove_all(folder);
}
