#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "core/random.h"
#include "learn/torch/architecture.h"

namespace osteo::learn {

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8, kLastShare = 0.02;

at::Tensor toTorch(const std::vector<float>& values, const std::vector<std::int64_t>& shape, bool copy = true) {
  const at::Tensor view = at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat);
  return copy ? view.clone() : view;
}

Tensor fromTorch(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().contiguous();
  const float* const values = plain.data_ptr<float>();
  return {name, plain.sizes().vec(), std::vector<float>(values, values + plain.numel())};
}

/// Fresh tensors, each from its own stream of the seed.
Parameters initialise(const Network& network, std::uint64_t seed) {
  Parameters out;
  std::uint64_t stream = 0;
  for (const ParameterShape& p : architectureOf(network).parameters(network)) {
    const core::Random random(seed, 1000 + stream++);
    at::Tensor tensor = at::full(p.shape, p.constant, at::kFloat);
    float* const values = tensor.data_ptr<float>();
    for (std::int64_t i = 0; i < tensor.numel() && p.spread > 0; ++i)
      values[i] = static_cast<float>(p.constant + p.spread * random.normal(static_cast<std::uint64_t>(i)));
    out.emplace(p.name, tensor);
  }
  return out;
}

void store(const Parameters& parameters, std::vector<Tensor>& tensors) {
  for (const auto& [name, tensor] : parameters) tensors.push_back(fromTorch(name, tensor));
}

void requireFinite(double loss, std::int64_t step) {
  if (!std::isfinite(loss)) throw std::runtime_error("training diverged at step " + std::to_string(step));
}

void trainNetwork(Network& network, const Loop& loop) {
  const Architecture& architecture = architectureOf(network);
  Parameters parameters = network.tensors.empty() ? initialise(network, loop.seed) : load(network);
  for (auto& [name, tensor] : parameters) tensor.set_requires_grad(true);
  Optimiser optimiser(parameters, loop.momentum);
  optimiser.resume(network.tensors, loop.first_step);
  for (std::int64_t step = loop.first_step; step < loop.steps; ++step) {
    Batch batch;
    loop.examples(step, batch);
    const at::Tensor loss = architecture.loss(network, parameters, batch);
    loss.backward();
    const double share = static_cast<double>(step) / static_cast<double>(loop.steps);
    optimiser.step(loop.rate * (kLastShare + (1 - kLastShare) * 0.5 * (1 + std::cos(std::numbers::pi * share))));
    const double value = loss.item<float>();
    requireFinite(value, step);
    if (loop.told) loop.told(step, value);
    bool go_on = true;
    if (loop.judge && loop.judge_every > 0 && (step + 1) % loop.judge_every == 0) {
      std::vector<Tensor> tensors;
      store(parameters, tensors);
      go_on = loop.judge(step + 1, tensors);
    }
    const bool last = !go_on || step + 1 == loop.steps;
    if (loop.snapshot && loop.snapshot_every > 0 && (last || (step + 1) % loop.snapshot_every == 0)) {
      std::vector<Tensor> state;
      store(parameters, state);
      optimiser.store(state);
      loop.snapshot(step + 1, state);
    }
    if (!go_on) break;
  }
  network.tensors.clear();
  store(parameters, network.tensors);
}

std::vector<float> applyNetwork(const Network& network, const Batch& batch, const std::vector<float>& code) {
  const at::NoGradGuard no_gradients;
  const Architecture& architecture = architectureOf(network);
  if (static_cast<std::int64_t>(batch.input.size()) != batch.count * architecture.inputs(network))
    throw std::invalid_argument("the network's input has another size");
  return fromTorch("", architecture.forward(network, load(network, false), batch, code)).values;
}

void start(int threads) {
  thread_local int mine = 0;  // torch and OpenMP keep a count a thread
  if (mine == threads) return;
  mine = threads;
  at::set_num_threads(threads);
  // OpenBLAS keeps its own count; Debian may resolve BLAS to another library, which then has no such function.
  using Setter = void (*)(int);
  if (const auto set = reinterpret_cast<Setter>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(threads);
}

/// torch's errors carry a stack trace: what leaves the module has one line.
template <class Call>
auto plainly(const Call& call) {
  try {
    return call();
  } catch (const c10::Error& e) {
    throw std::runtime_error(e.what_without_backtrace());
  }
}

}  // namespace

