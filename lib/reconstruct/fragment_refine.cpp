#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "reconstruct/fragment_fit.h"
#include "reconstruct/point_grid.h"

namespace osteo::reconstruct {

using Eigen::Isometry3d;
using Eigen::Vector3d;

namespace {

using Vector6 = Eigen::Matrix<double, 6, 1>;

constexpr int kNone = -1;
constexpr double kSlack_mm = 0.3;  ///< outer surfaces may overlap by this much before they are pushed apart

/// One distance that should vanish: of a point of body `of`, to body `to` or to the template.
struct Residual {
  int of = 0, to = kNone;
  double distance = 0, weight = 0;
  Vector3d at = Vector3d::Zero(), direction = Vector3d::Zero();
};

/// The points that face another body, and their neighbours with a like normal: what overhangs belongs to the break.
std::vector<char> breakPoints(const std::vector<Body>& bodies, const std::vector<char>& is_placed, std::size_t i,
                              double reach_mm) {
  const Body& body = bodies[i];
  const auto n = static_cast<std::int64_t>(body.points.size());
  std::vector<char> facing(n, 0), out(n, 0);
  core::parallelFor(n, [&](std::int64_t k) {
    const Vector3d p = body.pose * body.points[k].position, normal = body.pose.linear() * body.points[k].normal;
    for (std::size_t j = 0; j < bodies.size(); ++j) {
      if (j == i || is_placed[j] == 0) continue;
      const Away away = awayFrom(bodies[j].distance, bodies[j].pose, p);
      if (std::abs(away.distance_mm) < reach_mm && away.direction.dot(normal) < -0.5) facing[k] = 1;
    }
  });
  std::vector<Vector3d> places;
  for (const auto& p : body.points) places.push_back(p.position);
  const PointGrid grid(places, 3 * body.spacing_mm);
  core::parallelFor(n, [&](std::int64_t k) {
    out[k] = facing[k];
    grid.visit(places[k], 3 * body.spacing_mm, [&](std::uint32_t other, double) {
      if (facing[other] != 0 && body.points[other].normal.dot(body.points[k].normal) > 0.75) out[k] = 1;
    });
  });
  return out;
}

/// The residual of one point: on a break to the nearest body, else to the template, or out of a body it lies in.
Residual residualOf(const std::vector<Body>& bodies, const std::vector<char>& is_placed, const Reference* reference,
                    double reach_mm, const Residual& point) {
  Residual out = point;
  const bool breaks = point.weight > 0;
  const Vector3d normal = point.direction;
  double nearest = 1e300;
  for (std::size_t j = 0; j < bodies.size(); ++j) {
    if (static_cast<int>(j) == point.of || is_placed[j] == 0) continue;
    const Away away = awayFrom(bodies[j].distance, bodies[j].pose, point.at);
    const double d = away.distance_mm;
    if (std::abs(d) >= std::min(reach_mm, nearest) || away.direction.isZero()) continue;
    if (breaks ? away.direction.dot(normal) > 0.3 : d > -kSlack_mm) continue;
    nearest = std::abs(d);
    out.to = static_cast<int>(j);
    out.distance = d;
    out.direction = away.direction;
  }
  out.weight = 0;
  double scale = 1;
  if (out.to == kNone) {
    if (breaks || reference == nullptr) return out;
    const Away away = awayFrom(reference->distance, reference->from_patient.inverse(), point.at);
    if (std::abs(away.distance_mm) >= reach_mm || away.direction.dot(normal) < 0.6) return out;
    out.distance = away.distance_mm;
    out.direction = away.direction;
    scale = reference->weight;
  }
  const double u = out.distance / reach_mm;
  out.weight = scale * (1 - u * u) * (1 - u * u) * bodies[point.of].area_mm2;
  return out;
}

std::vector<Residual> residuals(const std::vector<Body>& bodies, const std::vector<char>& is_placed,
                                const std::vector<std::vector<char>>& breaks, const Reference* reference,
                                double reach_mm) {
  constexpr std::size_t kOuterStride = 3;
  std::vector<Residual> out;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    for (std::size_t k = 0; k < breaks[i].size(); ++k) {
      if (breaks[i][k] == 0 && k % kOuterStride != 0) continue;
      const auto& p = bodies[i].points[k];
      out.push_back({static_cast<int>(i), kNone, 0, breaks[i][k] != 0 ? 1.0 : 0.0, bodies[i].pose * p.position,
                     bodies[i].pose.linear() * p.normal});
    }
  }
  core::parallelChunks(static_cast<std::int64_t>(out.size()), 256,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t k = first; k < last; ++k)
                           out[k] = residualOf(bodies, is_placed, reference, reach_mm, out[k]);
                       });
  return out;
}

