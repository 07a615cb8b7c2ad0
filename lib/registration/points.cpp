#include "registration/points.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>

#include "core/error.h"

namespace osteo::registration {
namespace {

using Eigen::Matrix3d;
using Eigen::Vector3d;

constexpr double kThinnest = 1e-3;  // second over first extent of points that are taken for a line

Vector3d centreOf(const std::vector<Vector3d>& points) {
  Vector3d centre = Vector3d::Zero();
  for (const auto& p : points) centre += p;
  return centre / static_cast<double>(points.size());
}

/// Principal axes (columns) and the mean squared extents along them, ascending.
Eigen::SelfAdjointEigenSolver<Matrix3d> principal(const std::vector<Vector3d>& points, const Vector3d& centre) {
  Matrix3d spread = Matrix3d::Zero();
  for (const auto& p : points) spread += (p - centre) * (p - centre).transpose();
  return Eigen::SelfAdjointEigenSolver<Matrix3d>(spread / static_cast<double>(points.size()));
}

void requireSpread(const std::vector<Vector3d>& points, const char* which) {
  if (points.size() < 3)
    throw core::Error(core::Exit::DataError, {.what = "too few points to fix a position and a turn",
                                              .expected = "at least 3 pairs",
                                              .got = fmt::format("{}", points.size())});
  const Vector3d extent = principal(points, centreOf(points)).eigenvalues().cwiseMax(0).cwiseSqrt();
  if (!(extent[1] > kThinnest * extent[2]) || !(extent[2] > 0))
    throw core::Error(core::Exit::DataError,
                      {.what = fmt::format("the {} points lie on one line: the turn about it stays open", which),
                       .expected = "points spread over an area",
                       .got = fmt::format("extents of {:.3g}, {:.3g} and {:.3g} mm", extent[2], extent[1], extent[0]),
                       .hint = "mark a point away from the line"});
}

}  // namespace

PointFit fitPoints(const std::vector<Vector3d>& moving, const std::vector<Vector3d>& fixed, bool with_scale) {
  if (moving.size() != fixed.size())
    throw core::Error(core::Exit::DataError, {.what = "the points are no pairs",
                                              .expected = fmt::format("{} points", fixed.size()),
                                              .got = fmt::format("{}", moving.size())});
  requireSpread(fixed, "fixed");
  requireSpread(moving, "moving");
  const Vector3d from = centreOf(moving), to = centreOf(fixed);
  Matrix3d cross = Matrix3d::Zero();
  double moving_square = 0, fixed_square = 0;
  for (std::size_t i = 0; i < moving.size(); ++i) {
    cross += (fixed[i] - to) * (moving[i] - from).transpose();
    moving_square += (moving[i] - from).squaredNorm();
    fixed_square += (fixed[i] - to).squaredNorm();
  }
  const Eigen::JacobiSVD<Matrix3d> svd(cross, Eigen::ComputeFullU | Eigen::ComputeFullV);
  Vector3d sign(1, 1, svd.matrixU().determinant() * svd.matrixV().determinant() < 0 ? -1 : 1);
  const Vector3d& strength = svd.singularValues();
  if (!(strength[1] > 1e-9 * strength[0]))
    throw core::Error(core::Exit::DataError,
                      {.what = "the pairs don't fix a turn: the two sets have nothing in common"});
  PointFit fit;
  const double agreement = strength.dot(sign), mirrored = strength.dot(Vector3d(1, 1, -sign[2]));
  if (with_scale) fit.scale = agreement / moving_square;
  fit.transform.linear() = fit.scale * (svd.matrixU() * sign.asDiagonal() * svd.matrixV().transpose());
  fit.transform.translation() = to - fit.transform.linear() * from;
  const auto count = static_cast<double>(moving.size());
  const double mirror_scale = with_scale ? mirrored / moving_square : 1;
  fit.mirrored_fre_mm = std::sqrt(
      std::max(0.0, fixed_square - 2 * mirror_scale * mirrored + mirror_scale * mirror_scale * moving_square) / count);
  double square = 0;
  for (std::size_t i = 0; i < moving.size(); ++i) {
    fit.distances_mm.push_back((fit.transform * moving[i] - fixed[i]).norm());
    square += fit.distances_mm.back() * fit.distances_mm.back();
  }
  fit.fre_mm = std::sqrt(square / count);
  return fit;
}

std::vector<double> predictedTre_mm(const std::vector<Vector3d>& fiducials, const std::vector<Vector3d>& targets_mm,
                                    double fle_mm) {
  requireSpread(fiducials, "fixed");
  const Vector3d centre = centreOf(fiducials);
  const auto axes = principal(fiducials, centre);
  const Vector3d& mean_square = axes.eigenvalues();
  std::vector<double> errors;
  errors.reserve(targets_mm.size());
  for (const Vector3d& target_mm : targets_mm) {
    const Vector3d target = axes.eigenvectors().transpose() * (target_mm - centre);
    double sum = 0;
    for (int k = 0; k < 3; ++k) {
      const double d2 = target.squaredNorm() - target[k] * target[k];
      const double f2 = mean_square.sum() - mean_square[k];
      sum += d2 / f2 / 3;
    }
    errors.push_back(fle_mm * std::sqrt((1 + sum) / static_cast<double>(fiducials.size())));
  }
  return errors;
}

double predictedFre_mm(std::size_t count, double fle_mm) {
  return count > 2 ? fle_mm * std::sqrt(1 - 2.0 / static_cast<double>(count)) : 0;
}

}  // namespace osteo::registration
