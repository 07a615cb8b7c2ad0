#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

/// What crosses the border between the toolkit and its torch module: plain buffers, no torch, no JSON.
namespace osteo::learn {

struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// An architecture's name with the numbers that build it, and its trained tensors.
struct Network {
  std::string architecture;                ///< "residual-unet" or "implicit-mlp"
  std::map<std::string, double> settings;  ///< see torch/unet.cpp and torch/implicit.cpp
  std::vector<Tensor> tensors;
  double setting(const std::string& name) const { return settings.at(name); }
};

/// One step's examples; every buffer holds `count` equal pieces, x fastest within channels.
struct Batch {
  std::int64_t count = 0;
  std::vector<float> input, target, weight;
  std::vector<std::int64_t> ids;  ///< shape of each example, for networks with a latent code a shape
};

/// Adam (Kingma & Ba, ICLR 2015) with the rate falling as a cosine to 2 % (Loshchilov & Hutter, ICLR 2017).
struct Loop {
  std::int64_t first_step = 0, steps = 1000;
  double rate = 1e-3;
  std::uint64_t seed = 0;  ///< of the first tensors
  std::int64_t snapshot_every = 0;
  std::function<void(std::int64_t step, Batch& batch)> examples;
  std::function<void(std::int64_t step, double loss)> told = {};
  /// Gets the next step and the tensors with the optimiser's, from which the same run goes on bit for bit.
  std::function<void(std::int64_t next_step, const std::vector<Tensor>& state)> snapshot = {};
};

/// Points with the signed distance that is known there, by which a latent code is found.
struct Observations {
  std::vector<float> points_mm;    ///< x y z
  std::vector<float> distance_mm;  ///< one a point
};

struct LatentFitting {
  int steps = 300;
  double rate = 0.01;
  double prior = 1e-3;         ///< pull of the code towards the mean, in units of its spread, and of the scale to 1
  bool move = true;            ///< a similarity is fitted with the code
  std::vector<float> start{};  ///< code to start from; the mean when empty
};

struct LatentFit {
  std::vector<float> code;
  double similarity[12] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};  ///< 3×4, row by row: observation to the model's space
  double loss_mm = 0;                                            ///< mean clamped |distance error|
};

/// The functions of osteo_learn.so. They throw std::runtime_error with one line.
struct Module {
  int version;
  void (*start)(int threads);
  /// Trains a fresh network (no tensors) or goes on from a snapshot's; leaves the tensors without the optimiser's.
  void (*train)(Network& network, const Loop& loop);
  /// Output of `batch.count` inputs; `ids` choose the latent codes, or `codes` holds one code for all.
  std::vector<float> (*apply)(const Network& network, const Batch& batch, const std::vector<float>& code);
  LatentFit (*fit)(const Network& network, const Observations& seen, const LatentFitting& how);
};
constexpr int kModuleVersion = 1;

/// Opens the torch module on first use, with core's threads. Throws Unavailable when it or libtorch is absent.
const Module& module();
/// module()'s functions with their failures as our errors (70, or 71 for memory).
void train(Network& network, const Loop& loop);
std::vector<float> apply(const Network& network, const Batch& batch, const std::vector<float>& code = {});
LatentFit fit(const Network& network, const Observations& seen, const LatentFitting& how);

}  // namespace osteo::learn
