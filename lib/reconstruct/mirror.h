#pragma once
#include <optional>

#include "image/volume.h"
#include "levelset/level_set.h"
#include "registration/symmetry.h"

namespace osteo::reconstruct {

struct MirrorOptions {
  double opening_mm = 1.5;  ///< parts thinner than twice this are slivers of asymmetry
  double closing_mm = 3.0;  ///< pores and seams of the bone up to twice this width count as bone
  double min_piece_mm3 = 500;
  std::optional<Eigen::Vector3d>
      defect_at_mm;  ///< takes the piece nearest to this point instead of the most plausible one
};

struct MirrorReport {
  registration::SymmetryPlane plane;
  int candidates = 0;
  double volume_mm3 = 0;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  double free_share = 0;   ///< of the piece: nothing of the host in front of and behind it
  double rim_step_mm = 0;  ///< median offset of the mirrored outer surface from the host's around the piece
  double rim_step_p95_mm = 0;
  double local_shift_mm = 0, local_turn_deg = 0;  ///< of the local fit to the rim
};

/// The missing piece as the bone's own mirrored other side minus the bone: the plane is found, the mirrored copy is
/// fitted to the rim around the candidate, and what lies in a hole of the host is kept. `seen` is the frame of the
/// image: where the mirrored bone leaves it, nothing is known to be missing. The piece doesn't overlap the bone. Throws
/// DataError with the reason when there is no plausible piece.
levelset::LevelSet completeByMirror(const levelset::LevelSet& bone, const image::Frame& seen,
                                    const MirrorOptions& options, MirrorReport& report);

}  // namespace osteo::reconstruct
