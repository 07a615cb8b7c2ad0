#pragma once
#include <vector>

#include "reconstruct/host.h"
#include "reconstruct/mirror.h"

namespace osteo::reconstruct {

/// The mirrored copy: reflected, then moved by the local fit.
struct Mirrored {
  registration::SymmetryPlane plane;
  Eigen::Isometry3d local = Eigen::Isometry3d::Identity();
};

/// Where to look: on `grid`, within the image's frame `seen`.
struct Field {
  image::Frame grid, seen;
};

/// One connected part of mirrored bone that the host lacks.
struct Candidate {
  double volume_mm3 = 0;
  double free_share = 0;  ///< see MirrorReport
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero(), min_mm, max_mm;
  std::vector<std::int64_t> voxels;
  image::CtVolume distance;  ///< signed, to this piece alone; filled for the chosen one
};

/// The part of a grid around a piece.
image::Frame around(const image::Frame& grid, const Candidate& piece, double margin_mm);

/// All parts on `grid` that are thick and large enough and within `seen`.
std::vector<Candidate> findCandidates(const Host& host, const Mirrored& mirrored, const Field& field,
                                      const MirrorOptions& options);

/// The piece with the thin bone around it that lies in the same hole; opening has cut that off.
Candidate grown(const Host& host, const Mirrored& mirrored, const Field& field, const Candidate& piece);

/// The most plausible one: the largest that lies in a hole of the host; or the one nearest to options.defect_at_mm.
/// Throws DataError when none lies in a hole.
Candidate choose(const std::vector<Candidate>& candidates, const MirrorOptions& options);

}  // namespace osteo::reconstruct
