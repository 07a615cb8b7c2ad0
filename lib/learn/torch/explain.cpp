#include <ATen/ATen.h>

#include <cmath>
#include <stdexcept>

#include "learn/torch/architecture.h"

namespace osteo::learn {

namespace {

at::Tensor view(const std::vector<float>& values, at::IntArrayRef shape) {
  const std::int64_t wanted = c10::multiply_integers(shape);
  if (static_cast<std::int64_t>(values.size()) != wanted)
    throw std::invalid_argument("what is to be explained has another size than the network");
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat);
}

std::vector<float> plain(const at::Tensor& tensor) {
  const at::Tensor t = tensor.detach().contiguous();
  return {t.data_ptr<float>(), t.data_ptr<float>() + t.numel()};
}

/// The mean logit of the voxels that were asked for, and what it hangs on.
struct Asked {
  const Network& network;
  const Architecture& architecture;
  Parameters p;
  at::Tensor asked;
  double count;

  at::Tensor valueOf(const at::Tensor& logits) const { return (logits * asked).sum() / count; }
  double value(const at::Tensor& input) const {
    const at::NoGradGuard no_gradients;
    return valueOf(architecture.inspect(network, p, input).front()).item<float>();
  }
  at::Tensor gradient(const at::Tensor& input) const {
    const at::Tensor x = input.detach().clone().set_requires_grad(true);
    valueOf(architecture.inspect(network, p, x).front()).backward();
    return x.grad();
  }
};

/// Sum of the gradients at the middles of `steps` pieces of the way; it runs slowly at first, as a network with norms
/// turns fastest where the input is nearly constant.
at::Tensor along(const Asked& asked, const at::Tensor& from, const at::Tensor& way, int steps) {
  at::Tensor sum = at::zeros_like(way, at::kDouble);
  for (int s = 0; s < steps; ++s) {
    const double t = (s + 0.5) / steps;
    sum += (2 * t / steps) * asked.gradient(from + t * t * way);
  }
  return sum * way;
}

at::Tensor activation(const Asked& asked, const at::Tensor& input) {
  const std::vector<at::Tensor> out =
      asked.architecture.inspect(asked.network, asked.p, input.detach().clone().set_requires_grad(true));
  at::Tensor deepest = out.back();
  deepest.retain_grad();
  asked.valueOf(out.front()).backward();
  const at::Tensor weight = deepest.grad().mean({2, 3, 4}, true);
  const at::Tensor map = at::relu((weight * deepest).sum(1, true)).detach();
  return at::upsample_trilinear3d(map, {input.size(2), input.size(3), input.size(4)}, false);
}

}  // namespace

Explained explainNetwork(const Network& network, const Question& question) {
  const Architecture& architecture = architectureOf(network);
  if (architecture.inspect == nullptr) throw std::invalid_argument("this network can't be explained");
  const auto whole = [&](const char* name) { return static_cast<std::int64_t>(network.setting(name)); };
  const std::vector<std::int64_t> size = {whole("patch_z"), whole("patch_y"), whole("patch_x")};
  const std::vector<std::int64_t> in = {1, whole("channels"), size[0], size[1], size[2]},
                                  out = {1, whole("regions"), size[0], size[1], size[2]};
  Asked asked{network, architecture, load(network, false), view(question.asked, out), 0};
  asked.count = asked.asked.abs().sum().item<float>();
  if (asked.count <= 0) throw std::invalid_argument("no voxel was asked for");
  const at::Tensor input = view(question.input, in), baseline = view(question.baseline, in), way = input - baseline;
  Explained told;
  told.value = asked.value(input);
  told.baseline = asked.value(baseline);
  const double wanted = told.value - told.baseline;
  at::Tensor gradients;
  for (told.steps = 16;; told.steps *= 2) {
    gradients = along(asked, baseline, way, told.steps);
    const double off = std::abs(gradients.sum().item<double>() - wanted);
    if (off <= question.tolerance * std::abs(wanted) || told.steps * 2 > question.most_steps) break;
  }
  told.gradients = plain(gradients.to(at::kFloat));
  told.activation = plain(activation(asked, input));
  return told;
}

}  // namespace osteo::learn
