#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/statistics.h"
#include "reconstruct/fragment_fit.h"
#include "reconstruct/shape_fit.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {

using Eigen::Isometry3d;
using Eigen::Vector3d;
using registration::OrientedPoint;

namespace {

constexpr double kCap_mm = 4, kFits_mm = 3, kTurn = 20 * M_PI / 180;
constexpr std::size_t kHopeful = 4;

struct Judgement {
  double cost = 1, fitting_share = 0, residual_mm = 0;
};

/// A point whose normal disagrees counts as far.
Judgement judge(const std::vector<OrientedPoint>& points, const image::CtVolume& map, const Isometry3d& t) {
  Judgement out;
  std::vector<double> near;
  double sum = 0;
  for (const auto& point : points) {
    const Away away = awayFrom(map, Isometry3d::Identity(), t * point.position);
    const bool like = away.direction.dot(t.linear() * point.normal) > 0.6;
    const double d = std::abs(away.distance_mm);
    sum += like ? std::min(1.0, d / kCap_mm) : 1;
    if (like && d < kFits_mm) near.push_back(d);
  }
  const auto n = static_cast<double>(points.size());
  out.cost = sum / n;
  out.fitting_share = static_cast<double>(near.size()) / n;
  out.residual_mm = core::quantile(std::move(near), 0.5);
  return out;
}

/// Fits with a falling reach, from a pose.
Isometry3d fitFrom(const std::vector<OrientedPoint>& points, const image::CtVolume& map, Isometry3d pose,
                   const std::vector<double>& reaches_mm) {
  for (const double reach : reaches_mm)
    pose = registration::fitToSurface(movedPoints(points, pose), map, reach).transform * pose;
  return pose;
}

/// About `count` of the points.
std::vector<OrientedPoint> every(const std::vector<OrientedPoint>& points, std::size_t count) {
  const std::size_t stride = std::max<std::size_t>(1, points.size() / count);
  std::vector<OrientedPoint> out;
  for (std::size_t i = 0; i < points.size(); i += stride) out.push_back(points[i]);
  return out;
}

/// Turns and shifts about a body's centre; longer shifts along its longest axis, where a shaft slides.
std::vector<Isometry3d> startsAround(const Body& body, const Isometry3d& pose) {
  constexpr double kShift_mm = 12, kSlide_mm = 30;
  std::vector<Eigen::Matrix3d> turns{Eigen::Matrix3d::Identity()};
  std::vector<Vector3d> shifts{Vector3d::Zero()};
  for (int axis = 0; axis < 3; ++axis) {
    for (const double sign : {-1.0, 1.0}) {
      turns.push_back(Eigen::AngleAxisd(sign * kTurn, body.axes.col(axis)).toRotationMatrix());
      shifts.emplace_back(sign * kShift_mm * body.axes.col(axis));
    }
  }
  shifts.emplace_back(-kSlide_mm * body.axes.col(2));
  shifts.emplace_back(kSlide_mm * body.axes.col(2));
  std::vector<Isometry3d> starts;
  for (const auto& turn : turns) {
    for (const auto& shift : shifts) {
      Isometry3d by = Isometry3d::Identity();
      by.linear() = turn;
      by.translation() = body.centre + shift - turn * body.centre;
      starts.push_back(pose * by);
    }
  }
  return starts;
}

ReferenceFit fitBody(const Body& body, const image::CtVolume& map, const Isometry3d& from_patient,
                     const std::vector<const Body*>& others) {
  std::vector<ReferenceFit> found;
  for (const Isometry3d& start : startsAround(body, from_patient * body.pose)) found.push_back({start});
  const auto costOf = [&](const std::vector<OrientedPoint>& points, const Isometry3d& pose) {
    const Touch touches = touch(body, from_patient.inverse() * pose, others, 1, true);
    return judge(points, map, pose).cost + touches.deep_mm2 / (body.area_mm2 * static_cast<double>(body.points.size()));
  };
  const auto tryAll = [&](const std::vector<OrientedPoint>& points, const std::vector<double>& reaches_mm) {
    core::parallelFor(static_cast<std::int64_t>(found.size()), [&](std::int64_t i) {
      found[i].pose = fitFrom(points, map, found[i].pose, reaches_mm);
      found[i].cost = costOf(points, found[i].pose);
    });
    std::stable_sort(found.begin(), found.end(),
                     [](const ReferenceFit& a, const ReferenceFit& b) { return a.cost < b.cost; });
  };
  tryAll(every(body.few, 250), {20, 8});
  found.resize(std::min(found.size(), kHopeful));
  tryAll(every(body.points, 1500), {8, 4, 2.5});
  ReferenceFit best = found[0];
  const Judgement j = judge(body.points, map, best.pose);
  best.fitting_share = j.fitting_share;
  best.residual_mm = j.residual_mm;
  best.pose = from_patient.inverse() * best.pose;
  return best;
}

mesh::TriangleMesh moved(mesh::TriangleMesh mesh, const Eigen::Affine3d& by) {
  for (auto& v : mesh.vertices) v = by * v;
  if (by.linear().determinant() < 0)
    for (auto& t : mesh.triangles) std::swap(t[1], t[2]);
  return mesh;
}

/// Poses of the template on all fragments as they are displaced: the best two of either side, without a change of size.
std::vector<Eigen::Affine3d> templatePoses(const mesh::TriangleMesh& surface, const std::vector<Body>& bodies) {
  constexpr double kCoarse_mm = 3, kProbe_mm = 6;
  constexpr int kASide = 2;
  ShapeModel model;
  model.mean = levelset::toMesh(levelset::fromMesh(surface, kCoarse_mm));
  model.basis.resize(3 * static_cast<Eigen::Index>(model.mean.vertices.size()), 0);
  Vector3d middle = Vector3d::Zero();
  for (const auto& v : model.mean.vertices) middle += v / static_cast<double>(model.mean.vertices.size());
  std::vector<OrientedPoint> points;
  for (const Body& body : bodies) points.insert(points.end(), body.points.begin(), body.points.end());
  std::vector<Eigen::Affine3d> out;
  int taken[2] = {0, 0};
  for (const ShapePose& pose : findPoses(model, thinned(points, kProbe_mm))) {
    Eigen::Affine3d rigid = pose.to_patient;
    const double determinant = rigid.linear().determinant();
    const auto like = [&](const Eigen::Affine3d& other) {
      const Eigen::Affine3d apart = pose.to_patient * other.inverse();
      return (apart.linear() / std::cbrt(std::abs(determinant)) - Eigen::Matrix3d::Identity()).norm() < 0.1;
    };
    if (std::any_of(out.begin(), out.end(), like)) continue;
    if (taken[determinant < 0 ? 1 : 0]++ >= kASide) continue;
    rigid.linear() /= std::cbrt(std::abs(determinant));
    rigid.translation() = pose.to_patient * middle - rigid.linear() * middle;
    out.push_back(rigid);
  }
  return out;
}

}  // namespace

