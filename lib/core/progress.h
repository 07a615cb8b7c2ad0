#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace osteo::core {

enum class ProgressStyle { Auto, Bar, Lines, None, Slicer };

/// Chooses how progress is shown on stderr: a bar with time left on a terminal, else at most one line per 10 % or 30 s.
void configureProgress(ProgressStyle style);

/// Shows the progress of one step with a known number of units; advance() may be called from any thread.
/// The wall time of the step, from construction to destruction, goes into the run record's execution block.
class Progress {
 public:
  Progress(const std::string& step, std::int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance(std::int64_t units = 1);
  void set(std::int64_t done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace osteo::core
