#pragma once
#include <string>
#include <vector>

namespace osteo::core {

enum class Level { Debug, Info, Warning, Error, Off };

/// Sets what reaches stderr, and an optional JSON-lines file that takes everything from debug on.
void configureLog(Level stderr_level, const std::string& jsonl_path = {});

void debug(const std::string& message);
void info(const std::string& message);
/// A warning is also kept for the run record.
void warn(const std::string& message);
void error(const std::string& message);

/// All warnings of this process so far, in order.
std::vector<std::string> warnings();

}  // namespace osteo::core
