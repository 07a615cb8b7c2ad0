#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace osteo::simulate {

/// Parses a JSON document (comments allowed), merges it over the one its "include" names (beside it, else in the
/// configs folder's `kind`), and validates both against configs/schema/<kind>.json. Throws NoInput, Config.
nlohmann::json readDocument(const std::string& path, const std::string& kind);

}  // namespace osteo::simulate
