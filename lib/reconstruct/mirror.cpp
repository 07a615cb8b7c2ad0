#include "reconstruct/mirror.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "registration/rigid.h"

namespace osteo::reconstruct {
namespace {

constexpr float kFar = 1e3F;

[[noreturn]] void refuse(const std::string& why, const std::string& hint) {
  throw core::Error(core::Exit::DataError, {.what = "no missing piece found: " + why, .hint = hint});
}

/// Surface points of the mirrored bone around a piece, but not on what it adds.
std::vector<registration::OrientedPoint> rimPoints(const Host& host, const registration::SymmetryPlane& plane,
                                                   const Candidate& piece) {
  constexpr double kRing_mm = 20;
  const Eigen::Matrix3d flip = Eigen::Matrix3d::Identity() - 2 * plane.normal * plane.normal.transpose();
  std::vector<registration::OrientedPoint> points;
  for (const auto& source : host.points) {
    const Eigen::Vector3d p = plane.reflect(source.position);
    if (image::sampleLinear(piece.distance, piece.distance.frame.toIndex(p), kFar) > kRing_mm) continue;
    points.push_back({p, flip * source.normal});
  }
  return points;
}

/// The closed bone reflected and moved, on a grid.
image::CtVolume reflected(const Host& host, const registration::SymmetryPlane& plane, const Eigen::Isometry3d& local,
                          const image::Frame& grid) {
  image::CtVolume out(grid);
  const Eigen::Isometry3d back = local.inverse();
  core::parallelFor(grid.size[2], [&](std::int64_t k) {
    for (int j = 0; j < grid.size[1]; ++j) {
      for (int i = 0; i < grid.size[0]; ++i) {
        const Eigen::Vector3d p = grid.toWorld(Eigen::Vector3d(i, j, static_cast<double>(k)));
        out.at(i, j, static_cast<int>(k)) =
            image::sampleLinear(host.closed, host.closed.frame.toIndex(plane.reflect(back * p)), kFar);
      }
    }
  });
  return out;
}

/// The plane, or the reason why there is none.
registration::SymmetryPlane planeOf(const Host& host) {
  std::vector<Eigen::Vector3d> positions;
  for (const auto& point : host.points) positions.push_back(point.position);
  const auto plane = registration::findSymmetry(positions, unsignedDistance(host.distance));
  core::info(fmt::format("mirror plane: normal {:.3f} {:.3f} {:.3f}, {:.0f} % within 4 mm, median {:.2f} mm",
                         plane.normal[0], plane.normal[1], plane.normal[2], 100 * plane.inlier_share,
                         plane.residual_mm));
  if (plane.inlier_share < 0.5) {
    refuse(fmt::format("the bone has no mirror plane; the best maps {:.0f} % of its surface onto it",
                       100 * plane.inlier_share),
           "completion by mirroring needs both sides in view");
  }
  return plane;
}

}  // namespace

Mirrored proposeMirror(const levelset::LevelSet& bone, const Host& host, const image::Frame& seen,
                       const PieceOptions& options) {
  constexpr double kReaches_mm[] = {6.0, 4.0};
  constexpr double kAround_mm = 40;
  Mirrored out;
  out.plane = planeOf(host);
  Eigen::Isometry3d local = Eigen::Isometry3d::Identity();
  out.whole.coarse = reflected(host, out.plane, local, host.closed.frame);
  std::vector<Candidate> candidates = findCandidates(host, out.whole, {host.closed.frame, seen}, options);
  out.candidates = static_cast<int>(candidates.size());
  if (candidates.empty())
    refuse("the mirrored bone adds nothing that is thick enough", "lower --opening-mm or --min-piece-mm3");
  out.piece = choose(candidates, options);
  for (const double reach : kReaches_mm) {
    local = registration::fitToSurface(rimPoints(host, out.plane, out.piece), host.distance, reach).transform;
    PieceOptions nearby = options;
    nearby.defect_at_mm = out.piece.centre_mm;
    const image::Frame region = around(host.closed.frame, out.piece, kAround_mm);
    out.whole.coarse = reflected(host, out.plane, local, region);
    candidates = findCandidates(host, out.whole, {region, seen}, nearby);
    if (candidates.empty())
      refuse("after the fit to the rim nothing is left of the candidate", "lower --opening-mm or --min-piece-mm3");
    out.piece = choose(candidates, nearby);
  }
  const image::Frame region = around(host.closed.frame, out.piece, kAround_mm);
  out.whole.coarse = reflected(host, out.plane, local, region);
  out.piece = grown(host, out.whole, {region, seen}, out.piece, options);
  out.local_shift_mm = (local * out.piece.centre_mm - out.piece.centre_mm).norm();
  out.local_turn_deg = Eigen::AngleAxisd(local.linear()).angle() * 57.29577951308232;
  const image::CtVolume closed = host.closed;
  const auto plane = out.plane;
  const Eigen::Isometry3d back = local.inverse();
  out.whole.fine = [bone, closed, plane, back](const Eigen::Vector3d& p) {
    const Eigen::Vector3d q = plane.reflect(back * p);
    const double pores = image::sampleLinear(closed, closed.frame.toIndex(q), kFar);
    return std::min(levelset::sample(bone, q), pores + 0.5 * closed.frame.spacing_mm[0]);
  };
  return out;
}

}  // namespace osteo::reconstruct
