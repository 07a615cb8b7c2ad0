#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "learn/torch/architecture.h"

/// A signed distance that depends on a point and a code of the shape (DeepSDF: Park et al., CVPR 2019), on Fourier
/// features of the point (Tancik et al., NeurIPS 2020). Settings: shapes, latent, width, layers, frequencies, clamp_mm,
/// prior, half_x_mm half_y_mm half_z_mm (half the box that holds all shapes, centred on the origin).
namespace osteo::learn {

namespace {

std::int64_t whole(const Network& network, const std::string& name) {
  return static_cast<std::int64_t>(network.setting(name));
}

std::int64_t featureCount(const Network& network) { return 3 + 6 * whole(network, "frequencies"); }

/// The layer that sees point and code again.
std::int64_t middle(const Network& network) { return whole(network, "layers") / 2; }

std::vector<ParameterShape> parameters(const Network& network) {
  const std::int64_t width = whole(network, "width"), in = featureCount(network) + whole(network, "latent");
  std::vector<ParameterShape> out = {{"codes", {whole(network, "shapes"), whole(network, "latent")}, 0.1}};
  for (std::int64_t l = 0; l < whole(network, "layers"); ++l) {
    const std::int64_t from = l == 0 ? in : l == middle(network) ? width + in : width;
    const std::string name = "layer" + std::to_string(l);
    out.push_back({name + ".w", {width, from}, std::sqrt(2.0 / static_cast<double>(from))});
    out.push_back({name + ".b", {width}});
  }
  out.push_back({"out.w", {1, width}, std::sqrt(1.0 / static_cast<double>(width))});
  out.push_back({"out.b", {1}});
  return out;
}

/// Points [n, 3] in mm to their features [n, 3 + 6·frequencies].
at::Tensor features(const Network& network, const at::Tensor& points_mm) {
  const at::Tensor half = at::tensor(
      {network.setting("half_x_mm"), network.setting("half_y_mm"), network.setting("half_z_mm")}, at::kFloat);
  const at::Tensor x = points_mm / half;
  std::vector<at::Tensor> parts = {x};
  for (std::int64_t k = 0; k < whole(network, "frequencies"); ++k) {
    const at::Tensor turned = x * (std::numbers::pi * std::exp2(static_cast<double>(k) - 1));
    parts.push_back(at::sin(turned));
    parts.push_back(at::cos(turned));
  }
  return at::cat(parts, 1);
}

/// Signed distance in mm of points [n, 3] with codes [n, latent].
at::Tensor distance(const Network& network, const Parameters& p, const at::Tensor& points_mm, const at::Tensor& codes) {
  const at::Tensor in = at::cat({features(network, points_mm), codes}, 1);
  at::Tensor x = in;
  for (std::int64_t l = 0; l < whole(network, "layers"); ++l) {
    const std::string name = "layer" + std::to_string(l);
    if (l > 0 && l == middle(network)) x = at::cat({x, in}, 1);
    x = at::relu(at::linear(x, p.at(name + ".w"), p.at(name + ".b")));
  }
  return network.setting("clamp_mm") * at::linear(x, p.at("out.w"), p.at("out.b")).squeeze(1);
}

at::Tensor view(const std::vector<float>& values, std::vector<std::int64_t> shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat);
}

std::int64_t inputs(const Network&) { return 3; }

at::Tensor forward(const Network& network, const Parameters& p, const Batch& batch, const std::vector<float>& code) {
  const std::int64_t latent = whole(network, "latent");
  if (static_cast<std::int64_t>(code.size()) != latent) throw std::invalid_argument("the code has another length");
  const at::Tensor codes = view(code, {1, latent}).expand({batch.count, latent});
  return distance(network, p, view(batch.input, {batch.count, 3}), codes);
}

at::Tensor clampedError(const Network& network, const at::Tensor& found, const at::Tensor& wanted) {
  const double clamp = network.setting("clamp_mm");
  return (found.clamp(-clamp, clamp) - wanted.clamp(-clamp, clamp)).abs().mean() / clamp;
}

at::Tensor loss(const Network& network, const Parameters& p, const Batch& batch) {
  const at::Tensor ids = at::from_blob(const_cast<std::int64_t*>(batch.ids.data()), {batch.count}, at::kLong);
  const at::Tensor codes = p.at("codes").index_select(0, ids);
  const at::Tensor found = distance(network, p, view(batch.input, {batch.count, 3}), codes);
  return clampedError(network, found, view(batch.target, {batch.count})) +
         network.setting("prior") * codes.square().mean();
}

/// exp(scale)·R(turn)·x + shift about the points' centre, with Rodrigues' rotation.
struct Similarity {
  at::Tensor turn, shift, scale, centre;
  at::Tensor matrix() const {
    const at::Tensor angle = (turn.square().sum() + 1e-12).sqrt(), axis = turn / angle, zero = at::zeros({1});
    const at::Tensor x = axis.slice(0, 0, 1), y = axis.slice(0, 1, 2), z = axis.slice(0, 2, 3);
    const at::Tensor cross = at::cat({zero, -z, y, z, zero, -x, -y, x, zero}).reshape({3, 3});
    const at::Tensor rotation = at::eye(3) + at::sin(angle) * cross + (1 - at::cos(angle)) * at::matmul(cross, cross);
    return at::exp(scale) * rotation;
  }
  at::Tensor operator()(const at::Tensor& points) const {
    return at::matmul(points - centre, matrix().t()) + centre + shift;
  }
};

void write(const Similarity& move, double (&out)[12]) {
  const at::Tensor matrix = move.matrix().detach().to(at::kDouble).contiguous();
  const at::Tensor offset =
      (move.centre + move.shift - at::matmul(move.matrix(), move.centre)).detach().to(at::kDouble).contiguous();
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) out[4 * row + column] = matrix.data_ptr<double>()[3 * row + column];
    out[4 * row + 3] = offset.data_ptr<double>()[row];
  }
}

}  // namespace

