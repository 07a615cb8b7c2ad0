#include <ATen/ATen.h>

#include <cmath>

#include "learn/torch/architecture.h"

/// Numbers from numbers by an ensemble of small networks (Lakshminarayanan et al., NeurIPS 2017) that also tell how far
/// off they are. Settings: inputs, outputs, members, width, layers.
namespace osteo::learn {

namespace {

std::int64_t whole(const Network& network, const std::string& name) {
  return static_cast<std::int64_t>(network.setting(name));
}

std::vector<ParameterShape> parameters(const Network& network) {
  const std::int64_t members = whole(network, "members"), width = whole(network, "width");
  std::vector<ParameterShape> out;
  std::int64_t from = whole(network, "inputs");
  for (std::int64_t l = 0; l < whole(network, "layers"); ++l) {
    const std::string name = "layer" + std::to_string(l);
    out.push_back({name + ".w", {members, from, width}, std::sqrt(1.0 / static_cast<double>(from))});
    out.push_back({name + ".b", {members, 1, width}});
    from = width;
  }
  const std::int64_t outputs = whole(network, "outputs");
  out.push_back({"mean.w", {members, from, outputs}, std::sqrt(1.0 / static_cast<double>(from))});
  out.push_back({"mean.b", {members, 1, outputs}});
  out.push_back({"spread.w", {members, from, outputs}});  // the logarithm of the variance
  out.push_back({"spread.b", {members, 1, outputs}, 0, -4});
  return out;
}

struct Found {
  at::Tensor mean, log_variance;  ///< [members, n, outputs]
};

Found run(const Network& network, const Parameters& p, const Batch& batch) {
  const std::int64_t inputs = whole(network, "inputs");
  at::Tensor x = at::from_blob(const_cast<float*>(batch.input.data()), {1, batch.count, inputs}, at::kFloat)
                     .expand({whole(network, "members"), batch.count, inputs});
  for (std::int64_t l = 0; l < whole(network, "layers"); ++l) {
    const std::string name = "layer" + std::to_string(l);
    x = at::tanh(at::baddbmm(p.at(name + ".b"), x, p.at(name + ".w")));
  }
  // Doubts follow from the features but don't shape them.
  return {at::baddbmm(p.at("mean.b"), x, p.at("mean.w")),
          at::baddbmm(p.at("spread.b"), x.detach(), p.at("spread.w")).clamp(-16, 4)};
}

std::int64_t inputs(const Network& network) { return whole(network, "inputs"); }

at::Tensor forward(const Network& network, const Parameters& p, const Batch& batch, const std::vector<float>&) {
  const Found found = run(network, p, batch);
  return at::cat({found.mean, found.log_variance}, 2);
}

at::Tensor loss(const Network& network, const Parameters& p, const Batch& batch) {
  const at::Tensor wanted =
      at::from_blob(const_cast<float*>(batch.target.data()), {1, batch.count, whole(network, "outputs")}, at::kFloat);
  const Found found = run(network, p, batch);
  const at::Tensor error = (found.mean - wanted).square();
  const at::Tensor likelihood = error.detach() * at::exp(-found.log_variance) + found.log_variance;
  return error.mean() + 0.01 * likelihood.mean();
}

}  // namespace

const Architecture& propertyMlp() {
  static const Architecture architecture = {&parameters, &inputs, &forward, &loss};
  return architecture;
}

}  // namespace osteo::learn
