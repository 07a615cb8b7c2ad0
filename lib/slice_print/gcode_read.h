#pragma once
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "slice_print/motion.h"

namespace osteo::slice_print {

/// What a job in G-code does, by its own moves.
struct GcodeSums {
  double feed_mm = 0;       ///< E at its furthest: what is retracted and fed again counts once, a last retraction not
  double extruding_mm = 0;  ///< way with feed or with the valve open
  double travel_mm = 0;
  double time_s = 0;        ///< with dwells, without heating and homing
  std::int64_t layers = 0;  ///< new heights at which something is extruded
  std::int64_t retractions = 0, moves = 0;
  Eigen::Vector3d min_mm = Eigen::Vector3d::Constant(1e300), max_mm = -min_mm;  ///< of what is extruded
  std::map<std::string, double> extruding_mm_by_type = {};                      ///< by ;TYPE: comments
};

/// Takes a job in G-code piece by piece (whole lines) and sums its moves. Of Marlin's dialect it knows G0 G1 G4 G28 G90
/// G91 G92, M82 M83, M126 M127, M204, in mm; other commands do not move.
/// Throws DataError (with the line) for arcs, inches, numbers that are none and lines that are no G-code.
class GcodeMeter {
 public:
  GcodeMeter();
  ~GcodeMeter();
  void read(const std::string& lines);
  GcodeSums finish();

 private:
  class Summer;
  std::unique_ptr<Summer> summer_;
};

/// The same of a file, with volume for a filament of that diameter: what inspect prints.
nlohmann::json gcodeRecord(const std::string& path, double filament_mm = 1.75);

}  // namespace osteo::slice_print
