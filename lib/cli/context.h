#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/app.h"

namespace osteo::cli {

/// What a running job sees: validated parameters, inputs, atomic outputs and the record's results.
/// Names are the table's (with `-`). Asking for a name that is not in the table is a bug (exit 70).
class Context {
 public:
  Context(const App& app, const Job& job, nlohmann::json parameters);
  ~Context();

  bool given(const std::string& name) const;    ///< neither absent nor null
  bool changed(const std::string& name) const;  ///< differs from the default
  bool flag(const std::string& name) const;
  long long integer(const std::string& name) const;
  double number(const std::string& name) const;
  std::optional<double> maybe(const std::string& name) const;  ///< a number that may be absent
  std::vector<double> numbers(const std::string& name) const;
  std::string text(const std::string& name) const;  ///< also choices
  std::vector<std::string> texts(const std::string& name) const;
  unsigned long long seed() const;

  /// Throws Usage when one of these parameters differs from its default: "--name <why>".
  void refuse(const std::vector<std::string>& names, const std::string& why) const;

  /// Path of an input file or folder after a check that it can be read (exit 66); empty when not given.
  std::string input(const std::string& name) const;
  std::vector<std::string> inputs(const std::string& name) const;

  /// Opens the named output for atomic writing and returns the temporary path to write to (same ending); empty when not
  /// given. Exit 73 when it exists without --force. Committed by finish(), in the order of the calls.
  std::string output(const std::string& name);
  /// The same for a folder.
  std::string outputFolder(const std::string& name);
  /// The same for an explicit path that comes out of a parameter (such as name=path lists).
  std::string outputPath(const std::string& path);
  /// The final path of an output, for names inside files; never write to it.
  std::string finalPath(const std::string& name) const;

  /// The record's stage results; numbers carry their unit in the key.
  nlohmann::json& results();

  /// True under --dry-run: call it after validating inputs and before the work, with the estimated peak memory.
  bool dryRun(double estimated_peak_bytes);

  /// A file an app wants as the whole of stdout's data (inspect, compare): printed at the end.
  void print(const std::string& text_for_stdout);

  /// `compare` alone: ends with exit code 1 after everything was printed.
  void differs();

  /// Commits outputs, then writes the run record: beside the main output (the first that was opened), as the main
  /// output itself when that is .json, or in the folder as record.json. Returns the exit code. Called by main().
  int finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace osteo::cli
