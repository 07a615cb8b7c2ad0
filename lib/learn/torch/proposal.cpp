#include <ATen/ATen.h>

#include <cmath>

#include "learn/torch/architecture.h"

/// A mixture density network with one normal distribution a class (Bishop, Aston University NCRG/94/004, 1994).
/// Settings: inputs, classes, values, width, layers. A target is the class and its values.
namespace osteo::learn {

namespace {

// Neither sure nor wild answers break the training; learn/proposal.cpp holds them alike.
constexpr double kLeastLogVariance = -10, kMostLogVariance = 4;

std::int64_t whole(const Network& network, const std::string& name) {
  return static_cast<std::int64_t>(network.setting(name));
}

std::vector<ParameterShape> parameters(const Network& network) {
  std::vector<ParameterShape> out;
  std::int64_t from = whole(network, "inputs");
  const auto add = [&](const std::string& name, std::int64_t to) {
    out.push_back({name + ".w", {from, to}, std::sqrt(1.0 / static_cast<double>(from))});
    out.push_back({name + ".b", {1, to}});
    from = to;
  };
  for (std::int64_t l = 0; l < whole(network, "layers"); ++l) add("layer" + std::to_string(l), whole(network, "width"));
  add("out", whole(network, "classes") * (1 + 2 * whole(network, "values")));
  return out;
}

std::int64_t inputs(const Network& network) { return whole(network, "inputs"); }

at::Tensor forward(const Network& network, const Parameters& p, const Batch& batch, const std::vector<float>&) {
  at::Tensor x = at::from_blob(const_cast<float*>(batch.input.data()), {batch.count, inputs(network)}, at::kFloat);
  for (std::int64_t l = 0; l < whole(network, "layers"); ++l) {
    const std::string name = "layer" + std::to_string(l);
    x = at::tanh(at::addmm(p.at(name + ".b"), x, p.at(name + ".w")));
  }
  return at::addmm(p.at("out.b"), x, p.at("out.w"));
}

at::Tensor loss(const Network& network, const Parameters& p, const Batch& batch) {
  const std::int64_t n = batch.count, classes = whole(network, "classes"), values = whole(network, "values");
  const at::Tensor out = forward(network, p, batch, {});
  const at::Tensor wanted = at::from_blob(const_cast<float*>(batch.target.data()), {n, 1 + values}, at::kFloat);
  const at::Tensor place = wanted.narrow(1, 0, 1).to(at::kLong);
  const at::Tensor spread_place = place.unsqueeze(2).expand({n, 1, values});
  const auto ofClass = [&](std::int64_t first) {
    return out.narrow(1, first, classes * values).reshape({n, classes, values}).gather(1, spread_place).squeeze(1);
  };
  const at::Tensor mean = ofClass(classes),
                   log_variance = ofClass(classes * (1 + values)).clamp(kLeastLogVariance, kMostLogVariance);
  const at::Tensor off = (wanted.narrow(1, 1, values) - mean).square();
  const at::Tensor numbers = 0.5 * (off * at::exp(-log_variance) + log_variance).sum(1);
  const at::Tensor log_odds = at::log_softmax(out.narrow(1, 0, classes), 1).gather(1, place).squeeze(1);
  return (numbers - log_odds).mean();
}

}  // namespace

const Architecture& proposalMdn() {
  static const Architecture architecture = {&parameters, &inputs, &forward, &loss};
  return architecture;
}

}  // namespace osteo::learn
