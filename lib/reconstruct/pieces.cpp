#include "reconstruct/pieces.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

constexpr float kFar = 1e3F;

/// Walks from p along a direction out of the piece; true when it meets no host bone in the next few millimetres.
bool freeAlong(const Host& host, const image::CtVolume& mirrored, const Eigen::Vector3d& p,
               const Eigen::Vector3d& direction) {
  constexpr double kClearance_mm = 4, kMost_mm = 20;
  double outside = 0;
  for (double t = 0.5; t < kMost_mm && outside < kClearance_mm; t += 0.5) {
    const Eigen::Vector3d q = p + t * direction;
    if (image::sampleLinear(host.closed, host.closed.frame.toIndex(q), kFar) < 0) return false;
    outside += image::sampleLinear(mirrored, mirrored.frame.toIndex(q), kFar) > 0 ? 0.5 : 0;
  }
  return true;
}

bool freeOnBothSides(const Host& host, const image::CtVolume& mirrored, const Eigen::Vector3d& p) {
  const Eigen::Vector3d gradient = registration::gradientAt(mirrored, p, kFar);
  if (gradient.norm() < 0.5) return true;  // the middle of the shell has no side; its neighbours decide
  const Eigen::Vector3d out = gradient.normalized();
  return freeAlong(host, mirrored, p, out) && freeAlong(host, mirrored, p, -out);
}

/// Share of the piece with nothing of the host in front of and behind it: near 1 in a hole, near 0 for a layer on the
/// bone.
double freeShare(const Host& host, const image::CtVolume& mirrored, const Candidate& piece) {
  std::size_t tested = 0, free = 0;
  const std::size_t stride = std::max<std::size_t>(1, piece.voxels.size() / 2000);
  const auto& frame = mirrored.frame;
  for (std::size_t n = 0; n < piece.voxels.size(); n += stride) {
    const std::int64_t v = piece.voxels[n];
    const Eigen::Vector3d p = frame.centre(v);
    const Eigen::Vector3d gradient = registration::gradientAt(mirrored, p, kFar);
    if (gradient.norm() < 0.5) continue;  // the middle of the shell has no side
    ++tested;
    free += freeOnBothSides(host, mirrored, p) ? 1 : 0;
  }
  return tested == 0 ? 0 : static_cast<double>(free) / static_cast<double>(tested);
}

/// Distances to the piece's own voxels.
void measure(Candidate& piece) {
  std::vector<char> marked(piece.distance.frame.voxelCount(), 0);
  for (const std::int64_t v : piece.voxels) marked[v] = 1;
  piece.distance = registration::signedDistance(piece.distance.frame, [&](std::int64_t i) { return marked[i] != 0; });
}

void locate(Candidate& part, const image::Frame& frame) {
  part.min_mm = Eigen::Vector3d::Constant(1e300);
  part.max_mm = -part.min_mm;
  for (const std::int64_t v : part.voxels) {
    const Eigen::Vector3d p = frame.centre(v);
    part.centre_mm += p / static_cast<double>(part.voxels.size());
    part.min_mm = part.min_mm.cwiseMin(p);
    part.max_mm = part.max_mm.cwiseMax(p);
  }
}

/// Larger for a piece that comes nearer to a point; of those that come within a few millimetres, for the larger. 0 for
/// one too far off for the point to lie in its hole: the middle of a hole may lie as far from bone as the hole is deep.
double nearness(const Candidate& piece, const Eigen::Vector3d& p) {
  constexpr double kAt_mm = 4, kAway_mm = 30;
  double nearest = 1e300;
  for (const std::int64_t v : piece.voxels) nearest = std::min(nearest, (piece.distance.frame.centre(v) - p).norm());
  if (nearest > kAway_mm) return 0;
  return nearest < kAt_mm ? piece.volume_mm3 : 1 / nearest;
}

/// Distances to the proposed bone, and what it has and the host has not, on the field's grid.
struct Sides {
  image::CtVolume copy, missing;
};

Sides compareSides(const Host& host, const Whole& whole, const Field& field) {
  const image::Frame &frame = field.grid, &from = host.closed.frame;
  Sides sides{image::CtVolume(frame), image::CtVolume(frame)};
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        const Eigen::Vector3d p = frame.toWorld(Eigen::Vector3d(i, j, static_cast<double>(k)));
        const auto theirs = static_cast<float>(coarseAt(whole, p));
        const float own = image::sampleLinear(host.closed, from.toIndex(p), kFar);
        const std::int64_t at = sides.copy.index(i, j, static_cast<int>(k));
        sides.copy.voxels[at] = theirs;
        sides.missing.voxels[at] = inView(field.seen, p) ? std::max(theirs, -own) : kFar;
      }
    }
  });
  return sides;
}

}  // namespace

std::vector<Candidate> connectedParts(const image::CtVolume& field, double min_mm3) {
  const auto& frame = field.frame;
  std::vector<char> visited(field.voxels.size(), 0);
  std::vector<Candidate> parts;
  std::vector<std::int64_t> stack;
  for (std::int64_t seed = 0; seed < frame.voxelCount(); ++seed) {
    if (visited[seed] != 0 || field.voxels[seed] >= 0) continue;
    Candidate part;
    visited[seed] = 1;
    stack.push_back(seed);
    while (!stack.empty()) {
      const std::int64_t i = stack.back();
      stack.pop_back();
      part.voxels.push_back(i);
      image::forFaceNeighbours(frame, i, [&](std::int64_t next) {
        if (visited[next] != 0 || field.voxels[next] >= 0) return;
        visited[next] = 1;
        stack.push_back(next);
      });
    }
    part.volume_mm3 = static_cast<double>(part.voxels.size()) * frame.voxelVolume_mm3();
    if (part.volume_mm3 >= min_mm3) parts.push_back(std::move(part));
  }
  return parts;
}

