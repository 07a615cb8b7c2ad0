#include "simulate/document.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/schema.h"

namespace osteo::simulate {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {
constexpr int kDeepestInclude = 4;

json parse(const std::string& path) {
  return core::parseJson(core::readFile(path, std::size_t{1} << 26), path, core::Exit::Config, true);
}

json read(const std::string& path, const std::string& kind, const json& schema, int depth) {
  json document = parse(path);
  core::validateJson(schema, document, path, core::Exit::Config);
  if (!document.contains("include")) return document;
  if (depth == kDeepestInclude)
    throw core::Error(core::Exit::Config, {.what = "includes itself, or too many files in a row", .file = path});
  const std::string name = document["include"];
  fs::path included = fs::path(path).parent_path() / name;
  if (!fs::exists(included)) included = fs::path(core::configsFolder()) / kind / name;
  json merged = read(included.string(), kind, schema, depth + 1);
  document.erase("include");
  merged.merge_patch(document);
  return merged;
}
}  // namespace

json readDocument(const std::string& path, const std::string& kind) {
  return read(path, kind, parse((fs::path(core::configsFolder()) / "schema" / (kind + ".json")).string()), 0);
}

}  // namespace osteo::simulate
