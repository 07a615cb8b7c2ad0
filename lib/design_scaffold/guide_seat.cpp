#include "design_scaffold/guide_seat.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "design_scaffold/blocks.h"
#include "levelset/grid.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kPi = 3.14159265358979323846;
// Surfaces steeper than 80° to the way the guide comes carry none of it.
constexpr double kFlattest = 0.17;
// What turns a cosine into something that can stand beside distances: about a bone's radius.
constexpr double kSlope_mm = 10;
// Normals are taken over this length, so that facets and CT noise don't fray the guide's edges.
constexpr double kNormal_mm = 1.5;
constexpr double kCoarsest_mm = 0.4;

std::vector<Vector3d> thinned(std::vector<Vector3d> points, std::size_t most) {
  if (points.size() <= most) return points;
  std::vector<Vector3d> out;
  for (std::size_t n = 0; n < most; ++n) out.push_back(points[n * points.size() / most]);
  return out;
}

}  // namespace

GuideSeat::GuideSeat(const levelset::LevelSet& bone, const Region& region, const GuideShape& shape)
    : region_(region),
      shape_(shape),
      voxel_mm_(std::min({kCoarsest_mm, bone.voxel_mm(), shape.thickness_mm / 6})),
      band_mm_(shape.gap_mm + shape.thickness_mm + 4) {
  const levelset::LevelSet filled = levelset::fillCavities(bone);
  wide_ = levelset::wrap(widen(*filled.grid().vdb, band_mm_));
  const mesh::TriangleMesh whole = levelset::toMesh(filled);
  bone_box_ = mesh::bounds(whole);
  std::vector<char> kept(whole.vertices.size(), 0);
  const double reach = shape.width_mm + 1;
  core::parallelFor(static_cast<std::int64_t>(kept.size()), [&](std::int64_t n) {
    const Vector3d& v = whole.vertices[static_cast<std::size_t>(n)];
    const double out = (region.box.min - v).cwiseMax(v - region.box.max).maxCoeff();
    kept[static_cast<std::size_t>(n)] = out < reach && beyond(v) < reach;
  });
  for (std::size_t n = 0; n < kept.size(); ++n)
    if (kept[n]) surface_.push_back(whole.vertices[n]);
  access_ = shape.access ? shape.access->normalized() : foundAccess();
}

double GuideSeat::bone(const Vector3d& p) const { return levelset::sample(wide_, p); }

Vector3d GuideSeat::normal(const Vector3d& p) const {
  Vector3d n;
  for (int axis = 0; axis < 3; ++axis) {
    const Vector3d step = kNormal_mm * Vector3d::Unit(axis);
    n[axis] = bone(p + step) - bone(p - step);
  }
  return n.norm() > 0 ? n.normalized() : n;
}

double GuideSeat::lift(const Vector3d& p, const Vector3d& access) const {
  double least = bone(p);
  for (Vector3d q = p; least > 0;) {
    if ((bone_box_.min - q).cwiseMax(q - bone_box_.max).maxCoeff() > band_mm_) break;
    const double here = bone(q);
    least = std::min(least, here);
    // Distances change by no more than the way: nothing below the least so far lies within the step.
    q += std::max(here - least, 0.5 * voxel_mm_) * access;
  }
  return least;
}

double GuideSeat::shell(const Vector3d& p) const {
  const double at = bone(p), outer = at - shape_.gap_mm - shape_.thickness_mm, inner = shape_.gap_mm - at;
  const double reach = 3 * voxel_mm_;
  if (std::max(outer, inner) > reach) return std::max(outer, inner);
  const double steep = kSlope_mm * (kFlattest - normal(p).dot(access_));
  return std::max({outer, steep, shape_.gap_mm - lift(p)});
}

std::vector<Vector3d> GuideSeat::outline() const {
  std::vector<Vector3d> out;
  for (const Vector3d& v : surface_)
    if (std::abs(beyond(v)) < voxel_mm_) out.push_back(v);
  return thinned(std::move(out), 1500);
}

bool GuideSeat::sees(const Vector3d& v, const Vector3d& access) const {
  const Vector3d n = normal(v);
  return n.dot(access) > kFlattest && lift(v + (shape_.gap_mm + 0.5 * shape_.thickness_mm) * n, access) > shape_.gap_mm;
}

double GuideSeat::seenOutline(const std::vector<Vector3d>& points, const Vector3d& access, double for_facing) const {
  std::vector<double> seen(points.size(), 0), length(points.size(), 0);
  core::parallelFor(static_cast<std::int64_t>(points.size()), [&](std::int64_t n) {
    const Vector3d& p = points[static_cast<std::size_t>(n)];
    const Vector3d out = normal(p);
    // A surface has the more vertices the more it leans against the axes of its voxels.
    length[static_cast<std::size_t>(n)] = 1 / std::max(1.0, out.lpNorm<1>());
    if (sees(p, access)) seen[static_cast<std::size_t>(n)] = 1 + for_facing * (out.dot(access) - 1);
  });
  double sum = 0, whole = 0;
  for (std::size_t n = 0; n < points.size(); ++n) sum += seen[n] * length[n], whole += length[n];
  return sum / std::max(1e-9, whole);
}

double GuideSeat::seenOutline() const { return seenOutline(outline(), access_, 0); }

/// The mean direction of the piece's surface; where it looks all ways, the direction that sees most of the outline, and
/// of equal ones that away from the bone's middle: the outside of a skull.
Vector3d GuideSeat::foundAccess() const {
  constexpr double kClear = 0.35;  // length of the mean of unit normals; half a cylinder has 0.64
  constexpr double kOutside = 0.03;
  Vector3d sum = Vector3d::Zero(), middle = Vector3d::Zero();
  double count = 0;
  for (const Vector3d& v : thinned(surface_, 20000))
    if (beyond(v) < 0) sum += normal(v), middle += v, ++count;
  if (count > 0 && sum.norm() > kClear * count) return sum.normalized();
  const Vector3d outside = middle / std::max(1.0, count) - 0.5 * (bone_box_.min + bone_box_.max);
  const std::vector<Vector3d> points = thinned(outline(), 400);
  const auto score = [&](const Vector3d& way) {
    return seenOutline(points, way, 0.5) + kOutside * way.dot(outside) / std::max(1e-9, outside.norm());
  };
  Vector3d best = Vector3d::UnitZ();
  double most = -1;
  const auto attempt = [&](const Vector3d& way) {
    const double seen = score(way);
    if (seen > most) most = seen, best = way;
  };
  for (const Vector3d& way : directionsAround(96)) attempt(way);
  for (const double step : {0.2, 0.1, 0.05}) {
    const Vector3d from = best, x = from.unitOrthogonal(), y = from.cross(x);
    for (int n = 0; n < 8; ++n)
      attempt((from + step * (std::cos(n * kPi / 4) * x + std::sin(n * kPi / 4) * y)).normalized());
  }
  return best;
}

}  // namespace osteo::design_scaffold
