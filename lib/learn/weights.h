#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "learn/network.h"

namespace osteo::learn {

/// A network on disk: a folder with index.json (architecture, settings, tensors' names, shapes, offsets in bytes,
/// SHA-256, training record) and weights.bin (raw little-endian float32, tensors one after the other). Nothing in it is
/// executed.
struct Weights {
  Network network;
  nlohmann::json training = nlohmann::json::object();  ///< recipe, seed, steps, held-out measures
};

/// Writes both files into an existing folder; the same weights give the same bytes. Throws IoError.
void writeWeights(const Weights& weights, const std::string& folder);

/// Reads a folder. Refuses (65) another architecture than the one named ("" takes any), sizes that don't match the
/// file, settings or values that are not finite, and a wrong hash; sizes are checked before anything is allocated.
/// Throws NoInput.
Weights readWeights(const std::string& folder, const std::string& architecture);

/// A tensor by its name. Throws DataError.
const Tensor& tensorNamed(const Network& network, const std::string& name);

/// The settings that a reader needs, each within its bounds. Throws DataError.
struct Bound {
  const char* name;
  double min, max;
};
void requireSettings(const Network& network, const std::string& folder, const std::vector<Bound>& bounds);

/// What `make` makes of the weights in a folder; DataError, naming the job of `train`, where their record hasn't got
/// what it takes.
template <class Make>
auto fromRecord(const std::string& folder, const std::string& job, const Make& make) {
  try {
    return make();
  } catch (const core::Error&) {
    throw;
  } catch (const std::exception&) {
    throw core::Error(core::Exit::DataError,
                      {.what = "these are no weights of train " + job, .file = core::baseName(folder)});
  }
}

}  // namespace osteo::learn
