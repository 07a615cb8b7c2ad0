#include "reconstruct/mirror.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "levelset/components.h"
#include "mesh/measures.h"
#include "reconstruct/host.h"
#include "reconstruct/pieces.h"
#include "registration/rigid.h"

namespace osteo::reconstruct {
namespace {

constexpr float kFar = 1e3F;

[[noreturn]] void refuse(const std::string& why, const std::string& hint) {
  throw core::Error(core::Exit::DataError, {.what = "no missing piece found: " + why, .hint = hint});
}

/// Surface points of the mirrored bone around a piece, but not on what it adds.
std::vector<registration::OrientedPoint> rimPoints(const Host& host, const Eigen::Isometry3d& local,
                                                   const registration::SymmetryPlane& plane, const Candidate& piece) {
  constexpr double kRing_mm = 20;
  const Eigen::Matrix3d flip = Eigen::Matrix3d::Identity() - 2 * plane.normal * plane.normal.transpose();
  std::vector<registration::OrientedPoint> points;
  for (const auto& source : host.points) {
    const Eigen::Vector3d p = local * plane.reflect(source.position);
    if (image::sampleLinear(piece.distance, piece.distance.frame.toIndex(p), kFar) > kRing_mm) continue;
    points.push_back({p, local.linear() * (flip * source.normal)});
  }
  return points;
}

/// Offsets of the mirrored outer surface from the host's within a few millimetres of the piece.
void measureRim(const Host& host, const std::vector<registration::OrientedPoint>& points, const Candidate& piece,
                MirrorReport& report) {
  constexpr double kNear_mm = 6, kReach_mm = 5;
  std::vector<double> steps;
  for (const auto& point : points) {
    if (point.normal.dot(point.position - host.centre_mm) <= 0) continue;
    const double to_piece = image::sampleLinear(piece.distance, piece.distance.frame.toIndex(point.position), kFar);
    const double step = std::abs(image::sampleLinear(host.distance, host.distance.frame.toIndex(point.position), kFar));
    if (to_piece > host.distance.frame.spacing_mm[0] && to_piece < kNear_mm && step < kReach_mm) steps.push_back(step);
  }
  if (steps.empty()) return;
  std::sort(steps.begin(), steps.end());
  report.rim_step_mm = steps[steps.size() / 2];
  report.rim_step_p95_mm = steps[steps.size() * 95 / 100];
}

/// The piece at the bone's own resolution: mirrored bone, minus the bone, near the coarse piece.
levelset::LevelSet refine(const levelset::LevelSet& bone, const Host& host, const Mirrored& mirrored,
                          const Candidate& piece, double opening_mm) {
  const double voxel = bone.voxel_mm(), margin = 1.5 * host.distance.frame.spacing_mm[0];
  const Eigen::Isometry3d back = mirrored.local.inverse();
  const auto solid = [&](const Eigen::Vector3d& p) {
    const double fine = levelset::sample(bone, p);
    const double closed = image::sampleLinear(host.closed, host.closed.frame.toIndex(p), kFar);
    return std::min(fine, closed + 0.5 * host.distance.frame.spacing_mm[0]);
  };
  const auto missing = [&](const Eigen::Vector3d& p) {
    const double near = image::sampleLinear(piece.distance, piece.distance.frame.toIndex(p), kFar) - margin;
    if (near > 3 * voxel) return near;
    return std::max({near, solid(mirrored.plane.reflect(back * p)), -solid(p)});
  };
  const Eigen::Vector3d reach = Eigen::Vector3d::Constant(margin + 3 * voxel);
  levelset::LevelSet out = levelset::fromFunction(missing, piece.min_mm - reach, piece.max_mm + reach, voxel);
  const double opening = std::min(opening_mm, 0.6);
  out = levelset::intersect(out, levelset::offset(levelset::offset(out, -opening), opening));
  out = levelset::largestComponent(levelset::subtract(out, bone));
  return levelset::fillCavities(out);
}

}  // namespace

levelset::LevelSet completeByMirror(const levelset::LevelSet& bone, const image::Frame& seen,
                                    const MirrorOptions& options, MirrorReport& report) {
  core::Progress progress("mirror", 4);
  const Host host = prepareHost(bone, seen, options.closing_mm);
  if (host.points.size() < 200) refuse("there is hardly any bone in view", "check the labels");
  Mirrored mirrored;
  std::vector<Eigen::Vector3d> positions;
  for (const auto& point : host.points) positions.push_back(point.position);
  mirrored.plane = registration::findSymmetry(positions, unsignedDistance(host.distance));
  report.plane = mirrored.plane;
  core::info(fmt::format("mirror plane: normal {:.3f} {:.3f} {:.3f}, {:.0f} % within 4 mm, median {:.2f} mm",
                         mirrored.plane.normal[0], mirrored.plane.normal[1], mirrored.plane.normal[2],
                         100 * mirrored.plane.inlier_share, mirrored.plane.residual_mm));
  progress.advance();
  if (mirrored.plane.inlier_share < 0.5) {
    refuse(fmt::format("the bone has no mirror plane; the best maps {:.0f} % of its surface onto it",
                       100 * mirrored.plane.inlier_share),
           "completion by mirroring needs both sides in view");
  }
  std::vector<Candidate> candidates = findCandidates(host, mirrored, {host.closed.frame, seen}, options);
  report.candidates = static_cast<int>(candidates.size());
  if (candidates.empty())
    refuse("the mirrored bone adds nothing that is thick enough", "lower --opening-mm or --min-piece-mm3");
  Candidate piece = choose(candidates, options);
  progress.advance();
  constexpr double kReaches_mm[] = {6.0, 4.0};
  for (const double reach : kReaches_mm) {
    const auto fit = registration::fitToSurface(rimPoints(host, Eigen::Isometry3d::Identity(), mirrored.plane, piece),
                                                host.distance, reach);
    mirrored.local = fit.transform;
    MirrorOptions nearby = options;
    nearby.defect_at_mm = piece.centre_mm;
    candidates = findCandidates(host, mirrored, {around(host.closed.frame, piece, 25), seen}, nearby);
    if (candidates.empty())
      refuse("after the fit to the rim nothing is left of the candidate", "lower --opening-mm or --min-piece-mm3");
    piece = choose(candidates, nearby);
  }
  piece = grown(host, mirrored, {around(host.closed.frame, piece, 40), seen}, piece);
  progress.advance();
  measureRim(host, rimPoints(host, mirrored.local, mirrored.plane, piece), piece, report);
  report.local_shift_mm = (mirrored.local * piece.centre_mm - piece.centre_mm).norm();
  report.local_turn_deg = Eigen::AngleAxisd(mirrored.local.linear()).angle() * 57.29577951308232;
  report.free_share = piece.free_share;
  levelset::LevelSet out = refine(bone, host, mirrored, piece, options.opening_mm);
  if (out.empty()) refuse("the piece is thinner than the voxels resolve", "choose a smaller --voxel-mm");
  if (!bone.frameId().empty()) out.setMeta("frame_id", bone.frameId());
  report.volume_mm3 = levelset::volume_mm3(out);
  report.centre_mm = piece.centre_mm;
  progress.advance();
  return out;
}

}  // namespace osteo::reconstruct
