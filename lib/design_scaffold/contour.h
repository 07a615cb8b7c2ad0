#pragma once
#include <optional>

#include "design_scaffold/envelope.h"

namespace osteo::design_scaffold {

/// How flush the outer surface is with the bone around it.
struct ContourStep {
  double p50_mm = 0, p95_mm = 0;  ///< of the step's size around the rim
  int points = 0;
};

/// The step between the outer surfaces of the envelope's defect and its host, around the rim: both are followed
/// from 1.5 to 3 mm beside the gap and carried on in straight lines to its middle. `outward` is the side on which they
/// are compared. None where host and defect nowhere lie side by side.
std::optional<ContourStep> contourStep(const Envelope& envelope, const Eigen::Vector3d& outward);

/// The envelope's defect with its outer surface raised or lowered to meet the host's around the rim, by 1.5 mm at most,
/// fading out over 8 mm. What is flush already stays as it is.
levelset::LevelSet flushed(const Envelope& envelope, const Eigen::Vector3d& outward);

/// The envelope's defect with crevices up to 1.5 mm wide between it and the host filled, where both face each other.
levelset::LevelSet seamFilled(const Envelope& envelope);

}  // namespace osteo::design_scaffold
