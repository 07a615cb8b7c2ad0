#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/error.h"

namespace osteo::core {

/// Parses a JSON document (RFC 8259; // and /* */ where `comments` says so). What is no JSON is thrown as an Error of
/// the given code that names line and column in bytes from 1, what was expected there and what stands there.
nlohmann::json parseJson(const std::string& text, const std::string& file, Exit code, bool comments = false);

}  // namespace osteo::core
