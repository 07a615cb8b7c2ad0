#pragma once
#include "design_scaffold/placing.h"

namespace osteo::design_scaffold {

/// Flanges, plate or nail as a level set. Strips lie on host and defect, thickness_mm above the gap, and reach into the
/// defect with a fillet around them, so that both are one body; what lies nearer to the host than the clearance is left
/// out. A nail is a bar with round ends.
levelset::LevelSet makeCarrier(const ScrewTrials& trials, const Placing& placing);

/// Shafts wider than the thread by 0.2 mm, from the tip to the head's countersink of 90 degrees, and the head's
/// cylinder above it, so that a screwdriver reaches in; a nail's holes are shafts alone.
levelset::LevelSet makeHoles(const ScrewTrials& trials, const Placing& placing);

/// Cylinders within the carrier, 1 mm wider all around than the heads.
levelset::LevelSet makeCollars(const ScrewTrials& trials, const Placing& placing);

/// The nail grown by the clearance; none without a nail.
std::optional<levelset::LevelSet> makeBed(const ScrewTrials& trials, const Placing& placing);

}  // namespace osteo::design_scaffold
