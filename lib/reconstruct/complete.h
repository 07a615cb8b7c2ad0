#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "learn/weights.h"
#include "reconstruct/defect.h"
#include "reconstruct/flap.h"
#include "reconstruct/mirror.h"
#include "reconstruct/rim.h"
#include "reconstruct/shape_fit.h"

namespace osteo::reconstruct {

struct CompletionOptions {
  std::string method = "auto";  ///< auto, mirror, shape, rim or network
  PieceOptions piece;
  double closing_mm = 3.0;  ///< pores and seams of the bone up to twice this width count as bone
  std::optional<ShapeModel> prior = {};
  std::optional<learn::Weights> network = {};
  double length_mm = 0;  ///< of the whole bone when it is known; 0: unknown
};

/// How one method did on the rim.
struct Trial {
  std::string method;
  std::string failure;  ///< why it gave nothing; empty when it did
  RimFit rim;
  Candidate piece;
  double open_share = 0;  ///< of the piece's edge: ends in the open instead of at the host
};

struct CompletionReport {
  std::string method;            ///< the one that was taken
  std::vector<Trial> trials;     ///< in the order tried; their fields are empty but for the numbers
  double expected_error_mm = 0;  ///< RMS on a hidden ring, or the posterior's standard deviation in the piece
  PieceMeasures piece;
  double free_share = 0, rim_step_mm = 0, rim_step_p95_mm = 0;
  std::optional<Mirrored> mirror;
  std::optional<ShapePosterior> shape;
  std::optional<Flap> flap;  ///< what was left out of the bone, as it lay in the hole
};

/// The missing piece: every method proposes a whole bone, the rim bends it into place, what the host lacks in its hole
/// is the piece. `auto` takes the method that misses a hidden ring of the rim least among those that close the hole;
/// the network, which can't be kept from seeing the ring, is taken only by name. `seen` is the frame of the image. The
/// piece doesn't overlap the bone. Where no method finds a hole, a bone flap that was put back loosely is looked for:
/// the hole is then the flap with the gap around it, and the bone is the one in report.flap. Throws DataError with
/// every method's reason when none finds a piece.
levelset::LevelSet complete(const levelset::LevelSet& bone, const image::Frame& seen, const CompletionOptions& options,
                            CompletionReport& report);

}  // namespace osteo::reconstruct
