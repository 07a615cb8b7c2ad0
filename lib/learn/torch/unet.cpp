#include <ATen/ATen.h>

#include <cmath>
#include <stdexcept>

#include "learn/torch/architecture.h"

/// A residual U-Net (Ronneberger et al., MICCAI 2015; He et al., CVPR 2016) that corrects its first channel. Two voxels
/// a side are folded into channels before the first convolution and unfolded after the last (Shi et al., CVPR 2016): an
/// eighth of the work of full resolution. Settings: channels, size, base, levels; level l has base·(l + 1) features.
namespace osteo::learn {

namespace {

constexpr std::int64_t kFold = 2, kFolded = kFold * kFold * kFold, kGroups = 8;

std::int64_t whole(const Network& network, const std::string& name) {
  return static_cast<std::int64_t>(network.setting(name));
}
std::int64_t width(const Network& network, std::int64_t level) { return whole(network, "base") * (level + 1); }
std::string at(const std::string& name, std::int64_t level) { return name + std::to_string(level); }

void addConvolution(std::vector<ParameterShape>& out, const std::string& name, std::int64_t from, std::int64_t to,
                    std::int64_t kernel) {
  const std::int64_t taps = kernel * kernel * kernel;
  out.push_back({name + ".w", {to, from, kernel, kernel, kernel}, std::sqrt(2.0 / static_cast<double>(from * taps))});
  out.push_back({name + ".b", {to}});
}

void addBlock(std::vector<ParameterShape>& out, const std::string& name, std::int64_t features) {
  for (const char* part : {".1", ".2"}) {
    addConvolution(out, name + part, features, features, 3);
    out.push_back({name + part + ".scale", {features}, 0, part[1] == '1' ? 1.0 : 0.5});
    out.push_back({name + part + ".shift", {features}});
  }
}

std::vector<ParameterShape> parameters(const Network& network) {
  const std::int64_t levels = whole(network, "levels");
  std::vector<ParameterShape> out;
  addConvolution(out, "in", whole(network, "channels") * kFolded, width(network, 0), 3);
  for (std::int64_t l = 0; l < levels; ++l) {
    if (l > 0) addConvolution(out, at("down", l), width(network, l - 1), width(network, l), 3);
    addBlock(out, at("encode", l), width(network, l));
  }
  addBlock(out, "bottom", width(network, levels - 1));
  for (std::int64_t l = levels - 2; l >= 0; --l) {
    addConvolution(out, at("up", l), width(network, l + 1), width(network, l), 1);
    addBlock(out, at("decode", l), width(network, l));
  }
  addConvolution(out, "out", width(network, 0), kFolded, 3);
  out[out.size() - 2].spread *= 0.1;  // a fresh network changes little
  return out;
}

at::Tensor convolve(const Parameters& p, const std::string& name, const at::Tensor& x, std::int64_t stride = 1) {
  const at::Tensor& kernel = p.at(name + ".w");
  return at::conv3d(x, kernel, p.at(name + ".b"), stride, kernel.size(2) / 2);
}

at::Tensor block(const Parameters& p, const std::string& name, const at::Tensor& x) {
  const auto part = [&](const std::string& key, const at::Tensor& y) {
    return at::group_norm(convolve(p, key, y), kGroups, p.at(key + ".scale"), p.at(key + ".shift"));
  };
  return at::relu(x + part(name + ".2", at::relu(part(name + ".1", x))));
}

/// [n, c, s, s, s] → [n, 8c, s/2, s/2, s/2]
at::Tensor fold(const at::Tensor& x) {
  const std::int64_t n = x.size(0), c = x.size(1), s = x.size(2) / kFold;
  return x.reshape({n, c, s, kFold, s, kFold, s, kFold})
      .permute({0, 1, 3, 5, 7, 2, 4, 6})
      .reshape({n, c * kFolded, s, s, s});
}

at::Tensor unfold(const at::Tensor& x) {
  const std::int64_t n = x.size(0), c = x.size(1) / kFolded, s = x.size(2);
  return x.reshape({n, c, kFold, kFold, kFold, s, s, s})
      .permute({0, 1, 5, 2, 6, 3, 7, 4})
      .reshape({n, c, s * kFold, s * kFold, s * kFold});
}

std::int64_t inputs(const Network& network) {
  const std::int64_t size = whole(network, "size");
  return whole(network, "channels") * size * size * size;
}

at::Tensor grid(const std::vector<float>& values, std::int64_t count, std::int64_t channels, std::int64_t size) {
  if (static_cast<std::int64_t>(values.size()) != count * channels * size * size * size)
    throw std::invalid_argument("a batch has another size than the network");
  return at::from_blob(const_cast<float*>(values.data()), {count, channels, size, size, size}, at::kFloat);
}

at::Tensor forward(const Network& network, const Parameters& p, const Batch& batch, const std::vector<float>&) {
  const std::int64_t levels = whole(network, "levels");
  const at::Tensor input = grid(batch.input, batch.count, whole(network, "channels"), whole(network, "size"));
  std::vector<at::Tensor> kept;
  at::Tensor x = at::relu(convolve(p, "in", fold(input)));
  for (std::int64_t l = 0; l < levels; ++l) {
    if (l > 0) x = at::relu(convolve(p, at("down", l), x, 2));
    x = block(p, at("encode", l), x);
    kept.push_back(x);
  }
  x = block(p, "bottom", x);
  for (std::int64_t l = levels - 2; l >= 0; --l) {
    const std::int64_t size = kept[static_cast<std::size_t>(l)].size(2);
    x = at::upsample_nearest3d(convolve(p, at("up", l), x), {size, size, size});
    x = block(p, at("decode", l), x + kept[static_cast<std::size_t>(l)]);
  }
  return input.narrow(1, 0, 1) - unfold(convolve(p, "out", x));
}

/// Weighted mean of the squared error and a little of the absolute one. The latter alone settles on no correction at
/// all, which is right nearly everywhere.
at::Tensor loss(const Network& network, const Parameters& p, const Batch& batch) {
  const std::int64_t size = whole(network, "size");
  const at::Tensor target = grid(batch.target, batch.count, 1, size);
  const at::Tensor weight = grid(batch.weight, batch.count, 1, size);
  constexpr double kAbsolute = 0.1;
  const at::Tensor error = forward(network, p, batch, {}) - target;
  return ((error.square() + kAbsolute * error.abs()) * weight).sum() / weight.sum();
}

}  // namespace

const Architecture& residualUnet() {
  static const Architecture architecture = {&parameters, &inputs, &forward, &loss};
  return architecture;
}

}  // namespace osteo::learn
