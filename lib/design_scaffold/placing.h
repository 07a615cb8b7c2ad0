#pragma once
#include <vector>

#include "design_scaffold/screws.h"

namespace osteo::design_scaffold {

/// A line on the surface that flange or plate follow, with outer normals.
struct Strip {
  std::vector<Eigen::Vector3d> points_mm, normals;
};

/// Where screws go and what carries them.
struct Placing {
  std::vector<Screw> screws;
  std::vector<Strip> strips;  ///< from inside the defect over the rim to a screw each, or the plate's one line
  std::optional<Stem> stem;   ///< of a nail
  Tally tally;
  double turned_deg = 0;  ///< of plate or cross screws around the bone, against the wanted side
};

/// Tabs spread evenly along the defect's rim as seen against the way in, each moved along it and off it to where its
/// screw holds. Throws DataError.
Placing placeFlanges(const ScrewTrials& trials);

/// A plate over both stumps, on the wanted side or up to 30 degrees beside it; screws from the cut outwards as near to
/// each other as they may be. Throws DataError.
Placing placePlate(const ScrewTrials& trials);

/// A straight nail along the axis of both stumps with cross screws from the wanted side, or turned around the nail.
/// Throws DataError.
Placing placeNail(const ScrewTrials& trials);

}  // namespace osteo::design_scaffold
