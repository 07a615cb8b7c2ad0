#include <ATen/ATen.h>

#include <cmath>
#include <stdexcept>

#include "learn/torch/architecture.h"

/// Convolutions on a coarse grid whose cells speak for finer points as channels: a logarithm for each point and that of
/// its variance (heteroscedastic: Nix, Weigend, ICNN 1994). No layer looks at the whole, so that it runs on grids of
/// any size. Settings: channels, outputs, width, blocks; x, y, z (cells of each example).
namespace osteo::learn {

namespace {

std::int64_t whole(const Network& network, const std::string& name) {
  return static_cast<std::int64_t>(network.setting(name));
}

void addConvolution(std::vector<ParameterShape>& out, const std::string& name, std::int64_t from, std::int64_t to,
                    std::int64_t kernel, double gain = 1) {
  const std::int64_t taps = kernel * kernel * kernel;
  out.push_back(
      {name + ".w", {to, from, kernel, kernel, kernel}, gain * std::sqrt(2.0 / static_cast<double>(from * taps))});
  out.push_back({name + ".b", {to}});
}

std::vector<ParameterShape> parameters(const Network& network) {
  const std::int64_t width = whole(network, "width"), outputs = whole(network, "outputs");
  std::vector<ParameterShape> out;
  addConvolution(out, "in", whole(network, "channels"), width, 3);
  for (std::int64_t b = 0; b < whole(network, "blocks"); ++b) {
    addConvolution(out, "block" + std::to_string(b) + ".1", width, width, 3);
    addConvolution(out, "block" + std::to_string(b) + ".2", width, width, 3, 0.3);
  }
  addConvolution(out, "mean", width, outputs, 1, 0.1);
  addConvolution(out, "spread", width, outputs, 1, 0.01);
  out.back().constant = -3;
  return out;
}

at::Tensor grid(const Network& network, const std::vector<float>& values, std::int64_t count, std::int64_t channels,
                std::int64_t first = 0) {
  const std::int64_t x = whole(network, "x"), y = whole(network, "y"), z = whole(network, "z");
  if (static_cast<std::int64_t>(values.size()) < first + count * channels * x * y * z)
    throw std::invalid_argument("a batch has another size than the network");
  return at::from_blob(const_cast<float*>(values.data()) + first, {count, channels, z, y, x}, at::kFloat);
}

at::Tensor convolve(const Parameters& p, const std::string& name, const at::Tensor& x) {
  const at::Tensor& kernel = p.at(name + ".w");
  return at::conv3d(x, kernel, p.at(name + ".b"), 1, kernel.size(2) / 2);
}

struct Found {
  at::Tensor mean, log_variance;  ///< [n, outputs, z, y, x]
};

Found run(const Network& network, const Parameters& p, const Batch& batch) {
  const at::Tensor input = grid(network, batch.input, batch.count, whole(network, "channels"));
  at::Tensor x = at::relu(convolve(p, "in", input));
  for (std::int64_t b = 0; b < whole(network, "blocks"); ++b) {
    const std::string name = "block" + std::to_string(b);
    x = at::relu(x + convolve(p, name + ".2", at::relu(convolve(p, name + ".1", x))));
  }
  // Doubts follow from the features but don't shape them.
  return {convolve(p, "mean", x), convolve(p, "spread", x.detach()).clamp(-12, 4)};
}

std::int64_t inputs(const Network& network) {
  return whole(network, "channels") * whole(network, "x") * whole(network, "y") * whole(network, "z");
}

at::Tensor forward(const Network& network, const Parameters& p, const Batch& batch, const std::vector<float>&) {
  const Found found = run(network, p, batch);
  return at::cat({found.mean, found.log_variance}, 1);
}

/// `weight` holds for each example how much a point counts, then its share of the whole: the sum of shares times what
/// the logarithms say is to be right as well.
at::Tensor loss(const Network& network, const Parameters& p, const Batch& batch) {
  constexpr double kOfSum = 2, kOfDoubt = 0.01;
  const std::int64_t outputs = whole(network, "outputs");
  const at::Tensor target = grid(network, batch.target, batch.count, outputs);
  const at::Tensor weights = grid(network, batch.weight, batch.count, 2 * outputs);
  const at::Tensor weight = weights.narrow(1, 0, outputs), share = weights.narrow(1, outputs, outputs);
  const Found found = run(network, p, batch);
  const at::Tensor error = (found.mean - target).square();
  const at::Tensor said = (share * at::exp(found.mean.clamp(-4, 4))).sum({1, 2, 3, 4}),
                   wanted = (share * at::exp(target)).sum({1, 2, 3, 4});
  const at::Tensor likelihood = error.detach() * at::exp(-found.log_variance) + found.log_variance;
  return (error * weight).sum() / weight.sum() + kOfSum * at::log(said / wanted).square().mean() +
         kOfDoubt * (likelihood * weight).sum() / weight.sum();
}

}  // namespace

const Architecture& responseNet() {
  static const Architecture architecture = {&parameters, &inputs, &forward, &loss};
  return architecture;
}

}  // namespace osteo::learn
