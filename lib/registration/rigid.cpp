#include "registration/rigid.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "registration/distance_map.h"

namespace osteo::registration {
namespace {

constexpr float kOutside = 1e6F;

struct Residual {
  double distance = 0;
  Eigen::Vector3d gradient = Eigen::Vector3d::Zero();
  bool counts = false;
};

Residual residualAt(const image::CtVolume& map, const Eigen::Vector3d& p, const Eigen::Vector3d& normal,
                    double reach_mm) {
  Residual r;
  r.distance = image::sampleLinear(map, map.frame.toIndex(p), kOutside);
  if (std::abs(r.distance) >= reach_mm) return r;
  const Eigen::Vector3d gradient = gradientAt(map, p, kOutside);
  const double norm = gradient.norm();
  if (norm < 0.3 || norm > 3) return r;
  r.gradient = gradient / norm;
  r.counts = r.gradient.dot(normal) > 0.6;
  return r;
}

}  // namespace

RigidFit fitToSurface(const std::vector<OrientedPoint>& points, const image::CtVolume& map, double reach_mm) {
  RigidFit fit;
  if (points.empty()) return fit;
  Eigen::Vector3d centre = Eigen::Vector3d::Zero();
  for (const auto& p : points) centre += p.position / static_cast<double>(points.size());
  double radius = 1;
  for (const auto& p : points) radius += (p.position - centre).norm() / static_cast<double>(points.size());
  using Matrix6 = Eigen::Matrix<double, 6, 6>;
  using Vector6 = Eigen::Matrix<double, 6, 1>;
  for (int iteration = 0; iteration < 40; ++iteration) {
    Matrix6 normal_matrix = Matrix6::Zero();
    Vector6 right = Vector6::Zero();
    std::vector<double> distances;
    for (const auto& point : points) {
      const Eigen::Vector3d p = fit.transform * point.position, n = fit.transform.linear() * point.normal;
      const Residual r = residualAt(map, p, n, reach_mm);
      if (!r.counts) continue;
      distances.push_back(std::abs(r.distance));
      const double u = r.distance / reach_mm, weight = (1 - u * u) * (1 - u * u);
      Vector6 row;
      row << (p - centre).cross(r.gradient) / radius, r.gradient;
      normal_matrix += weight * row * row.transpose();
      right -= weight * r.distance * row;
    }
    fit.inlier_share = static_cast<double>(distances.size()) / static_cast<double>(points.size());
    if (distances.size() < 50) return fit;
    std::nth_element(distances.begin(), distances.begin() + distances.size() / 2, distances.end());
    fit.residual_mm = distances[distances.size() / 2];
    normal_matrix += 0.02 * static_cast<double>(distances.size()) * Matrix6::Identity();
    const Vector6 step = normal_matrix.ldlt().solve(right);
    const Eigen::Vector3d turn = step.head<3>() / radius;
    Eigen::Isometry3d update = Eigen::Isometry3d::Identity();
    if (turn.norm() > 1e-12) update.linear() = Eigen::AngleAxisd(turn.norm(), turn.normalized()).toRotationMatrix();
    update.translation() = centre - update.linear() * centre + step.tail<3>();
    fit.transform = update * fit.transform;
    if (step.norm() < 1e-4) break;
  }
  return fit;
}

}  // namespace osteo::registration
