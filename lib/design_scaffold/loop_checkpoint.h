#pragma once
#include <string>
#include <vector>

#include "design_scaffold/density_model.h"
#include "design_scaffold/search.h"

namespace osteo::design_scaffold {

/// All that a case's displacements depend on, for the key of a task.
std::string keyOf(const DesignCase& design_case);

/// The designs that a loop has tried, in a file, so that one that was stopped goes on after the last of them. The file
/// knows its task by a key; one of another task is ignored with a warning. An empty path does nothing at all.
class LoopCheckpoint {
 public:
  /// `task` is everything that the designs depend on.
  LoopCheckpoint(std::string path, const std::string& task);
  /// The designs of before, without their verdicts; none from a file that was damaged since.
  std::vector<Tried> read() const;
  /// Throws IoError.
  void write(const std::vector<Tried>& tried) const;
  /// Removes the file.
  void finish() const;

 private:
  std::string path_, key_;
};

}  // namespace osteo::design_scaffold
