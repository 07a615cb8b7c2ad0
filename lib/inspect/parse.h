#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

/// Small readers that several files of this folder share.
namespace osteo::inspect {

/// The first bytes of a file. Throws NoInput, DataError when the file is empty.
std::string readHead(const std::string& path, std::size_t bytes);

/// Throws DataError for what is no JSON.
nlohmann::json readJson(const std::string& path);
bool isRecord(const nlohmann::json& document);

struct Pixels {
  std::uint32_t width = 0, height = 0;
  std::vector<std::uint8_t> rgba;
};
/// Throws DataError for a damaged or huge PNG.
Pixels readPixels(const std::string& path);

}  // namespace osteo::inspect
