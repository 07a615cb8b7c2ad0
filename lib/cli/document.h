#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/app.h"

namespace osteo::cli {

/// The parameter document: one JSON object whose keys are the table's.
nlohmann::json defaults(const Job& job);
/// JSON Schema (draft-07) of the document.
nlohmann::json schema(const App& app, const Job& job);
/// Reads a --config file. Throws NoInput; Config for bad JSON or keys.
nlohmann::json readConfig(const Job& job, const std::string& path);
/// One command-line value as JSON, checked strictly (whole numbers, finite numbers, list lengths). Throws Usage.
nlohmann::json parseValue(const Parameter& parameter, const std::vector<std::string>& words);
/// Validates the merged document against schema(). Throws Usage for a missing parameter, Config for a bad value.
void validate(const App& app, const Job& job, const nlohmann::json& document);

}  // namespace osteo::cli