Vector6 rowOf(const Body& body, const Vector3d& at, const Vector3d& direction) {
  Vector6 row;
  row << (at - body.pose * body.centre).cross(direction) / body.radius, direction;
  return row;
}

void moveBy(Body& body, const Vector6& step) {
  const Vector3d turn = step.head<3>() / body.radius, centre = body.pose * body.centre;
  Isometry3d by = Isometry3d::Identity();
  if (turn.norm() > 1e-12) by.linear() = Eigen::AngleAxisd(turn.norm(), turn.normalized()).toRotationMatrix();
  by.translation() = centre - by.linear() * centre + step.tail<3>();
  body.pose = by * body.pose;
}

/// One step of all free bodies; returns the longest.
double stepTogether(std::vector<Body>& bodies, const std::vector<char>& is_free, const std::vector<Residual>& found) {
  const auto n = static_cast<Eigen::Index>(6 * bodies.size());
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(n, n);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(n);
  for (const Residual& r : found) {
    if (r.weight == 0) continue;
    const Eigen::Index a = 6 * static_cast<Eigen::Index>(r.of), b = 6 * static_cast<Eigen::Index>(r.to);
    const Vector6 of = rowOf(bodies[r.of], r.at, r.direction);
    matrix.block<6, 6>(a, a) += r.weight * of * of.transpose();
    right.segment<6>(a) -= r.weight * r.distance * of;
    if (r.to == kNone) continue;
    const Vector6 to = -rowOf(bodies[r.to], r.at, r.direction);
    matrix.block<6, 6>(b, b) += r.weight * to * to.transpose();
    matrix.block<6, 6>(a, b) += r.weight * of * to.transpose();
    matrix.block<6, 6>(b, a) += r.weight * to * of.transpose();
    right.segment<6>(b) -= r.weight * r.distance * to;
  }
  const double damping = 1e-3 * matrix.trace() / static_cast<double>(n) + 1e-9;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const auto at = 6 * static_cast<Eigen::Index>(i);
    matrix.block<6, 6>(at, at) += (is_free[i] != 0 ? damping : 1e12) * Eigen::Matrix<double, 6, 6>::Identity();
  }
  const Eigen::VectorXd step = matrix.ldlt().solve(right);
  double longest = 0;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    if (is_free[i] == 0) continue;
    const Vector6 mine = step.segment<6>(6 * static_cast<Eigen::Index>(i));
    const double limit = std::min(1.0, 3 / std::max(1e-12, mine.norm()));
    moveBy(bodies[i], limit * mine);
    longest = std::max(longest, mine.norm());
  }
  return longest;
}

}  // namespace

void refineTogether(std::vector<Body>& bodies, const std::vector<char>& is_placed, const std::vector<char>& is_free,
                    const Reference* reference, double reach_mm) {
  constexpr int kRounds = 12;
  constexpr double kNearest_mm = 1.5;
  for (double reach = reach_mm;; reach = std::max(kNearest_mm, 0.6 * reach)) {
    std::vector<std::vector<char>> breaks(bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      if (is_placed[i] != 0) breaks[i] = breakPoints(bodies, is_placed, i, reach);
    }
    for (int round = 0; round < kRounds; ++round) {
      const auto found = residuals(bodies, is_placed, breaks, reference, reach);
      if (stepTogether(bodies, is_free, found) < 1e-3) break;
    }
    if (reach <= kNearest_mm) return;
  }
}

}  // namespace osteo::reconstruct