ReferenceFit fitToReference(const Body& body, const Reference& reference, const std::vector<const Body*>& others) {
  return fitBody(body, reference.distance, reference.from_patient, others);
}

Reference findReference(const mesh::TriangleMesh& surface, const std::vector<Body>& bodies, std::size_t anchor) {
  constexpr double kVoxel_mm = 1, kMargin_mm = 30, kLeastShare = 0.55, kNearlyAsGood = 0.1;
  std::vector<Reference> tried;
  std::vector<ReferenceFit> fits;
  double least = 1e300;
  for (const Eigen::Affine3d& pose : templatePoses(surface, bodies)) {
    tried.push_back({distanceAround(levelset::fromMesh(moved(surface, pose), kVoxel_mm), kMargin_mm)});
    tried.back().mirrored = pose.linear().determinant() < 0;
    fits.push_back(fitBody(bodies[anchor], tried.back().distance, Isometry3d::Identity(), {}));
    tried.back().from_patient = fits.back().pose;
    tried.back().fitting_share = fits.back().fitting_share;
    tried.back().residual_mm = fits.back().residual_mm;
    least = std::min(least, fits.back().cost);
  }
  std::size_t best_of = 0;
  double least_of_all = 1e300;
  for (std::size_t k = 0; k < tried.size(); ++k) {
    if (fits[k].cost > least + kNearlyAsGood) continue;
    double cost = 0;
    for (std::size_t i = 0; i < bodies.size(); ++i)
      cost += (i == anchor ? fits[k] : fitToReference(bodies[i], tried[k], {})).cost * bodies[i].volume_mm3;
    if (cost < least_of_all) least_of_all = cost, best_of = k;
  }
  Reference best = std::move(tried[best_of]);
  if (best.fitting_share < kLeastShare)
    throw core::Error(core::Exit::DataError,
                      {.what = "the template doesn't fit the largest fragment",
                       .expected = fmt::format("{:.0f} % of its surface within {:.0f} mm", 100 * kLeastShare, kFits_mm),
                       .got = fmt::format("{:.0f} %", 100 * best.fitting_share),
                       .hint = "is it the same bone, or that of the other side, in mm?"});
  return best;
}

}  // namespace osteo::reconstruct
