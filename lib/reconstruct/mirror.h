#pragma once
#include "reconstruct/pieces.h"
#include "registration/symmetry.h"

namespace osteo::reconstruct {

/// The bone's own other side as a proposal.
struct Mirrored {
  registration::SymmetryPlane plane;
  Whole whole;      ///< reflected, then moved by a small rigid fit to the rim
  Candidate piece;  ///< what it adds in the hole
  int candidates = 0;
  double local_shift_mm = 0, local_turn_deg = 0;  ///< of the fit to the rim
};

/// Finds the plane, the hole and the fit of the reflected bone to the hole's rim. `seen` is the frame of the image:
/// where the reflected bone leaves it, nothing is known to be missing. Throws DataError with the reason when there is
/// no plane or no plausible piece.
Mirrored proposeMirror(const levelset::LevelSet& bone, const Host& host, const image::Frame& seen,
                       const PieceOptions& options);

}  // namespace osteo::reconstruct
