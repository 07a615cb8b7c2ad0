#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "learn/torch/architecture.h"

/// A 3-D U-Net that is configured by plans (nnU-Net: Isensee et al., Nature Methods 2021), with a plain or a residual
/// encoder: instance norm, leaky ReLU, strided convolutions down and transposed ones up, one head a decoder level in
/// training. With fold 2, two voxels a side become channels before the first convolution and are unfolded after the
/// last (Shi et al., CVPR 2016). Settings: channels, regions, nested, base, most_features, levels, blocks, residual,
/// fold, patch_x patch_y patch_z, and for each level kernelN and poolN: sums of 1 for x, 2 for y, 4 for z.
namespace osteo::learn {

namespace {

using Shape = std::vector<std::int64_t>;

constexpr double kSlope = 0.01;

std::int64_t whole(const Network& network, const std::string& name) {
  return static_cast<std::int64_t>(network.setting(name));
}
std::string at(const std::string& name, std::int64_t level) { return name + std::to_string(level); }
std::int64_t features(const Network& network, std::int64_t level) {
  return std::min(whole(network, "base") << level, whole(network, "most_features"));
}
/// z, y, x: `yes` on the axes of a setting's bits, else 1.
Shape axes(const Network& network, const std::string& name, std::int64_t yes) {
  const std::int64_t bits = whole(network, name);
  return {bits & 4 ? yes : 1, bits & 2 ? yes : 1, bits & 1 ? yes : 1};
}
std::int64_t folded(const Network& network) {
  const std::int64_t fold = whole(network, "fold");
  return fold * fold * fold;
}
std::int64_t blocks(const Network& network) { return whole(network, "blocks"); }
bool residual(const Network& network) { return whole(network, "residual") != 0; }
std::int64_t decoderConvolutions(const Network& network) { return residual(network) ? 1 : 2; }

/// The parameters of one network, in the order of its layers.
struct Maker {
  const Network& network;
  std::vector<ParameterShape> out = {};

