#include "learn/proposal.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/files.h"

namespace osteo::learn {

namespace {

using Eigen::MatrixXd;
constexpr double kLeastLogVariance = -10, kMostLogVariance = 4;  // as torch/proposal.cpp holds them
using RowsF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

MatrixXd matrixNamed(const Network& network, const std::string& name) {
  const Tensor& tensor = tensorNamed(network, name);
  return Eigen::Map<const RowsF>(tensor.values.data(), tensor.shape.at(0), tensor.shape.at(1)).cast<double>();
}

MatrixXd layer(const Network& network, const std::string& name, const MatrixXd& x) {
  return (x * matrixNamed(network, name + ".w")).rowwise() + matrixNamed(network, name + ".b").row(0);
}

int whole(const Network& network, const char* name) { return static_cast<int>(network.setting(name)); }

/// Logarithms of the odds, means, logarithms of the variances.
struct Raw {
  MatrixXd log_odds, mean, log_variance;
};

Raw rawOf(const Network& network, const MatrixXd& inputs) {
  const Eigen::Index classes = whole(network, "classes"), values = classes * whole(network, "values");
  MatrixXd x = inputs;
  for (int l = 0; l < whole(network, "layers"); ++l)
    x = layer(network, "layer" + std::to_string(l), x).array().tanh().matrix();
  const MatrixXd out = layer(network, "out", x);
  Raw raw{out.leftCols(classes), out.middleCols(classes, values),
          out.rightCols(values).cwiseMax(kLeastLogVariance).cwiseMin(kMostLogVariance)};
  const Eigen::VectorXd most = raw.log_odds.rowwise().maxCoeff();
  raw.log_odds.colwise() -= most;
  const Eigen::VectorXd sum = raw.log_odds.array().exp().rowwise().sum().log();
  raw.log_odds.colwise() -= sum;
  return raw;
}

void append(Batch& batch, const ProposalTable& table) {
  batch.count += table.inputs.rows();
  for (Eigen::Index row = 0; row < table.inputs.rows(); ++row) {
    for (Eigen::Index c = 0; c < table.inputs.cols(); ++c)
      batch.input.push_back(static_cast<float>(table.inputs(row, c)));
    batch.target.push_back(static_cast<float>(table.classes[static_cast<std::size_t>(row)]));
    for (Eigen::Index c = 0; c < table.values.cols(); ++c)
      batch.target.push_back(static_cast<float>(table.values(row, c)));
  }
}

/// Keeps what is best on the validation table; false once nothing better came for long.
bool judged(Judging& judging, const nlohmann::json& row, const std::vector<Tensor>& tensors, int patience) {
  nlohmann::json& notes = judging.notes;
  notes["curve"].push_back(row);
  const bool is_best = row.at("validation") < notes["best"];
  notes["since_best"] = is_best ? 0 : notes["since_best"].get<int>() + 1;
  if (is_best) {
    notes["best"] = row.at("validation");
    judging.best = tensors;
  }
  const bool stop = patience > 0 && notes["since_best"].get<int>() >= patience;
  if (stop) notes["stopped"] = true;
  return !stop;
}

}  // namespace

ProposalTrained trainProposals(const ProposalSource& examples, const ProposalTable& validation, int classes,
                               const ProposalTraining& training) {
  ProposalTrained out;
  out.network.architecture = "proposal-mdn";
  out.network.settings = {{"inputs", static_cast<double>(validation.inputs.cols())},
                          {"classes", classes},
                          {"values", static_cast<double>(validation.values.cols())},
                          {"width", training.width},
                          {"layers", training.layers}};
  Judging judging;
  judging.every = training.judge_every;
  judging.notes = {{"curve", nlohmann::json::array()}, {"best", 1e300}, {"since_best", 0}};
  judging.judge = [&](std::int64_t next_step, double loss, const std::vector<Tensor>& tensors) {
    const Network network{out.network.architecture, out.network.settings, tensors};
    return judged(judging, {{"step", next_step}, {"loss", loss}, {"validation", surprise(network, validation)}},
                  tensors, training.patience);
  };
  TrainingOptions options = training.loop;
  options.judging = &judging;
  runTraining(out.network, options, [&](std::int64_t step, Batch& batch) { append(batch, examples(step)); });
  out.curve = judging.notes["curve"];
  return out;
}

Proposals propose(const Network& network, const MatrixXd& inputs) {
  const Raw raw = rawOf(network, inputs);
  return {raw.log_odds.array().exp(), raw.mean, (0.5 * raw.log_variance).array().exp()};
}

double surprise(const Network& network, const ProposalTable& table) {
  const Raw raw = rawOf(network, table.inputs);
  const Eigen::Index values = table.values.cols();
  double sum = 0;
  for (Eigen::Index row = 0; row < table.inputs.rows(); ++row) {
    const int place = table.classes[static_cast<std::size_t>(row)];
    const auto mean = raw.mean.row(row).segment(place * values, values);
    const auto log_variance = raw.log_variance.row(row).segment(place * values, values);
    const Eigen::RowVectorXd off = (table.values.row(row) - mean).cwiseAbs2();
    sum += 0.5 * (off.array() * (-log_variance.array()).exp() + log_variance.array()).sum() - raw.log_odds(row, place);
  }
  return sum / static_cast<double>(std::max<Eigen::Index>(1, table.inputs.rows()));
}

Weights readProposals(const std::string& folder, int inputs, int classes, int values) {
  Weights weights = readWeights(folder, "proposal-mdn");
  const auto exactly = [](const char* name, int value) { return Bound{name, 1.0 * value, 1.0 * value}; };
  requireSettings(weights.network, folder,
                  {exactly("inputs", inputs),
                   exactly("classes", classes),
                   exactly("values", values),
                   {"width", 1, 4096},
                   {"layers", 1, 32}});
  std::int64_t from = inputs;
  const auto require = [&](const std::string& name, std::int64_t columns) {
    const Network& network = weights.network;
    if (tensorNamed(network, name + ".w").shape != std::vector<std::int64_t>{from, columns} ||
        tensorNamed(network, name + ".b").shape != std::vector<std::int64_t>{1, columns})
      throw core::Error(core::Exit::DataError,
                        {.what = "the weights hold another shape of " + name, .file = core::baseName(folder)});
    from = columns;
  };
  for (int l = 0; l < whole(weights.network, "layers"); ++l)
    require("layer" + std::to_string(l), whole(weights.network, "width"));
  require("out", static_cast<std::int64_t>(classes) * (1 + 2 * values));
  return weights;
}

}  // namespace osteo::learn
