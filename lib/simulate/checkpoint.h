#pragma once
#include <string>

#include "simulate/conditions.h"

namespace osteo::simulate {

/// Displacements of an unfinished solve in a file, so that a job that was stopped goes on where it was. The file knows
/// its model and load case by a hash; one of another problem is ignored with a warning.
class Checkpoint {
 public:
  /// Saves at most every `interval_s`. An empty path does nothing at all.
  Checkpoint(std::string path, double interval_s) : path_(std::move(path)), interval_s_(interval_s) {}
  bool isOn() const { return !path_.empty(); }
  /// Names the problem that is solved next, and reads what there is of it: iterations done before, 0 for none.
  int begin(const VoxelModel& model, const Conditions& conditions, Field& u);
  /// Keeps the displacements when the interval is over. Throws IoError.
  void watch(const Field& u, int iterations);
  /// Removes the file.
  void finish();

 private:
  std::string path_, key_;
  double interval_s_;
  double last_s_ = 0;
  int before_ = 0;
};

}  // namespace osteo::simulate
