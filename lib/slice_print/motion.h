#pragma once
#include <Eigen/Core>
#include <vector>

namespace osteo::slice_print {

/// A straight move of the nozzle, mm; where only the feed moves, its length stands in `feed_mm`.
struct Move {
  Eigen::Vector3d along = Eigen::Vector3d::Zero();
  double feed_mm = 0;
  double speed_mm_s = 0;
  double acceleration_mm_s2 = 1000;
  double length_mm() const;
};

/// Time of moves one after another from rest to rest: trapezoids of speed with constant acceleration. Between moves the
/// nozzle slows to the speed at which a circle that deviates by kDeviation_mm from the corner can be driven with that
/// acceleration (the planner of Grbl and Marlin, S. K. Jeon 2009); it stops before and after feed alone.
double duration_s(const std::vector<Move>& moves);

constexpr double kDeviation_mm = 0.013;

}  // namespace osteo::slice_print
