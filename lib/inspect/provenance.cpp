#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "inspect/describe.h"
#include "inspect/parse.h"

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

namespace osteo::inspect {
namespace {

constexpr std::uintmax_t kLargestRecord = 16 << 20;
constexpr std::size_t kMostRecords = 200;  // that are opened to find the one that names a file

/// The record at that path, null when there is none.
json recordAt(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kLargestRecord) return nullptr;
  json document = json::parse(core::readFile(path.string()), nullptr, false);
  return isRecord(document) ? document : json();
}

/// The entry of a record's results that bears the name, null when there is none.
json resultNamed(const json& record, const std::string& name) {
  for (const auto& entry : record["result"])
    if (entry.is_object() && entry.value("name", "") == name) return entry;
  return nullptr;
}

/// The files in which a record of `path` may stand, the likeliest first.
std::vector<fs::path> candidates(const fs::path& path) {
  if (fs::is_directory(path)) return {path / "record.json"};
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<fs::path> result = {path.string() + ".json", folder / "record.json"};
  std::vector<fs::path> others;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; it != end && others.size() < kMostRecords; it.increment(error))
    if (it->path().extension() == ".json") others.push_back(it->path());
  std::sort(others.begin(), others.end());
  result.insert(result.end(), others.begin(), others.end());
  return result;
}

}  // namespace

ordered_json provenance(const std::string& path, const std::string& sha256) {
  const std::string name = core::baseName(path);
  for (const auto& candidate : candidates(path)) {
    const json record = recordAt(candidate);
    if (record.is_null()) continue;
    const json entry = resultNamed(record, name);
    const bool of_folder = fs::is_directory(path);
    if (entry.is_null() && !of_folder) continue;
    ordered_json result;
    result["record"] = candidate.filename().string();
    for (const char* key : {"name", "version", "commit"})
      if (record["instrument"].contains(key))
        result[key == std::string("name") ? "tool" : key] = record["instrument"][key];
    if (record.contains("seed")) result["seed"] = record["seed"];
    result["inputs"] = record.value("object", json::array());
    if (entry.is_object() && entry.contains("sha256")) result["sha256_matches_record"] = entry["sha256"] == sha256;
    if (record.contains("warnings") && !record["warnings"].empty()) result["warnings"] = record["warnings"];
    return result;
  }
  return nullptr;
}

}  // namespace osteo::inspect
