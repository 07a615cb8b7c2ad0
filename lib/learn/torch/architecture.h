#pragma once
#include <map>
#include <string>
#include <vector>

#include "learn/network.h"

namespace at {
class Tensor;
}

/// Inside osteo_learn.so alone. torch's headers stay in the .cpp files.
namespace osteo::learn {

/// Trained tensors by name.
using Parameters = std::map<std::string, at::Tensor>;

/// A parameter to be made: normal numbers of this spread, or the constant where the spread is 0.
struct ParameterShape {
  std::string name;
  std::vector<std::int64_t> shape;
  double spread = 0, constant = 0;
};

/// A network as pure functions of its settings and parameters.
struct Architecture {
  std::vector<ParameterShape> (*parameters)(const Network& network);
  /// Numbers that one example takes.
  std::int64_t (*inputs)(const Network& network);
  at::Tensor (*forward)(const Network& network, const Parameters& p, const Batch& batch,
                        const std::vector<float>& code);
  at::Tensor (*loss)(const Network& network, const Parameters& p, const Batch& batch);
  /// Logits and the deepest features, for networks that can be explained.
  std::vector<at::Tensor> (*inspect)(const Network& network, const Parameters& p, const at::Tensor& input) = nullptr;
};
const Architecture& residualUnet();
const Architecture& implicitMlp();
const Architecture& segmentationUnet();
const Architecture& propertyMlp();
const Architecture& proposalMdn();
const Architecture& responseNet();
const Architecture& architectureOf(const Network& network);

/// The network's tensors after a check of names and shapes against its settings; shared with the network unless copied.
/// Throws std::invalid_argument.
Parameters load(const Network& network, bool copy = true);

/// Adam without weight decay, or Nesterov's momentum where that is above 0; the caller sets the rate of each step.
class Optimiser {
 public:
  explicit Optimiser(Parameters& parameters, double momentum = 0);
  ~Optimiser();  // here and below, tensors are whole in .cpp files only
  Optimiser(const Optimiser&) = delete;
  Optimiser& operator=(const Optimiser&) = delete;
  /// Takes over the moments from a snapshot's tensors, if they are there.
  void resume(const std::vector<Tensor>& state, std::int64_t steps_done);
  /// One step along the gradients that backward() left, which are cleared.
  void step(double rate);
  /// Appends the moments.
  void store(std::vector<Tensor>& state) const;

 private:
  void descend(at::Tensor& tensor, const at::Tensor& gradient, std::vector<at::Tensor>& moments, double rate);

  Parameters& parameters_;
  double momentum_;
  std::map<std::string, std::vector<at::Tensor>> moments_;
  std::int64_t steps_ = 0;
};

LatentFit fitLatent(const Network& network, const Observations& seen, const LatentFitting& how);
Explained explainNetwork(const Network& network, const Question& question);
std::vector<float> runTorchScript(const std::string& path, const std::vector<float>& input,
                                  const std::vector<std::int64_t>& shape);

}  // namespace osteo::learn
