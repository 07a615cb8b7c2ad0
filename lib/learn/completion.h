#pragma once
#include <optional>
#include <string>

#include "image/volume.h"
#include "learn/weights.h"

/// The missing part of a bone by a network that has seen many bones with and without defects.
namespace osteo::learn {

struct CompletionOptions {
  /// Middle of the hole, LPS, right within about 16 mm. Without it the largest missing piece is looked for in
  /// overlapping patches over the whole bone.
  std::optional<Eigen::Vector3d> defect_at_mm = {};
};

/// Weights of `train completion` (architecture residual-unet). Throws NoInput, DataError.
Weights readCompletion(const std::string& folder);

/// Signed distance of the completed bone in mm (negative inside, clamped to ±6) on cubic voxels of 2 mm whose centres
/// lie at integer multiples of 2 mm along LPS and that cover `distance_mm`, which makes it fit for
/// levelset::fromSamples. `distance_mm` holds signed distances of the damaged bone on any grid with steps of at most 2
/// mm; only its values near zero count. `mirrored_mm` holds those of its reflection about the plane of symmetry, in the
/// same place; null without one: the piece is then a mere continuation. One patch of 64 voxels (128 mm) about the hole
/// is completed and fades into the rest, where nothing changes; bone is only ever added. For a second hole call again
/// with its place. The missing piece is what is inside the result and outside `distance_mm`. Equal threads give equal
/// bytes. Throws DataError for a grid turned against the axes or coarser than 2 mm, Unavailable without the module.
image::CtVolume completeBone(const Weights& weights, const image::CtVolume& distance_mm,
                             const image::CtVolume* mirrored_mm, const CompletionOptions& options);

/// Runs the network on prepared patches: channels damaged and mirrored of kPatch³ values in units of kReach_mm (1
/// everywhere for no mirrored copy). Corrections below half a millimetre are dropped, as the damaged bone knows better.
std::vector<float> completePatch(const Network& network, const std::vector<float>& damaged,
                                 const std::vector<float>& mirrored);

}  // namespace osteo::learn
