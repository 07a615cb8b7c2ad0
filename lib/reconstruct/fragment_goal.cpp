#include "reconstruct/fragment_goal.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/statistics.h"
#include "registration/distance_map.h"
#include "registration/surface.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Isometry3d;
using Eigen::Vector3d;

constexpr double kMargin_mm = 30;
constexpr double kSure = 0.65;       ///< score of a pose that needs no other start
constexpr double kLeastShare = 0.5;  ///< of the reference's surface on the template, fracture surfaces included

mesh::TriangleMesh mirrored(mesh::TriangleMesh mesh) {
  for (auto& v : mesh.vertices) v.x() = -v.x();
  for (auto& t : mesh.triangles) std::swap(t[1], t[2]);
  return mesh;
}

Isometry3d rigid(const Eigen::Affine3d& t) {
  Isometry3d out = Isometry3d::Identity();
  out.linear() = t.linear();
  out.translation() = t.translation();
  return out;
}

/// A rough pose of all fragments as they lie, or of one alone, on the whole bone.
Isometry3d roughPose(const std::vector<Body>& bodies, int alone, const mesh::TriangleMesh& whole) {
  constexpr std::size_t kEach = 600;
  std::vector<Vector3d> points;
  for (std::size_t b = 0; b < bodies.size(); ++b) {
    const auto& all = bodies[b].points;
    const std::size_t stride = alone < 0 ? 12 : std::max<std::size_t>(1, all.size() / kEach);
    for (std::size_t i = 0; i < all.size() && (alone < 0 || static_cast<int>(b) == alone); i += stride)
      points.push_back(all[i].position);
  }
  return rigid(
      registration::fitToMesh(points, whole, {.try_mirrored = false, .overlap = alone < 0 ? 0.6 : 0.85}).transform);
}

/// Median distance and share of a body's points on the goal.
double shareOnGoal(const Body& body, const Goal& goal, const Isometry3d& pose, double& median_mm) {
  std::vector<double> near;
  for (const auto& p : body.points) {
    const Vector3d at = pose * p.position;
    const double d = std::abs(image::sampleLinear(goal.distance, goal.distance.frame.toIndex(at), 1e3F));
    if (d > 3) continue;
    const Vector3d slope = registration::gradientAt(goal.distance, at, 1e3F);
    if (slope.normalized().dot(pose.linear() * p.normal) > 0.6) near.push_back(d);
  }
  median_mm = core::quantile(near, 0.5);
  return static_cast<double>(near.size()) / static_cast<double>(std::max<std::size_t>(1, body.points.size()));
}

/// Everything about one variant of the template.
struct Variant {
  GoalFit fit;
  double score = 0;
};

Variant tryWhole(const std::vector<Body>& bodies, int reference, const mesh::TriangleMesh& whole) {
  Variant v;
  v.fit.goal = goalOfSurface(whole, 0.5 * bodies[reference].spacing_mm);
  std::vector<Found> best = searchOnGoal(bodies[reference], v.fit.goal, roughPose(bodies, -1, whole));
  if (best[0].score < kSure) {
    auto found = searchOnGoal(bodies[reference], v.fit.goal, roughPose(bodies, reference, whole));
    if (found[0].score > best[0].score) best = std::move(found);
  }
  v.fit.poses.resize(bodies.size());
  v.fit.poses[reference] = best;
  for (std::size_t b = 0; b < bodies.size(); ++b) {
    if (static_cast<int>(b) != reference) v.fit.poses[b] = searchOnGoal(bodies[b], v.fit.goal, best[0].pose);
    v.score += v.fit.poses[b][0].score * bodies[b].area_mm2;
  }
  return v;
}

}  // namespace

Goal goalOfSurface(const mesh::TriangleMesh& surface, double grid_mm) {
  Goal goal;
  goal.distance = distanceAround(levelset::fromMesh(surface, grid_mm), grid_mm, kMargin_mm);
  return goal;
}

GoalFit goalOfTemplate(const std::vector<Body>& bodies, int reference, const mesh::TriangleMesh& whole) {
  Variant as_is = tryWhole(bodies, reference, whole), other = tryWhole(bodies, reference, mirrored(whole));
  const bool is_mirrored = other.score > as_is.score;
  GoalFit fit = std::move(is_mirrored ? other.fit : as_is.fit);
  fit.mirrored = is_mirrored;
  double median = 0;
  const double share = shareOnGoal(bodies[reference], fit.goal, fit.poses[reference][0].pose, median);
  if (share < kLeastShare || median > 1.5) {
    throw core::Error(core::Exit::DataError,
                      {.what = "the template does not fit the largest fragment",
                       .expected = "half of its surface within 3 mm, median below 1.5 mm",
                       .got = fmt::format("{:.0f} %, median {:.1f} mm", 100 * share, median),
                       .hint = "is it the same bone, of this side or the other, of the same person?"});
  }
  fit.goal.sd_mm = std::clamp(1.48 * median, 0.15, 2.0);
  return fit;
}

void markBroken(Body& body, const Goal& goal, const Isometry3d& pose) {
  const double inside = std::max(1.2, 2.5 * goal.sd_mm);
  std::vector<double> broken(body.patches.size(), 0), all(body.patches.size(), 0);
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    const Vector3d at = pose * body.fine[i].position;
    const double d = image::sampleLinear(goal.distance, goal.distance.frame.toIndex(at), 1e3F);
    const Vector3d slope = registration::gradientAt(goal.distance, at, 1e3F);
    const bool turned = slope.norm() > 0.3 && slope.normalized().dot(pose.linear() * body.fine[i].normal) < 0.5;
    body.broken[i] = d < -inside || (turned && d < inside) ? 1 : 0;
    if (body.fine[i].patch < 0) continue;
    all[body.fine[i].patch] += 1;
    broken[body.fine[i].patch] += body.broken[i];
  }
  for (std::size_t k = 0; k < body.patches.size(); ++k) body.patches[k].broken = broken[k] > 0.6 * all[k];
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    const int k = body.fine[i].patch;
    if (k < 0) continue;
    if (broken[k] > 0.6 * all[k]) body.broken[i] = 1;
    if (broken[k] < 0.2 * all[k]) body.broken[i] = 0;
  }
  markBand(body);
}

}  // namespace osteo::reconstruct
