#include "reconstruct/fragment_body.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "mesh/measures.h"
#include "reconstruct/host.h"
#include "reconstruct/shape_fit.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {

using Eigen::Isometry3d;
using Eigen::Vector3d;
using registration::OrientedPoint;

namespace {

constexpr float kOutside = 1e6F;
constexpr double kDeep_mm = 1.5;

}  // namespace

image::CtVolume distanceAround(const levelset::LevelSet& solid, double margin_mm) {
  constexpr double kFinest_mm = 1, kMostVoxels = 2e7;
  Eigen::Vector3i min, max;
  solid.activeBox(min, max);
  const Vector3d low = (min.cast<double>() * solid.voxel_mm()).array() - margin_mm,
                 high = (max.cast<double>() * solid.voxel_mm()).array() + margin_mm;
  const double step = std::max(kFinest_mm, std::cbrt((high - low).prod() / kMostVoxels));
  image::Frame frame;
  frame.spacing_mm = Vector3d::Constant(step);
  frame.origin_mm = (low / step).array().floor() * step;
  frame.size = ((high - frame.origin_mm) / step).array().ceil().cast<int>() + 1;
  return fullDistance(solid, frame);
}

Body makeBody(const levelset::LevelSet& solid) {
  constexpr double kMargin_mm = 12, kCoarsest_mm = 2, kFinest_mm = 1, kPoints = 6000;
  constexpr std::size_t kFew = 500;
  Body body;
  body.distance = distanceAround(solid, kMargin_mm);
  const mesh::TriangleMesh mesh = levelset::toMesh(solid);
  const double area = mesh::area_mm2(mesh);
  body.volume_mm3 = mesh::volume_mm3(mesh);
  body.spacing_mm = std::clamp(std::sqrt(area / kPoints), kFinest_mm, kCoarsest_mm);
  body.points = thinned(surfacePoints(mesh), body.spacing_mm);
  body.area_mm2 = area / static_cast<double>(body.points.size());
  const std::size_t stride = std::max<std::size_t>(1, body.points.size() / kFew);
  for (std::size_t i = 0; i < body.points.size(); i += stride) body.few.push_back(body.points[i]);
  const double share = 1 / static_cast<double>(body.points.size());
  for (const auto& p : body.points) body.centre += share * p.position;
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const auto& p : body.points)
    spread += share * (p.position - body.centre) * (p.position - body.centre).transpose();
  body.axes = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors();
  body.radius = std::sqrt(spread.trace());
  return body;
}

std::vector<OrientedPoint> movedPoints(const std::vector<OrientedPoint>& points, const Isometry3d& by) {
  std::vector<OrientedPoint> out = points;
  for (auto& p : out) p = {by * p.position, by.linear() * p.normal};
  return out;
}

Away awayFrom(const image::CtVolume& distance, const Isometry3d& pose, const Vector3d& p) {
  Away away;
  const Vector3d q = pose.inverse() * p;
  away.distance_mm = image::sampleLinear(distance, distance.frame.toIndex(q), kOutside);
  if (away.distance_mm > 1e5) return away;
  const Vector3d gradient = registration::gradientAt(distance, q, kOutside);
  if (gradient.norm() > 0.3 && gradient.norm() < 3) away.direction = pose.linear() * gradient.normalized();
  return away;
}

Touch touch(const Body& body, const Isometry3d& pose, const std::vector<const Body*>& others, double near_mm,
            bool few) {
  const auto& points = few ? body.few : body.points;
  const double area = body.area_mm2 * static_cast<double>(body.points.size()) / static_cast<double>(points.size());
  Touch out;
  for (const Body* other : others) {
    const Isometry3d into = other->pose.inverse() * pose;
    const auto& map = other->distance;
    for (const auto& point : points) {
      const Vector3d q = into * point.position;
      const double d = image::sampleLinear(map, map.frame.toIndex(q), kOutside);
      if (d < -kDeep_mm) out.deep_mm2 += area;
      if (std::abs(d) >= near_mm) continue;
      const Vector3d gradient = registration::gradientAt(map, q, kOutside);
      const double facing = -gradient.normalized().dot(into.linear() * point.normal), u = d / near_mm;
      if (facing > 0.6) out.contact_mm2 += area * (1 - u * u) * (1 - u * u);
    }
  }
  return out;
}

double shiftOf(const Isometry3d& motion, const Vector3d& centre) { return (motion * centre - centre).norm(); }

double turnOf(const Isometry3d& motion) { return Eigen::AngleAxisd(motion.linear()).angle(); }

}  // namespace osteo::reconstruct
