#pragma once
#include <optional>

#include "design_scaffold/envelope.h"

namespace osteo::design_scaffold {

/// How flush the outer surface is with the bone around it.
struct ContourStep {
  double p50_mm = 0, p95_mm = 0;  ///< of the step's size around the rim
  int points = 0;
};

/// The step between the outer surfaces of the envelope's defect and its host, around the rim: lines through both from 1
/// to 4 mm beside the gap are carried on to its middle, and their difference is the median of those within 2 mm.
/// `outward` is the side on which they are compared. None where host and defect nowhere lie side by side.
std::optional<ContourStep> contourStep(const Envelope& envelope, const Eigen::Vector3d& outward);

/// A defect whose outer surface is raised or lowered to meet the host's around the rim, by 1.5 mm at most, fading out
/// over 8 mm, and whose crevices to the host, up to 1.5 mm wide where both face each other, are filled. What fits
/// already stays as it is.
levelset::LevelSet fittedTo(const levelset::LevelSet& host, const levelset::LevelSet& defect,
                            const Clearance& clearance, const Eigen::Vector3d& outward);

}  // namespace osteo::design_scaffold
