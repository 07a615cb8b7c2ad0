#pragma once
#include <optional>
#include <vector>

#include "reconstruct/host.h"
#include "reconstruct/whole.h"

namespace osteo::reconstruct {

/// Where to look: on `grid`, within the image's frame `seen`.
struct Field {
  image::Frame grid, seen;
};

/// What counts as a missing piece.
struct PieceOptions {
  double opening_mm = 1.5;                      ///< parts thinner than twice this are slivers of asymmetry
  double min_piece_mm3 = 500;                   ///< smaller parts are not considered
  double least_free_share = 0.35;               ///< see Candidate; 0 for a bone whose end is missing
  std::optional<Eigen::Vector3d> defect_at_mm;  ///< takes the piece nearest to this point instead of the most plausible
};

/// One connected part of the proposed bone that the host lacks.
struct Candidate {
  double volume_mm3 = 0;
  double free_share = 0;  ///< of the piece: nothing of the host in front of and behind it
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero(), min_mm, max_mm;
  std::vector<std::int64_t> voxels;
  image::CtVolume distance;  ///< signed, to this piece alone; filled for the chosen one
};

/// The parts of a field below 0 that hang together over voxel faces, with their voxels and volume.
std::vector<Candidate> connectedParts(const image::CtVolume& field, double min_mm3);

/// The part of a grid around a piece.
image::Frame around(const image::Frame& grid, const Candidate& piece, double margin_mm);

/// All parts on `grid` that are thick and large enough and within `seen`.
std::vector<Candidate> findCandidates(const Host& host, const Whole& whole, const Field& field,
                                      const PieceOptions& options);

/// The piece with the thin bone around it that lies in the same hole, or at the edge of a piece that needs no hole;
/// opening has cut that off.
Candidate grown(const Host& host, const Whole& whole, const Field& field, const Candidate& piece,
                const PieceOptions& options);

/// The most plausible one: the largest that lies in a hole of the host; or the one nearest to options.defect_at_mm,
/// of several that it touches the largest.
/// Throws DataError when none lies in a hole.
Candidate choose(const std::vector<Candidate>& candidates, const PieceOptions& options);

}  // namespace osteo::reconstruct
