#include "learn/property.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"

namespace osteo::learn {

namespace {

using Eigen::MatrixXd;
using RowsF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// One member's part of a tensor.
MatrixXd partOf(const Network& network, const std::string& name, int member) {
  const Tensor& tensor = tensorNamed(network, name);
  const auto rows = static_cast<Eigen::Index>(tensor.shape.at(1)),
             columns = static_cast<Eigen::Index>(tensor.shape.at(2));
  return Eigen::Map<const RowsF>(tensor.values.data() + member * rows * columns, rows, columns).cast<double>();
}

MatrixXd layer(const Network& network, const std::string& name, int member, const MatrixXd& x) {
  return (x * partOf(network, name + ".w", member)).rowwise() + partOf(network, name + ".b", member).row(0);
}

void fill(Batch& batch, const PropertyTable& table, std::int64_t step, const TrainingOptions& options) {
  const core::Random random(options.seed, 77);
  batch.count = options.batch;
  for (std::int64_t b = 0; b < options.batch; ++b) {
    const auto row = static_cast<Eigen::Index>(random.uniform(static_cast<std::uint64_t>(step * options.batch + b)) *
                                               static_cast<double>(table.inputs.rows()));
    for (Eigen::Index c = 0; c < table.inputs.cols(); ++c)
      batch.input.push_back(static_cast<float>(table.inputs(row, c)));
    for (Eigen::Index c = 0; c < table.targets.cols(); ++c)
      batch.target.push_back(static_cast<float>(table.targets(row, c)));
  }
}

}  // namespace

PropertyTrained trainProperties(const PropertyTable& known, const PropertyTable& validation,
                                const PropertyTraining& training) {
  PropertyTrained out;
  out.network.architecture = "property-mlp";
  out.network.settings = {{"inputs", static_cast<double>(known.inputs.cols())},
                          {"outputs", static_cast<double>(known.targets.cols())},
                          {"members", training.members},
                          {"width", training.width},
                          {"layers", training.layers}};
  Judging judging;
  judging.every = training.judge_every;
  judging.notes = {{"curve", nlohmann::json::array()}, {"best", 1e300}};
  judging.judge = [&](std::int64_t next_step, double loss, const std::vector<Tensor>& tensors) {
    const Network network{out.network.architecture, out.network.settings, tensors};
    const double error = (predictProperties(network, validation.inputs).mean - validation.targets).squaredNorm() /
                         static_cast<double>(std::max<Eigen::Index>(1, validation.targets.size()));
    judging.notes["curve"].push_back({{"step", next_step}, {"loss", loss}, {"validation", error}});
    if (error < judging.notes["best"].get<double>()) {
      judging.notes["best"] = error;
      judging.best = tensors;
    }
    return true;
  };
  TrainingOptions options = training.loop;
  options.judging = &judging;
  runTraining(out.network, options, [&](std::int64_t step, Batch& batch) { fill(batch, known, step, training.loop); });
  out.curve = judging.notes["curve"];
  return out;
}

PropertyPrediction predictProperties(const Network& network, const MatrixXd& inputs) {
  const int members = static_cast<int>(network.setting("members")),
            layers = static_cast<int>(network.setting("layers"));
  const auto outputs = static_cast<Eigen::Index>(network.setting("outputs"));
  PropertyPrediction out{MatrixXd::Zero(inputs.rows(), outputs), MatrixXd::Zero(inputs.rows(), outputs)};
  MatrixXd squares = out.mean;
  for (int member = 0; member < members; ++member) {
    MatrixXd x = inputs;
    for (int l = 0; l < layers; ++l) x = layer(network, "layer" + std::to_string(l), member, x).array().tanh().matrix();
    const MatrixXd mean = layer(network, "mean", member, x);
    out.mean += mean;
    squares += mean.cwiseAbs2();
    out.spread += layer(network, "spread", member, x).cwiseMax(-16.0).cwiseMin(4.0).array().exp().matrix();
  }
  out.mean /= members;
  out.spread = (out.spread / members + (squares / members - out.mean.cwiseAbs2()).cwiseMax(0.0)).cwiseSqrt().eval();
  return out;
}

Weights readProperties(const std::string& folder, int inputs, int outputs) {
  Weights weights = readWeights(folder, "property-mlp");
  requireSettings(weights.network, folder,
                  {{"inputs", static_cast<double>(inputs), static_cast<double>(inputs)},
                   {"outputs", static_cast<double>(outputs), static_cast<double>(outputs)},
                   {"members", 1, 64},
                   {"width", 1, 4096},
                   {"layers", 1, 32}});
  const auto whole = [&](const char* name) { return static_cast<std::int64_t>(weights.network.setting(name)); };
  std::int64_t from = inputs;
  const auto require = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    if (tensorNamed(weights.network, name).shape != std::vector<std::int64_t>{whole("members"), rows, columns})
      throw core::Error(core::Exit::DataError,
                        {.what = "the weights hold another shape of " + name, .file = core::baseName(folder)});
  };
  for (std::int64_t l = 0; l < whole("layers"); ++l) {
    require("layer" + std::to_string(l) + ".w", from, whole("width"));
    require("layer" + std::to_string(l) + ".b", 1, whole("width"));
    from = whole("width");
  }
  for (const char* name : {"mean", "spread"}) {
    require(std::string(name) + ".w", from, outputs);
    require(std::string(name) + ".b", 1, outputs);
  }
  return weights;
}

}  // namespace osteo::learn
