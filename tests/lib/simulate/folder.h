#pragma once
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace osteo::simulate::test {

/// A fresh folder, removed at the end, for what a study reads.
struct Folder {
  std::filesystem::path path;
  Folder() {
    path = std::filesystem::temp_directory_path() / ("osteo_simulate_" + std::to_string(::getpid()));
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator()(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, const nlohmann::json& document) const {
    std::ofstream(path / name) << document.dump();
    return (*this)(name);
  }
};

}  // namespace osteo::simulate::test
