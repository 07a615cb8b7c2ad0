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
  std::string architecture;                ///< as torch/module.cpp knows it, such as "residual-unet" or "property-mlp"
  std::map<std::string, double> settings;  ///< see the files in torch/
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
  double momentum = 0;     ///< above 0: steepest descent with Nesterov's momentum in place of Adam
  std::uint64_t seed = 0;  ///< of the first tensors
  std::int64_t snapshot_every = 0;
  std::function<void(std::int64_t step, Batch& batch)> examples;
  std::function<void(std::int64_t step, double loss)> told = {};
  /// Gets the next step and the tensors with the optimiser's, from which the same run goes on bit for bit.
  std::function<void(std::int64_t next_step, const std::vector<Tensor>& state)> snapshot = {};
  std::int64_t judge_every = 0;
  /// Gets the tensors before a snapshot of the same step does; false ends the training.
  std::function<bool(std::int64_t next_step, const std::vector<Tensor>& tensors)> judge = {};
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

/// What of one input moves the mean logit of some voxels, in the layout of the input.
struct Explained {
  std::vector<float> gradients;   ///< integrated along the way from the baseline; they add up to value − baseline
  std::vector<float> activation;  ///< of the deepest features, weighted by their gradients, 0 and more
  double value = 0, baseline = 0;
  int steps = 0;  ///< points of the way
};

/// An input, what it is compared with, and how much each voxel of each channel counts in the mean logit that is
/// explained (negative: against it).
struct Question {
  std::vector<float> input, baseline, asked;
  double tolerance = 0.005;  ///< of the gradients' sum, as a share of the difference in value
  int most_steps = 512;
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
  Explained (*explain)(const Network& network, const Question& question);
  /// Output of a user's TorchScript file for inputs of the shape n, c, z, y, x. It can execute any code.
  std::vector<float> (*script)(const std::string& path, const std::vector<float>& input,
                               const std::vector<std::int64_t>& shape);
};
constexpr int kModuleVersion = 2;

/// Opens the torch module on first use, with core's threads. Throws Unavailable when it or libtorch is absent.
const Module& module();
/// module()'s functions with their failures as our errors (70, or 71 for memory).
void train(Network& network, const Loop& loop);
std::vector<float> apply(const Network& network, const Batch& batch, const std::vector<float>& code = {});
/// apply() on the calling thread alone, for many tiles at a time: the bytes don't depend on the threads.
std::vector<float> applyAlone(const Network& network, const Batch& batch);
LatentFit fit(const Network& network, const Observations& seen, const LatentFitting& how);
/// Integrated gradients (Sundararajan, Taly and Yan, ICML 2017), their steps doubled until they add up to the
/// difference in value within the tolerance, and Grad-CAM (Selvaraju et al., ICCV 2017).
Explained explain(const Network& network, const Question& question);
/// A TorchScript file's output. Throws DataError for a file that is none, or of a newer torch, with the way to export
/// it.
std::vector<float> runScript(const std::string& path, const std::vector<float>& input,
                             const std::vector<std::int64_t>& shape);

}  // namespace osteo::learn
