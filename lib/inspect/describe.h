#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace osteo::inspect {

/// What a file holds: file, kind, bytes, sha256, frame, statistics and provenance (from the run record beside it).
/// Numbers carry their unit in the key. Throws NoInput and DataError as the file's reader does.
nlohmann::ordered_json describe(const std::string& path);

/// Where a file comes from, by the record `path`.json, record.json or another record in its folder that names it: tool,
/// version, seed, inputs with their hashes, and whether the file's SHA-256 is still the recorded one. Null without a
/// record.
nlohmann::ordered_json provenance(const std::string& path, const std::string& sha256);

/// The same as indented lines for people.
std::string asText(const nlohmann::ordered_json& description);

}  // namespace osteo::inspect