image::Frame around(const image::Frame& grid, const Candidate& piece, double margin_mm) {
  const Eigen::Vector3d margin = Eigen::Vector3d::Constant(margin_mm),
                        last = (grid.size.cast<double>().array() - 1).matrix();
  const Eigen::Vector3d low = grid.toIndex(piece.min_mm - margin).array().floor().max(0).matrix();
  const Eigen::Vector3d high = grid.toIndex(piece.max_mm + margin).array().ceil().matrix().cwiseMin(last);
  image::Frame part = grid;
  part.origin_mm = grid.toWorld(low);
  part.size = (high - low).cast<int>() + Eigen::Vector3i::Ones();
  return part;
}

std::vector<Candidate> findCandidates(const Host& host, const Whole& whole, const Field& field,
                                      const PieceOptions& options) {
  const image::Frame& frame = field.grid;
  const Sides sides = compareSides(host, whole, field);
  const image::CtVolume thick = opened(sides.missing, options.opening_mm);
  std::vector<Candidate> parts = connectedParts(thick, options.min_piece_mm3);
  for (Candidate& part : parts) {
    locate(part, frame);
    part.free_share = freeShare(host, sides.copy, part);
    part.distance.frame = frame;
    core::debug(fmt::format("candidate: {:.0f} mm³ at {:.0f} {:.0f} {:.0f}, free {:.2f}", part.volume_mm3,
                            part.centre_mm[0], part.centre_mm[1], part.centre_mm[2], part.free_share));
  }
  return parts;
}

Candidate grown(const Host& host, const Whole& whole, const Field& field, const Candidate& piece,
                const PieceOptions& options) {
  const image::Frame &grid = field.grid, &old = piece.distance.frame;
  const Sides sides = compareSides(host, whole, field);
  // A piece that needs no hole thins out towards its edge, and must not go on where the proposal merely differs.
  constexpr double kEdge_mm = 6, kThin_mm = 0.7;
  const bool in_hole = options.least_free_share > 0;
  const image::CtVolume thick = in_hole ? image::CtVolume{} : opened(sides.missing, kThin_mm);
  const auto belongs = [&](const Eigen::Vector3d& p) {
    if (in_hole) return freeOnBothSides(host, sides.copy, p);
    return image::sampleLinear(piece.distance, old.toIndex(p), kFar) < kEdge_mm &&
           image::sampleLinear(thick, grid.toIndex(p), kFar) < 0;
  };
  std::vector<std::int64_t> stack;
  std::vector<char> taken(grid.voxelCount(), 0);
  const std::int64_t step[3] = {1, grid.size[0], std::int64_t{grid.size[0]} * grid.size[1]};
  for (const std::int64_t v : piece.voxels) {
    const Eigen::Vector3i at = grid.toIndex(old.centre(v)).array().round().cast<int>();
    stack.push_back(at[0] + step[1] * at[1] + step[2] * at[2]);
    taken[stack.back()] = 1;
  }
  Candidate out;
  out.free_share = piece.free_share;
  while (!stack.empty()) {
    const std::int64_t i = stack.back();
    stack.pop_back();
    out.voxels.push_back(i);
    image::forFaceNeighbours(grid, i, [&](std::int64_t next) {
      if (taken[next] != 0 || sides.missing.voxels[next] >= 0) return;
      taken[next] = 1;
      if (belongs(grid.centre(next))) stack.push_back(next);
    });
  }
  std::sort(out.voxels.begin(), out.voxels.end());
  out.volume_mm3 = static_cast<double>(out.voxels.size()) * grid.voxelVolume_mm3();
  locate(out, grid);
  out.distance.frame = grid;
  measure(out);
  return out;
}

Candidate choose(const std::vector<Candidate>& candidates, const PieceOptions& options) {
  const Candidate* best = nullptr;
  double best_score = 0;
  for (const Candidate& piece : candidates) {
    double score = piece.volume_mm3;
    if (options.least_free_share > 0) score *= piece.free_share * piece.free_share;
    if (options.defect_at_mm) score = nearness(piece, *options.defect_at_mm);
    if (!options.defect_at_mm && piece.free_share < options.least_free_share) continue;
    if (score <= best_score) continue;
    best_score = score;
    best = &piece;
  }
  if (best == nullptr && options.defect_at_mm && !candidates.empty()) {
    throw core::Error(core::Exit::DataError,
                      {.what = "no missing piece found: what the proposed bone adds lies far from the place named",
                       .got = fmt::format("{} candidates elsewhere", candidates.size()),
                       .hint = "check --defect-at-mm: LPS, millimetres"});
  }
  if (best == nullptr) {
    throw core::Error(
        core::Exit::DataError,
        {.what = "no missing piece found: what the proposed bone adds lies on the bone, not in a hole of it",
         .got = fmt::format("{} candidates", candidates.size()),
         .hint = "name the place with --defect-at-mm x,y,z"});
  }
  Candidate chosen = *best;
  measure(chosen);
  return chosen;
}

}  // namespace osteo::reconstruct