const Architecture& implicitMlp() {
  static const Architecture architecture = {&parameters, &inputs, &forward, &loss};
  return architecture;
}

LatentFit fitLatent(const Network& network, const Observations& seen, const LatentFitting& how) {
  const std::int64_t n = static_cast<std::int64_t>(seen.distance_mm.size()), latent = whole(network, "latent");
  const Parameters p = load(network);
  const at::Tensor points = view(seen.points_mm, {n, 3}), wanted = view(seen.distance_mm, {n});
  const at::Tensor mean = p.at("codes").mean(0, true);
  const at::Tensor spread = p.at("codes").sub(mean).square().mean().sqrt();
  Parameters free;
  free.emplace("code", how.start.empty() ? mean.clone() : view(how.start, {1, latent}).clone());
  for (const char* name : {"scale", "shift", "turn"}) free.emplace(name, at::zeros({name[1] == 'c' ? 1 : 3}));
  for (auto& [name, tensor] : free) tensor.set_requires_grad(name == "code" || how.move);
  // Adam moves every unknown by about the rate: shifts are counted in tens of mm, so that they keep pace.
  constexpr double kShift_mm = 30, kScale = 0.08;  // and people's bones differ in size by about this share
  const auto similarity = [&] {
    return Similarity{free.at("turn"), kShift_mm * free.at("shift"), free.at("scale"), points.mean(0)};
  };
  Optimiser adam(free);
  LatentFit out;
  for (int step = 0; step < how.steps; ++step) {
    const at::Tensor moved = how.move ? similarity()(points) : points;
    const at::Tensor error =
        clampedError(network, distance(network, p, moved, free.at("code").expand({n, latent})), wanted);
    const at::Tensor unlikely =
        (free.at("code") - mean).div(spread).square().mean() + (free.at("scale") / kScale).square().sum();
    const at::Tensor loss = error + how.prior * unlikely;
    loss.backward();
    out.loss_mm = error.item<float>() * network.setting("clamp_mm");
    const double left = 1 - static_cast<double>(step) / how.steps;
    adam.step(how.rate * (0.05 + 0.95 * left));
  }
  const at::Tensor code = free.at("code").detach().contiguous();
  out.code.assign(code.data_ptr<float>(), code.data_ptr<float>() + latent);
  if (how.move) write(similarity(), out.similarity);
  return out;
}

}  // namespace osteo::learn
