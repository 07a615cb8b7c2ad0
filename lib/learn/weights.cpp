#include "learn/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"

namespace osteo::learn {

namespace {

using core::Complaint;
using core::Error;
using core::Exit;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "weights.bin is little-endian");

constexpr std::size_t kMaxIndexBytes = std::size_t{1} << 22;
constexpr std::size_t kMaxBytes = std::size_t{1} << 31;
constexpr std::size_t kMaxTensors = 10000;
constexpr int kMaxDimensions = 8;

std::string indexOf(const std::string& folder) { return folder + "/index.json"; }
std::string bytesOf(const std::string& folder) { return folder + "/weights.bin"; }

[[noreturn]] void refuse(const std::string& folder, const std::string& what, const std::string& got = {}) {
  throw Error(Exit::DataError, {.what = what, .file = core::baseName(folder), .got = got});
}

/// A tensor without its values, and the number of these; `left` are the values that the file still holds.
Tensor readShape(const json& entry, const std::string& folder, std::size_t left, std::size_t& count) {
  Tensor tensor;
  tensor.name = entry.at("name").get<std::string>();
  tensor.shape = entry.at("shape").get<std::vector<std::int64_t>>();
  if (tensor.shape.size() > kMaxDimensions) refuse(folder, "a tensor has too many dimensions", tensor.name);
  count = 1;
  for (const std::int64_t size : tensor.shape) {
    if (size < 1 || static_cast<std::size_t>(size) > left / count)
      refuse(folder, "a tensor is larger than weights.bin", tensor.name);
    count *= static_cast<std::size_t>(size);
  }
  if (count > left) refuse(folder, "a tensor is larger than weights.bin", tensor.name);
  return tensor;
}

void fill(Tensor& tensor, const char* bytes, std::size_t count, const std::string& folder) {
  tensor.values.resize(count);
  std::memcpy(tensor.values.data(), bytes, count * sizeof(float));
  for (const float value : tensor.values)
    if (!std::isfinite(value)) refuse(folder, "a weight is not a finite number", tensor.name);
}

Weights parse(const json& index, const std::string& bytes, const std::string& folder) {
  Weights out;
  out.network.architecture = index.at("architecture").get<std::string>();
  for (const auto& [name, value] : index.at("settings").items()) {
    const double number = value.get<double>();
    if (!std::isfinite(number)) refuse(folder, "a setting is not a finite number", name);
    out.network.settings[name] = number;
  }
  const json& entries = index.at("tensors");
  if (!entries.is_array() || entries.size() > kMaxTensors) refuse(folder, "the list of tensors is too long");
  std::size_t at = 0;
  for (const json& entry : entries) {
    std::size_t count = 0;
    Tensor tensor = readShape(entry, folder, (bytes.size() - at) / sizeof(float), count);
    if (entry.at("offset_bytes").get<std::size_t>() != at) refuse(folder, "a tensor has a wrong offset", tensor.name);
    fill(tensor, bytes.data() + at, count, folder);
    at += count * sizeof(float);
    out.network.tensors.push_back(std::move(tensor));
  }
  if (at != bytes.size())
    refuse(folder, "weights.bin and its index differ in size", fmt::format("{} of {} bytes", at, bytes.size()));
  if (core::sha256(bytes.data(), bytes.size()) != index.at("sha256").get<std::string>())
    refuse(folder, "weights.bin does not have the index's SHA-256");
  out.training = index.value("training", json::object());
  return out;
}

}  // namespace

void writeWeights(const Weights& weights, const std::string& folder) {
  std::string bytes;
  json entries = json::array();
  for (const Tensor& tensor : weights.network.tensors) {
    entries.push_back({{"name", tensor.name}, {"shape", tensor.shape}, {"offset_bytes", bytes.size()}});
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
  }
  const json index = {{"format", "osteoforge weights 1"},
                      {"architecture", weights.network.architecture},
                      {"settings", weights.network.settings},
                      {"tensors", entries},
                      {"sha256", core::sha256(bytes.data(), bytes.size())},
                      {"training", weights.training}};
  core::writeFile(bytesOf(folder), bytes);
  core::writeFile(indexOf(folder), index.dump(1) + "\n");
}

Weights readWeights(const std::string& folder, const std::string& architecture) {
  core::requireInput(folder, true);
  const std::string text = core::readFile(indexOf(folder), kMaxIndexBytes);
  const std::string bytes = core::readFile(bytesOf(folder), kMaxBytes);
  const json index = core::parseJson(text, core::baseName(folder) + "/index.json", Exit::DataError);
  try {
    if (index.at("format") != "osteoforge weights 1") refuse(folder, "these are no weights of a network");
    const std::string found = index.at("architecture").get<std::string>();
    if (!architecture.empty() && found != architecture) {
      throw Error(Exit::DataError, {.what = "these are weights of another network",
                                    .file = core::baseName(folder),
                                    .expected = architecture,
                                    .got = found});
    }
    return parse(index, bytes, folder);
  } catch (const json::exception&) {
    refuse(folder, "index.json lacks a part, or has one of another kind");
  }
}

const Tensor& tensorNamed(const Network& network, const std::string& name) {
  const auto found = std::find_if(network.tensors.begin(), network.tensors.end(),
                                  [&](const Tensor& tensor) { return tensor.name == name; });
  if (found == network.tensors.end())
    throw core::Error(core::Exit::DataError, {.what = "the weights lack the tensor " + name});
  return *found;
}

void requireSettings(const Network& network, const std::string& folder, const std::vector<Bound>& bounds) {
  for (const Bound& bound : bounds) {
    const auto found = network.settings.find(bound.name);
    if (found == network.settings.end()) refuse(folder, "a setting of the network is missing", bound.name);
    if (found->second < bound.min || found->second > bound.max)
      refuse(folder, "a setting of the network is out of bounds", fmt::format("{} {}", bound.name, found->second));
  }
}

}  // namespace osteo::learn
