#pragma once
#include <string>
#include <vector>

#include "cli/app.h"
#include "core/names.h"

namespace osteo::cli {

/// Rows that every job has and that count as parameters (they may stand in --config and are recorded).
std::vector<Parameter> commonParameters();
/// The job's rows followed by the common ones.
std::vector<Parameter> allParameters(const Job& job);
/// JSON key of a long option: `_` for `-`.
std::string keyOf(const std::string& name);
using core::didYouMean;
/// "app" or "app job".
std::string commandOf(const App& app, const Job& job);

/// Switches that answer at once or steer the talk; they are no parameters.
struct Switch {
  const char* name;
  const char* help;
};
const std::vector<Switch>& switches();

}  // namespace osteo::cli
