#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/error.h"

namespace osteo::core {

/// Validates a JSON document against a JSON Schema (draft-07); the first violation is thrown as an Error of the given
/// code that names the place in the document.
void validateJson(const nlohmann::json& schema, const nlohmann::json& document, const std::string& file, Exit code);

/// Folder of the installed or checked-out configs (schemas, materials, presets): OSTEO_CONFIGS, else beside the
/// executable's prefix, else of the checkout that was built. Throws Unavailable.
std::string configsFolder();

}  // namespace osteo::core