const Architecture& architectureOf(const Network& network) {
  if (network.architecture == "residual-unet") return residualUnet();
  if (network.architecture == "implicit-mlp") return implicitMlp();
  if (network.architecture == "segmentation-unet") return segmentationUnet();
  if (network.architecture == "property-mlp") return propertyMlp();
  if (network.architecture == "proposal-mdn") return proposalMdn();
  if (network.architecture == "response-net") return responseNet();
  throw std::invalid_argument("no architecture is called " + network.architecture);
}

Parameters load(const Network& network, bool copy) {
  std::map<std::string, const Tensor*> given;
  for (const Tensor& tensor : network.tensors) given[tensor.name] = &tensor;
  Parameters out;
  for (const ParameterShape& p : architectureOf(network).parameters(network)) {
    const auto found = given.find(p.name);
    if (found == given.end()) throw std::invalid_argument("the weights lack the tensor " + p.name);
    if (found->second->shape != p.shape) throw std::invalid_argument("the weights hold another shape of " + p.name);
    out.emplace(p.name, toTorch(found->second->values, p.shape, copy));
  }
  return out;
}

Optimiser::Optimiser(Parameters& parameters, double momentum) : parameters_(parameters), momentum_(momentum) {}
Optimiser::~Optimiser() = default;

void Optimiser::resume(const std::vector<Tensor>& state, std::int64_t steps_done) {
  for (const Tensor& tensor : state) {
    for (const auto& [prefix, slot] : {std::pair{"adam.m.", 0U}, {"adam.v.", 1U}}) {
      if (!tensor.name.starts_with(prefix)) continue;
      const std::string name = tensor.name.substr(7);
      if (!parameters_.contains(name)) throw std::invalid_argument("the checkpoint belongs to another network");
      std::vector<at::Tensor>& moments = moments_[name];
      moments.resize(2);
      moments[slot] = toTorch(tensor.values, parameters_.at(name).sizes().vec());
      steps_ = steps_done;
    }
  }
}

void Optimiser::descend(at::Tensor& tensor, const at::Tensor& gradient, std::vector<at::Tensor>& moments, double rate) {
  if (momentum_ > 0) {
    moments[0].mul_(momentum_).add_(gradient);
    tensor.sub_(rate * (gradient + momentum_ * moments[0]));
    return;
  }
  const double correct1 = 1 - std::pow(kBeta1, steps_), correct2 = 1 - std::pow(kBeta2, steps_);
  moments[0].mul_(kBeta1).add_(gradient, 1 - kBeta1);
  moments[1].mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
  tensor.addcdiv_(moments[0], (moments[1] / correct2).sqrt_().add_(kEpsilon), -rate / correct1);
}

void Optimiser::step(double rate) {
  const at::NoGradGuard no_gradients;
  ++steps_;
  for (auto& [name, tensor] : parameters_) {
    const at::Tensor& gradient = tensor.grad();
    if (!gradient.defined()) continue;
    std::vector<at::Tensor>& moments = moments_[name];
    if (moments.empty()) moments = {at::zeros_like(tensor), at::zeros_like(tensor)};
    descend(tensor, gradient, moments, rate);
    tensor.mutable_grad().reset();
  }
}

void Optimiser::store(std::vector<Tensor>& state) const {
  for (const auto& [name, moments] : moments_) {
    state.push_back(fromTorch("adam.m." + name, moments[0]));
    state.push_back(fromTorch("adam.v." + name, moments[1]));
  }
}

}  // namespace osteo::learn

/// The one symbol that lib/learn/network.cpp looks up.
extern "C" __attribute__((visibility("default"))) const osteo::learn::Module osteo_learn_module = {
    osteo::learn::kModuleVersion,
    &osteo::learn::start,
    [](osteo::learn::Network& network, const osteo::learn::Loop& loop) {
      osteo::learn::plainly([&] { osteo::learn::trainNetwork(network, loop); });
    },
    [](const osteo::learn::Network& network, const osteo::learn::Batch& batch, const std::vector<float>& code) {
      return osteo::learn::plainly([&] { return osteo::learn::applyNetwork(network, batch, code); });
    },
    [](const osteo::learn::Network& network, const osteo::learn::Observations& seen,
       const osteo::learn::LatentFitting& how) {
      return osteo::learn::plainly([&] { return osteo::learn::fitLatent(network, seen, how); });
    },
    [](const osteo::learn::Network& network, const osteo::learn::Question& question) {
      return osteo::learn::plainly([&] { return osteo::learn::explainNetwork(network, question); });
    },
    [](const std::string& path, const std::vector<float>& input, const std::vector<std::int64_t>& shape) {
      return osteo::learn::plainly([&] { return osteo::learn::runTorchScript(path, input, shape); });
    }};
