#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/app.h"

namespace osteo::cli {

/// What the command line asks for.
struct Request {
  std::string immediate;  ///< one of switches() (help, version, …) or ""; dump-config is answered after merging
  std::string config_path;
};

/// Parses the words after the job's name into JSON values of the given flags only. Throws Usage with "did you mean".
Request parseWords(const App& app, const Job& job, const std::vector<std::string>& words, nlohmann::json& given);

/// The job that the first word names, which `words` loses; one that has its own name among its options, where that
/// option is given; or the one without a name.
/// Returns null when a many-job app is asked for its own help or version.
const Job* chooseJob(const App& app, std::vector<std::string>& words);

}  // namespace osteo::cli
