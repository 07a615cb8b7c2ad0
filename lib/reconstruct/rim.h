#pragma once
#include "reconstruct/pieces.h"
#include "reconstruct/whole.h"

namespace osteo::reconstruct {

/// How far a proposal's surfaces lie from the host's around a hole, and the smooth correction that takes it away.
struct RimFit {
  Whole corrected;
  int points = 0;              ///< of the host's surface that the correction rests on
  double before_mm = 0;        ///< median distance of the proposal from the host's surface on the rim
  double hidden_error_mm = 0;  ///< RMS of the corrected proposal on a ring that the correction has not seen
  double hidden_p95_mm = 0;
  double hidden_width_mm = 0;  ///< width of that ring
  int hidden_points = 0;
};

/// Bends a proposal so that it meets the host's surfaces around the piece: smoothing splines in space (Carr et al.,
/// SIGGRAPH 2001) with an exponential kernel, which fade across the hole, for the outer and the inner surface apart,
/// through the distances measured on the host's surface within 25 mm.
RimFit fitRim(const Host& host, const Whole& whole, const Candidate& piece);

/// Width of the ring of the host's surface that is hidden to judge a method, mm: about half the hole's radius.
double hiddenWidth(const Candidate& piece);

/// The proposal of the rim alone: the radii of the outer and the inner surface about the middle of a sphere through the
/// rim, as thin-plate splines over directions, from the host's surfaces between nearest_mm and 25 mm farther off the
/// piece. Throws DataError when the rim has too few points.
Whole wholeOfRim(const Host& host, const Candidate& piece, double nearest_mm);

/// Errors of a proposal that has not seen the hidden ring, on that ring.
void judgeHidden(const Host& host, const Whole& unseen, const Candidate& piece, RimFit& fit);

}  // namespace osteo::reconstruct