  void convolution(const std::string& name, std::int64_t from, std::int64_t to, const Shape& kernel) {
    const std::int64_t taps = kernel[0] * kernel[1] * kernel[2];
    const double gain = 2.0 / (1 + kSlope * kSlope);
    out.push_back(
        {name + ".w", {to, from, kernel[0], kernel[1], kernel[2]}, std::sqrt(gain / static_cast<double>(from * taps))});
    out.push_back({name + ".b", {to}});
  }
  void norm(const std::string& name, std::int64_t count, double scale = 1) {
    out.push_back({name + ".scale", {count}, 0, scale});
    out.push_back({name + ".shift", {count}});
  }
  void layer(const std::string& name, std::int64_t from, std::int64_t to, const Shape& kernel) {
    convolution(name, from, to, kernel);
    norm(name, to);
  }
  void encoder(std::int64_t level, std::int64_t from) {
    const std::int64_t to = features(network, level);
    const Shape kernel = axes(network, at("kernel", level), 3);
    const std::string name = at("encode", level);
    for (std::int64_t b = 0; b < 2 * blocks(network); ++b)
      layer(name + "." + std::to_string(b), b == 0 ? from : to, to, kernel);
    if (residual(network)) layer(name + ".skip", from, to, {1, 1, 1});
  }
  void decoder(std::int64_t level) {
    const std::int64_t to = features(network, level), from = features(network, level + 1);
    const Shape stride = axes(network, at("pool", level + 1), 2), kernel = axes(network, at("kernel", level), 3);
    out.push_back({at("up", level) + ".w",
                   {from, to, stride[0], stride[1], stride[2]},
                   std::sqrt(1.0 / static_cast<double>(from))});
    out.push_back({at("up", level) + ".b", {to}});
    for (std::int64_t c = 0; c < decoderConvolutions(network); ++c)
      layer(at("decode", level) + "." + std::to_string(c), c == 0 ? 2 * to : to, to, kernel);
    const std::int64_t regions = whole(network, "regions") * (level == 0 ? folded(network) : 1);
    convolution(at("head", level), to, regions, {1, 1, 1});
    out[out.size() - 2].spread *= 0.1;  // a fresh network is undecided everywhere
  }
};

std::vector<ParameterShape> parameters(const Network& network) {
  Maker make{network};
  const std::int64_t levels = whole(network, "levels");
  for (std::int64_t l = 0; l < levels; ++l)
    make.encoder(l, l == 0 ? whole(network, "channels") * folded(network) : features(network, l - 1));
  for (std::int64_t l = levels - 2; l >= 0; --l) make.decoder(l);
  return make.out;
}

/// torch takes its slow path for a single example of few features; oneDNN is called by name where it is built in.
at::Tensor convolve(const Parameters& p, const std::string& name, const at::Tensor& x, const Shape& stride) {
  const at::Tensor &kernel = p.at(name + ".w"), &bias = p.at(name + ".b");
  const Shape pad = {kernel.size(2) / 2, kernel.size(3) / 2, kernel.size(4) / 2}, one = {1, 1, 1};
  if (at::hasMKLDNN() && x.device().is_cpu()) return at::mkldnn_convolution(x, kernel, bias, pad, stride, one, 1);
  return at::conv3d(x, kernel, bias, stride, pad);
}

at::Tensor normed(const Parameters& p, const std::string& name, const at::Tensor& x) {
  return at::group_norm(x, x.size(1), p.at(name + ".scale"), p.at(name + ".shift"));
}

at::Tensor activated(const at::Tensor& x) {
  if (at::GradMode::is_enabled()) return at::leaky_relu(x, kSlope);
  at::Tensor out = x;
  return at::leaky_relu_(out, kSlope);
}

at::Tensor layer(const Parameters& p, const std::string& name, const at::Tensor& x, const Shape& stride) {
  return activated(normed(p, name, convolve(p, name, x, stride)));
}

at::Tensor encode(const Network& network, const Parameters& p, std::int64_t level, at::Tensor x) {
  const Shape one = {1, 1, 1}, stride = level == 0 ? one : axes(network, at("pool", level), 2);
  const std::string name = at("encode", level);
  for (std::int64_t b = 0; b < blocks(network); ++b) {
    const std::string first = name + "." + std::to_string(2 * b), second = name + "." + std::to_string(2 * b + 1);
    const Shape& step = b == 0 ? stride : one;
    const at::Tensor inner = layer(p, first, x, step);
    if (!residual(network)) {
      x = layer(p, second, inner, one);
      continue;
    }
    at::Tensor skip = x;
    if (b == 0) skip = normed(p, name + ".skip", convolve(p, name + ".skip", at::avg_pool3d(x, stride, stride), one));
    x = activated(normed(p, second, convolve(p, second, inner, one)) + skip);
  }
  return x;
}

/// [n, c, z, y, x] → [n, c·f³, z/f, y/f, x/f]
at::Tensor fold(const at::Tensor& x, std::int64_t f) {
  if (f == 1) return x;
  const std::int64_t n = x.size(0), c = x.size(1), d = x.size(2) / f, h = x.size(3) / f, w = x.size(4) / f;
  return x.reshape({n, c, d, f, h, f, w, f}).permute({0, 1, 3, 5, 7, 2, 4, 6}).reshape({n, c * f * f * f, d, h, w});
}

at::Tensor unfold(const at::Tensor& x, std::int64_t f) {
  if (f == 1) return x;
  const std::int64_t n = x.size(0), c = x.size(1) / (f * f * f), d = x.size(2), h = x.size(3), w = x.size(4);
  return x.reshape({n, c, f, f, f, d, h, w})
      .permute({0, 1, 5, 2, 6, 3, 7, 4})
      .reshape({n, c, d * f, h * f, w * f})
      .contiguous();
}

Shape patch(const Network& network) {
  return {whole(network, "patch_z"), whole(network, "patch_y"), whole(network, "patch_x")};
}

std::int64_t inputs(const Network& network) {
  const Shape size = patch(network);
  return whole(network, "channels") * size[0] * size[1] * size[2];
}

at::Tensor grid(const Network& network, const std::vector<float>& values, std::int64_t count, std::int64_t channels) {
  const Shape s = patch(network);
  if (static_cast<std::int64_t>(values.size()) != count * channels * s[0] * s[1] * s[2])
    throw std::invalid_argument("a batch has another size than the network");
  return at::from_blob(const_cast<float*>(values.data()), {count, channels, s[0], s[1], s[2]}, at::kFloat);
}

/// Logits of every head that is wanted, the finest first, with the deepest features last.
std::vector<at::Tensor> run(const Network& network, const Parameters& p, const at::Tensor& input, bool all_heads) {
  const std::int64_t levels = whole(network, "levels"), f = whole(network, "fold");
  std::vector<at::Tensor> kept;
  at::Tensor x = fold(input, f);
  for (std::int64_t l = 0; l < levels; ++l) {
    x = encode(network, p, l, x);
    kept.push_back(x);
  }
  std::vector<at::Tensor> out = {x};
  for (std::int64_t l = levels - 2; l >= 0; --l) {
    const Shape stride = axes(network, at("pool", l + 1), 2);
    const at::Tensor up = at::conv_transpose3d(x, p.at(at("up", l) + ".w"), p.at(at("up", l) + ".b"), stride);
    x = at::cat({up, kept[static_cast<std::size_t>(l)]}, 1);
    for (std::int64_t c = 0; c < decoderConvolutions(network); ++c)
      x = layer(p, at("decode", l) + "." + std::to_string(c), x, {1, 1, 1});
    if (l > 0 && !all_heads) continue;
    const at::Tensor head = convolve(p, at("head", l), x, {1, 1, 1});
    out.push_back(l == 0 ? unfold(head, f) : head);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

at::Tensor forward(const Network& network, const Parameters& p, const Batch& batch, const std::vector<float>&) {
  return run(network, p, grid(network, batch.input, batch.count, whole(network, "channels")), false).front();
}

/// 1 − Dice of what is inside by `share` and by `target`, over the whole batch, one a channel; 0 for a channel that the
/// batch does not hold, as the loss would else teach that rare things are nowhere.
at::Tensor diceLoss(const at::Tensor& share, const at::Tensor& target, const at::Tensor& weight) {
  constexpr double kSmooth = 1;
  const Shape all = {0, 2, 3, 4};
  const at::Tensor both = (share * target * weight).sum(all), truth = (target * weight).sum(all);
  const at::Tensor sum = (share * weight).sum(all) + truth;
  return (1 - (2 * both + kSmooth) / (sum + kSmooth)) * (truth > 0.5).to(at::kFloat);
}

/// Binary cross-entropy and Dice of one head's regions; where regions are nested, the first without the second (the
/// defect) counts in the Dice as a region of its own.
at::Tensor headLoss(const at::Tensor& logits, const at::Tensor& target, const at::Tensor& weight, bool nested) {
  const at::Tensor cross = at::relu(logits) - logits * target + at::softplus(-logits.abs());
  const at::Tensor share = at::sigmoid(logits);
  at::Tensor dice = diceLoss(share, target, weight);
  if (nested) {
    const auto part = [](const at::Tensor& x, std::int64_t c) { return x.narrow(1, c, 1); };
    const at::Tensor missing = part(share, 0) * (1 - part(share, 1)), truth = part(target, 0) * (1 - part(target, 1));
    dice = at::cat({dice, diceLoss(missing, truth, part(weight, 0) * part(weight, 1))});
  }
  return (cross * weight).sum() / (weight.sum() + 1) + dice.mean();
}

at::Tensor loss(const Network& network, const Parameters& p, const Batch& batch) {
  const std::int64_t regions = whole(network, "regions");
  const at::Tensor target = grid(network, batch.target, batch.count, regions);
  const at::Tensor weight = grid(network, batch.weight, batch.count, regions);
  std::vector<at::Tensor> heads =
      run(network, p, grid(network, batch.input, batch.count, whole(network, "channels")), true);
  heads.pop_back();  // the deepest features
  at::Tensor sum;
  double total = 0;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const double share = std::exp2(-static_cast<double>(h));
    at::Tensor wanted = target, counts = weight;
    if (h > 0) {
      const Shape step = {target.size(2) / heads[h].size(2), target.size(3) / heads[h].size(3),
                          target.size(4) / heads[h].size(4)};
      counts = at::avg_pool3d(weight, step);
      wanted = at::avg_pool3d(target * weight, step) / counts.clamp_min(1e-6);
    }
    const at::Tensor part = share * headLoss(heads[h], wanted, counts, whole(network, "nested") != 0);
    sum = sum.defined() ? sum + part : part;
    total += share;
  }
  return sum / total;
}

std::vector<at::Tensor> inspect(const Network& network, const Parameters& p, const at::Tensor& input) {
  const std::vector<at::Tensor> out = run(network, p, input, false);
  return {out.front(), out.back()};
}

}  // namespace

const Architecture& segmentationUnet() {
  static const Architecture architecture = {&parameters, &inputs, &forward, &loss, &inspect};
  return architecture;
}

}  // namespace osteo::learn
