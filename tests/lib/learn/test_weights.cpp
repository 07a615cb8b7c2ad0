#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "learn/completion.h"
#include "learn/weights.h"

using namespace osteo;
using nlohmann::json;

namespace {

/// A folder that goes away again.
struct Folder {
  Folder() : path((std::filesystem::temp_directory_path() / ("osteo_weights_" + std::to_string(::getpid()))).string()) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

learn::Weights sample() {
  learn::Weights out;
  out.network = {"implicit-mlp", {{"width", 3}}, {{"a", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"b", {1}, {-0.5F}}}};
  out.training["seed"] = 7;
  return out;
}

json indexOf(const Folder& folder) { return json::parse(core::readFile(folder.path + "/index.json")); }
void putIndex(const Folder& folder, const json& index) { core::writeFile(folder.path + "/index.json", index.dump()); }

core::Exit codeOf(const Folder& folder, const std::string& architecture = "implicit-mlp") {
  try {
    learn::readWeights(folder.path, architecture);
  } catch (const core::Error& e) {
    return e.code();
  }
  return core::Exit::Ok;
}

}  // namespace

TEST_CASE("weights come back as they were written, and twice the same bytes") {
  const Folder folder;
  learn::writeWeights(sample(), folder.path);
  const std::string index = core::readFile(folder.path + "/index.json"),
                    bytes = core::readFile(folder.path + "/weights.bin");
  CHECK(bytes.size() == 7 * sizeof(float));
  const learn::Weights back = learn::readWeights(folder.path, "implicit-mlp");
  REQUIRE(back.network.tensors.size() == 2);
  CHECK(back.network.tensors[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK(back.network.tensors[0].values == sample().network.tensors[0].values);
  CHECK(back.network.settings == sample().network.settings);
  CHECK(back.training == sample().training);
  learn::writeWeights(back, folder.path);
  CHECK(core::readFile(folder.path + "/index.json") == index);
}

TEST_CASE("hostile weights are refused before anything is allocated") {
  const Folder folder;
  learn::writeWeights(sample(), folder.path);
  CHECK(codeOf(folder) == core::Exit::Ok);
  CHECK(codeOf(folder, "residual-unet") == core::Exit::DataError);
  const json good = indexOf(folder);
  const auto refused = [&](const char* pointer, const json& value) {
    json bad = good;
    bad[json::json_pointer(pointer)] = value;
    putIndex(folder, bad);
    INFO(pointer << " = " << value.dump());
    CHECK(codeOf(folder) == core::Exit::DataError);
  };
  refused("/tensors/0/shape", {1LL << 40, 1LL << 40});
  refused("/tensors/0/shape", {-2, -3});
  refused("/tensors/0/shape", {0});
  refused("/tensors/0/shape", {2, 4});
  refused("/tensors/0/shape", json::array({1, 1, 1, 1, 1, 1, 1, 2, 3}));
  refused("/tensors/1/offset_bytes", 0);
  refused("/tensors/1/offset_bytes", -4);
  refused("/tensors/0/name", 3);
  refused("/sha256", "00");
  refused("/settings/width", "wide");
  refused("/format", "pickle");
  refused("/tensors", json::object());
  refused("/architecture", nullptr);
  json bad = good;
  bad.erase("tensors");
  putIndex(folder, bad);
  CHECK(codeOf(folder) == core::Exit::DataError);
  core::writeFile(folder.path + "/index.json", "{\"format\": ");
  CHECK(codeOf(folder) == core::Exit::DataError);
}

TEST_CASE("weights.bin must be whole and finite") {
  const Folder folder;
  learn::Weights weights = sample();
  learn::writeWeights(weights, folder.path);
  std::filesystem::resize_file(folder.path + "/weights.bin", 20);
  CHECK(codeOf(folder) == core::Exit::DataError);
  std::filesystem::resize_file(folder.path + "/weights.bin", 32);
  CHECK(codeOf(folder) == core::Exit::DataError);
  weights.network.tensors[1].values[0] = std::nanf("");
  learn::writeWeights(weights, folder.path);
  CHECK(codeOf(folder) == core::Exit::DataError);
  std::filesystem::remove(folder.path + "/weights.bin");
  CHECK(codeOf(folder) == core::Exit::NoInput);
}

TEST_CASE("settings outside of what the reader can build are refused") {
  const Folder folder;
  learn::Weights weights = sample();
  weights.network.architecture = "residual-unet";
  weights.network.settings = {{"channels", 2}, {"size", 1e9}, {"base", 8}, {"levels", 3}};
  learn::writeWeights(weights, folder.path);
  CHECK_THROWS_AS(learn::readCompletion(folder.path), core::Error);
  weights.network.settings.erase("size");
  learn::writeWeights(weights, folder.path);
  CHECK_THROWS_AS(learn::readCompletion(folder.path), core::Error);
}
