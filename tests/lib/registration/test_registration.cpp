#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"
#include "registration/distance_map.h"
#include "registration/rigid.h"
#include "registration/symmetry.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

image::Frame grid(int size, double spacing) {
  image::Frame frame;
  frame.size = Eigen::Vector3i::Constant(size);
  frame.spacing_mm = Vector3d::Constant(spacing);
  frame.origin_mm = Vector3d::Constant(-0.5 * spacing * (size - 1));
  return frame;
}

/// A head-like body that is symmetric in x: an egg with two horns.
double body(const Vector3d& p) {
  const double egg =
      Vector3d(p.x() / 34, p.y() / (p.y() > 0 ? 55 : 48), p.z() / (p.z() > 0 ? 44 : 60)).norm() * 45 - 45;
  const Vector3d q(std::abs(p.x()) - 26, p.y() + 35, p.z() + 20);
  return std::min(egg, q.norm() - 14);
}

}  // namespace

TEST_CASE("the distance map agrees with the distance to a point on an uneven grid") {
  image::Frame frame = grid(25, 1.0);
  frame.spacing_mm = {0.7, 1.1, 2.0};
  const std::int64_t marked = 7 + 25 * (12 + 25 * 3);
  const auto map = registration::distanceTo(frame, [&](std::int64_t i) { return i == marked; });
  double worst = 0;
  for (int k = 0; k < 25; ++k) {
    for (int j = 0; j < 25; ++j) {
      for (int i = 0; i < 25; ++i) {
        const double d = Vector3d(i - 7, j - 12, k - 3).cwiseProduct(frame.spacing_mm).norm();
        worst = std::max(worst, std::abs(d - map.at(i, j, k)));
      }
    }
  }
  CHECK(worst < 1e-4);
}

TEST_CASE("the mirror plane of a tilted, damaged body in a cut view is found") {
  const Eigen::Matrix3d turn =
      (Eigen::AngleAxisd(0.25, Vector3d::UnitZ()) * Eigen::AngleAxisd(0.12, Vector3d::UnitY())).toRotationMatrix();
  const Vector3d shift(4, -2, 3);
  const image::Frame frame = grid(110, 1.2);
  const auto exists = [&](const Vector3d& world) {
    const Vector3d p = turn.transpose() * (world - shift);
    if ((p - Vector3d(38, 5, 15)).norm() < 25 || world.z() < -45) return false;  // the defect, and the end of the view
    return body(p) < 0 || (std::abs(world.y() - 61) < 2 && world.x() > -10);     // a headrest on one side
  };
  std::vector<char> inside(frame.voxelCount());
  std::vector<Vector3d> points;
  const core::Random random(3);
  for (int k = 0, at = 0; k < 110; ++k) {
    for (int j = 0; j < 110; ++j) {
      for (int i = 0; i < 110; ++i, ++at) inside[at] = exists(frame.toWorld(Vector3d(i, j, k))) ? 1 : 0;
    }
  }
  auto map = registration::signedDistance(frame, [&](std::int64_t i) { return inside[i] != 0; });
  for (std::int64_t i = 0; i < frame.voxelCount(); ++i) {
    if (std::abs(map.voxels[i]) > 0.7 || random.uniform(i) > 0.2 ||
        frame.origin_mm.z() + 1.2 * static_cast<double>(i / 12100) < -42)
      continue;
    points.push_back(frame.toWorld(
        Vector3d(static_cast<double>(i % 110), static_cast<double>(i / 110 % 110), static_cast<double>(i / 12100))));
  }
  for (float& d : map.voxels) d = std::abs(d);
  const auto plane = registration::findSymmetry(points, map);
  const Vector3d truth = turn.col(0);
  CHECK(std::acos(std::min(1.0, std::abs(plane.normal.dot(truth)))) * 57.3 < 1.0);
  CHECK(std::abs(plane.normal.dot(shift) - plane.offset_mm) < 0.6);
  CHECK(plane.inlier_share > 0.6);
}

TEST_CASE("surface points slide back onto their surface") {
  const image::Frame frame = grid(110, 1.2);
  image::CtVolume map(frame);
  for (int k = 0, at = 0; k < 110; ++k) {
    for (int j = 0; j < 110; ++j) {
      for (int i = 0; i < 110; ++i, ++at) map.voxels[at] = static_cast<float>(body(frame.toWorld(Vector3d(i, j, k))));
    }
  }
  map = registration::signedDistance(frame, [&](std::int64_t i) { return map.voxels[i] < 0; });
  const Eigen::Isometry3d moved =
      Eigen::Translation3d(1.0, -0.8, 0.6) * Eigen::AngleAxisd(0.02, Vector3d(1, 2, 0).normalized());
  std::vector<registration::OrientedPoint> points;
  for (std::int64_t i = 0; i < frame.voxelCount(); i += 3) {
    if (std::abs(map.voxels[i]) > 0.7) continue;
    const Vector3d p = frame.toWorld(
        Vector3d(static_cast<double>(i % 110), static_cast<double>(i / 110 % 110), static_cast<double>(i / 12100)));
    const Vector3d n = registration::gradientAt(map, p, 1e3F).normalized();
    points.push_back({moved * (p - map.voxels[i] * n), moved.linear() * n});
  }
  const auto fit = registration::fitToSurface(points, map, 5);
  const Eigen::Isometry3d rest = fit.transform * moved;
  double worst = 0;
  for (const auto& p : points)
    worst = std::max(worst, (rest * (moved.inverse() * p.position) - moved.inverse() * p.position).norm());
  CHECK(worst < 0.35);
  CHECK(fit.inlier_share > 0.9);
}
