#pragma once
#include <array>
#include <vector>

#include "design_scaffold/screws.h"

namespace osteo::design_scaffold {

/// Distance between the points of a stump's axis.
constexpr double kAxisStep_mm = 2.0;

/// What is left of a bone on one side of a segmental defect: its axis from the cut on.
struct Stump {
  Eigen::Vector3d face_mm;              ///< middle of the cut
  std::vector<Eigen::Vector3d> axis;    ///< middles of sections, kAxisStep_mm apart
  std::vector<Eigen::Vector3d> onward;  ///< unit vectors along the axis, away from the cut
  std::vector<double> radius_mm;        ///< around the axis within which the bone's sections lie
  bool ends = false;                    ///< the bone ended before the wanted length
};

/// The two stumps of a segmental defect, followed over length_mm: where the defect touches the host, in two places.
/// Throws DataError when there are no two.
std::array<Stump, 2> findStumps(const ScrewTrials& trials, double length_mm);

/// Unit vector across an axis nearest to a wish; none where the wish runs along the axis (nearer than 30 degrees).
std::optional<Eigen::Vector3d> sideOf(const Eigen::Vector3d& axis, const Eigen::Vector3d& wish);

}  // namespace osteo::design_scaffold
