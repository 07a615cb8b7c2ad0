#include "core/schema.h"

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace fs = std::filesystem;

namespace osteo::core {

void validateJson(const nlohmann::json& schema, const nlohmann::json& document, const std::string& file, Exit code) {
  valijson::Schema parsed;
  const valijson::adapters::NlohmannJsonAdapter schema_adapter(schema);
  valijson::SchemaParser().populateSchema(schema_adapter, parsed);
  valijson::Validator validator;
  valijson::ValidationResults results;
  const valijson::adapters::NlohmannJsonAdapter target(document);
  if (validator.validate(parsed, target, &results)) return;
  valijson::ValidationResults::Error error;
  std::string deepest_place, deepest;
  while (results.popError(error)) {
    std::string place;
    for (const std::string& part : error.context) place += part;
    if (place.size() >= deepest_place.size()) {
      deepest_place = place;
      deepest = error.description;
    }
  }
  const std::string prefix = "<root>";
  if (deepest_place.starts_with(prefix)) deepest_place = deepest_place.substr(prefix.size());
  throw Error(code, {.what = "does not fit its schema" + (deepest_place.empty() ? "" : " at " + deepest_place),
                     .file = file,
                     .got = deepest});
}

std::string configsFolder() {
  std::error_code ignored;
  if (const char* chosen = std::getenv("OSTEO_CONFIGS")) return chosen;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  for (const char* relative : {"../../share/osteoforge/configs", "../../configs", "../../../configs"}) {
    const fs::path candidate = self.parent_path() / relative;
    if (fs::is_directory(candidate, ignored)) return candidate.lexically_normal().string();
  }
#ifdef OSTEO_SOURCE_DIR
  if (fs::is_directory(OSTEO_SOURCE_DIR "/configs", ignored)) return OSTEO_SOURCE_DIR "/configs";
#endif
  throw Error(Exit::Unavailable, {.what = "the configs folder is not found", .hint = "set OSTEO_CONFIGS to it"});
}

}  // namespace osteo::core
