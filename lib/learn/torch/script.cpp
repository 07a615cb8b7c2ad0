#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <map>
#include <mutex>
#include <stdexcept>

#include "learn/torch/architecture.h"

namespace osteo::learn {

namespace {

std::string firstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

/// Files that were loaded once stay loaded.
torch::jit::Module& loadedScript(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, torch::jit::Module> modules;
  const std::lock_guard lock(mutex);
  const auto found = modules.find(path);
  if (found != modules.end()) return found->second;
  try {
    torch::jit::Module module = torch::jit::load(path);
    module.eval();
    return modules.emplace(path, std::move(module)).first->second;
  } catch (const std::exception& e) {
    throw std::invalid_argument("torch can't read the TorchScript file: " + firstLine(e.what()));
  }
}

}  // namespace

std::vector<float> runTorchScript(const std::string& path, const std::vector<float>& input,
                                  const std::vector<std::int64_t>& shape) {
  const at::NoGradGuard no_gradients;
  torch::jit::Module& module = loadedScript(path);
  at::Tensor out;
  try {
    const at::Tensor in = at::from_blob(const_cast<float*>(input.data()), shape, at::kFloat);
    const c10::IValue given = module.forward({in});
    if (!given.isTensor()) throw std::invalid_argument("the TorchScript network gives no tensor");
    out = given.toTensor().to(at::kFloat).contiguous();
  } catch (const std::invalid_argument&) {
    throw;
  } catch (const std::exception& e) {
    throw std::invalid_argument("the TorchScript network fails: " + firstLine(e.what()));
  }
  if (out.dim() != 5 || out.size(0) != shape[0] || out.size(2) != shape[2] || out.size(3) != shape[3] ||
      out.size(4) != shape[4])
    throw std::invalid_argument("the TorchScript network gives another shape than n, classes, z, y, x");
  return {out.data_ptr<float>(), out.data_ptr<float>() + out.numel()};
}

}  // namespace osteo::learn
