#include "cli/common.h"

#include <algorithm>

namespace osteo::cli {

std::vector<Parameter> commonParameters() {
  return {
      flag("force", "replace outputs that exist"),
      flag("dry-run", "check the inputs, print the parameters and the estimated peak memory, write nothing"),
      Parameter{.name = "threads",
                .type = Type::Integer,
                .help = "number of threads; by default all that this process may use",
                .range = {1, 1024}},
      integer("seed", "", 0, {0, 9007199254740991.0}, "seed of everything random").advanced(),
      flag("quiet", "only warnings and errors on stderr"),
      flag("verbose", "more talk on stderr"),
      flag("debug", "all talk on stderr"),
      outputOption("log", {".jsonl"}, "write all messages as JSON lines").advanced(),
      choice("progress", {"auto", "bar", "lines", "none", "slicer"}, "auto", "how progress is shown on stderr")
          .advanced(),
  };
}

std::vector<Parameter> allParameters(const Job& job) {
  std::vector<Parameter> all = job.parameters;
  for (Parameter& p : commonParameters()) all.push_back(std::move(p));
  return all;
}

const std::vector<Switch>& switches() {
  static const std::vector<Switch> kSwitches = {
      {"help", "print this page"},
      {"version", "print version and commit"},
      {"schema", "print the JSON Schema (draft-07) of --config files"},
      {"xml", "print the Slicer Execution Model description"},
      {"dump-config", "print the merged parameters (default < --config < flags) as JSON"},
      {"completion", "print a bash completion script"},
      {"man", "print the manual page (roff)"},
      {"guide", "print the head of the guide's page (Markdown)"},
  };
  return kSwitches;
}

std::string keyOf(const std::string& name) {
  std::string key = name;
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::string commandOf(const App& app, const Job& job) {
  return job.name.empty() ? app.name : app.name + " " + job.name;
}

}  // namespace osteo::cli
