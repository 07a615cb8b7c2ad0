#include "segment/hip_joints.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/morphology.h"
#include "segment/geodesic.h"

namespace osteo::segment {

using Eigen::Vector3d;
using image::CtVolume;
using image::Frame;
using image::LabelVolume;

namespace {

constexpr double kBall_mm = 17.5;  ///< smallest ball that a head and its socket hold
constexpr double kSmallest_mm = 17, kLargest_mm = 28;
constexpr double kMetal_hu = 400;  ///< as bright, above soft tissue, is bone or metal in it
constexpr double kClosing_mm = 6;  ///< joint space, and what streaks of metal tear open
constexpr double kSpace_hu = 80;   ///< a joint space as dark as this against the bone on both sides is clear
constexpr double kAstray = 0.01;   ///< score that a millimetre away from the ball's middle costs
constexpr double kNear_mm = 36, kLevel_mm = 10;
constexpr double kLeastScore = 0.4;  ///< of a head

/// How far from every place bone ends, joint spaces and the streaks of metal closed.
CtVolume depthOf(const Coarse& scan) {
  LabelVolume bone = scan.bone;
  for (std::size_t v = 0; v < bone.voxels.size(); ++v) {
    if (scan.hu.voxels[v] > static_cast<float>(kMetal_hu)) bone.voxels[v] = 1;
  }
  bone = image::close(bone, kClosing_mm);
  for (auto& voxel : bone.voxels) voxel = voxel ? 0 : 1;
  return image::distanceMm(bone);
}

/// The largest balls in bone that hold none of each other's middles.
std::vector<Head> balls(CtVolume depth) {
  std::vector<Head> out;
  for (;;) {
    const auto top = std::max_element(depth.voxels.begin(), depth.voxels.end());
    if (static_cast<double>(*top) < kBall_mm || !std::isfinite(*top)) return out;
    const Vector3d middle = depth.frame.centre(top - depth.voxels.begin());
    out.push_back({middle, static_cast<double>(*top), 0});
    for (std::size_t v = 0; v < depth.voxels.size(); ++v) {
      if (depth.voxels[v] >= static_cast<float>(kBall_mm) &&
          (depth.frame.centre(static_cast<std::int64_t>(v)) - middle).norm() < 2 * kBall_mm)
        depth.voxels[v] = 0;
    }
  }
}

/// The largest ball near one, level with another.
Head levelled(const CtVolume& depth, const Head& ball, const Head& other) {
  Head best{ball.centre_mm, 0, 0};
  for (std::size_t v = 0; v < depth.voxels.size(); ++v) {
    if (static_cast<double>(depth.voxels[v]) <= best.radius_mm) continue;
    const Vector3d at = depth.frame.centre(static_cast<std::int64_t>(v));
    if ((at - ball.centre_mm).norm() > kNear_mm || std::abs(at[2] - other.centre_mm[2]) > kLevel_mm) continue;
    best = {at, static_cast<double>(depth.voxels[v]), 0};
  }
  return best;
}

/// Mean over directions of how much darker a shell about the ball's surface is than the bone within and without, 0 to
/// 1, times how much the ball's inside is bone.
double fit(const Coarse& scan, const Head& ball, const std::vector<Vector3d>& directions) {
  const auto hu = [&](const Vector3d& d, double r) {
    return static_cast<double>(image::sampleLinear(scan.hu, scan.hu.frame.toIndex(ball.centre_mm + r * d), -150.0f));
  };
  const double r = ball.radius_mm;
  double sum = 0, solid = 0;
  for (const Vector3d& d : directions) {
    double within = 0, space = 1e9, beyond = -1e9;
    for (const double at : {0.0, 4.0, 8.0, r - 10, r - 6}) within += std::clamp(hu(d, at), 0.0, 400.0) / 5;
    for (const double off : {-2.0, 0.0, 2.0}) space = std::min(space, hu(d, r + off));
    space = (space + hu(d, r)) / 2;  // the nearer to the middle of the space the better
    for (const double off : {2.0, 4.0, 6.0, 8.0}) beyond = std::max(beyond, hu(d, r + off));
    sum += std::clamp((std::min(within, beyond) - space) / kSpace_hu, 0.0, 1.0);
    solid += std::clamp(within / 150, 0.0, 1.0);
  }
  const auto n = static_cast<double>(directions.size());
  return sum / n * solid / n;
}

/// Moves and resizes a ball by ever smaller steps as long as it fits better, from several sizes.
Head refine(const Coarse& scan, const Head& ball, std::pair<double, double> radii_mm,
            const std::vector<Vector3d>& directions) {
  const auto worth = [&](const Head& h) {
    const double astray = (h.centre_mm - ball.centre_mm).norm();
    return astray > kNear_mm / 4 ? -1 : h.score - kAstray * astray;
  };
  Head best;
  for (double radius_mm = radii_mm.first + 1; radius_mm < radii_mm.second; radius_mm += 2) {
    Head now{ball.centre_mm, radius_mm, 0};
    now.score = fit(scan, now, directions);
    for (double step = 4; step > 0.5; step /= 2) {
      for (bool better = true; better;) {
        better = false;
        for (int d = 0; d < 8; ++d) {
          Head next = now;
          if (d < 6)
            next.centre_mm[d / 2] += d % 2 ? step : -step;
          else
            next.radius_mm = std::clamp(now.radius_mm + (d == 6 ? step : -step), radii_mm.first, radii_mm.second);
          next.score = fit(scan, next, directions);
          if (worth(next) > worth(now) + 1e-9) now = next, better = true;
        }
      }
    }
    if (best.radius_mm == 0 || worth(now) > worth(best)) best = now;
  }
  return best;
}

}  // namespace

std::vector<Head> findFemoralHeads(const Coarse& scan) {
  const CtVolume depth = depthOf(scan);
  const std::vector<Head> found = balls(depth);
  std::vector<Vector3d> socket;  // a socket covers its ball from above, not the side of the neck
  for (const Vector3d& d : geodesic(2).directions) {
    if (d[2] > -0.2) socket.push_back(d);
  }
  const Head *sure = nullptr,
             *other = nullptr;  // the larger ball, which holds more of its head, and that on the other side
  double top = 0;
  for (const Head& a : found) {
    for (const Head& b : found) {
      const Vector3d apart = (a.centre_mm - b.centre_mm).cwiseAbs();
      if (apart[0] < 120 || apart[0] > 260 || apart[1] > 40 || apart[2] > 40 || a.radius_mm < b.radius_mm) continue;
      if (a.radius_mm + b.radius_mm > top) top = a.radius_mm + b.radius_mm, sure = &a, other = &b;
    }
  }
  if (!sure) return {};
  std::vector<Head> best{refine(scan, *sure, {kSmallest_mm, kLargest_mm}, socket)};
  best.push_back(
      refine(scan, levelled(depth, *other, best[0]), {best[0].radius_mm - 1.5, best[0].radius_mm + 1.5}, socket));
  if (best[0].centre_mm[0] < best[1].centre_mm[0]) std::swap(best[0], best[1]);
  if (std::min(best[0].score, best[1].score) < kLeastScore) return {};
  return best;
}

}  // namespace osteo::segment
