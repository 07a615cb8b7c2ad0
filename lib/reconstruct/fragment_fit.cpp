#include "reconstruct/fragment_fit.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/statistics.h"
#include "reconstruct/point_grid.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Isometry3d;
using Eigen::Vector3d;

constexpr float kOutside = 1e3F;
constexpr double kFaceSd_mm = 0.3, kBandSd_mm = 0.4;  ///< what clean fracture surfaces differ by
constexpr double kBandCorrelation_mm = 4;             ///< errors nearer than that are alike
constexpr double kFaceCorrelation_mm = 2;
constexpr double kTouch_mm = 1.0;  ///< counts as contact in a score

double tukey(double residual, double reach) {
  const double u = residual / reach;
  return std::abs(u) >= 1 ? 0 : (1 - u * u) * (1 - u * u);
}

/// A body's signed distance and its unit slope at a place of the common frame; false where it is out of reach.
bool distanceTo(const image::CtVolume& map, const Isometry3d& pose, const Vector3d& at, double& d, Vector3d& slope) {
  const Vector3d local = pose.inverse() * at;
  d = image::sampleLinear(map, map.frame.toIndex(local), kOutside);
  if (d > 0.5 * kOutside) return false;
  slope = registration::gradientAt(map, local, kOutside);
  const double norm = slope.norm();
  if (norm < 0.3 || norm > 3) return false;
  slope = pose.linear() * slope / norm;
  return true;
}

/// The normal equations of all moving fragments; each has six unknowns about its own middle.
class System {
 public:
  System(const Assembly& assembly, const std::vector<int>& moving)
      : assembly_(assembly), slot_(assembly.bodies.size(), -1), size_(6 * static_cast<Eigen::Index>(moving.size())) {
    for (std::size_t k = 0; k < moving.size(); ++k) slot_[moving[k]] = static_cast<int>(k);
    matrix_ = Eigen::MatrixXd::Zero(size_, size_);
    right_ = Eigen::VectorXd::Zero(size_);
  }
  bool moves(int body) const { return slot_[body] >= 0; }

  /// A residual that grows when body a moves along `slope` at `at`, and shrinks when body b does (-1: none).
  void add(int a, int b, const Vector3d& at, const Vector3d& slope, double residual, double weight) {
    Eigen::Matrix<double, 6, 1> rows[2];
    const int bodies[2] = {a, b};
    for (int side = 0; side < 2; ++side) {
      if (bodies[side] < 0 || !moves(bodies[side])) continue;
      const Body& body = assembly_.bodies[bodies[side]];
      const Vector3d arm = at - assembly_.poses[bodies[side]] * body.centre_mm;
      rows[side] << arm.cross(slope) / body.radius_mm, slope;
      if (side == 1) rows[side] *= -1;
    }
    for (int i = 0; i < 2; ++i) {
      if (bodies[i] < 0 || !moves(bodies[i])) continue;
      right_.segment<6>(6 * slot_[bodies[i]]) -= weight * residual * rows[i];
      for (int j = 0; j < 2; ++j) {
        if (bodies[j] < 0 || !moves(bodies[j])) continue;
        matrix_.block<6, 6>(6 * slot_[bodies[i]], 6 * slot_[bodies[j]]) += weight * rows[i] * rows[j].transpose();
      }
    }
  }

  /// Solves and moves; returns the largest step in mm.
  double apply(std::vector<Isometry3d>& poses, double largest_mm) {
    matrix_.diagonal().array() += 1e-3 * matrix_.trace() / static_cast<double>(size_) + 1e-9;
    Eigen::VectorXd step = matrix_.ldlt().solve(right_);
    const double most = step.cwiseAbs().maxCoeff();
    if (most > largest_mm) step *= largest_mm / most;
    for (std::size_t b = 0; b < slot_.size(); ++b) {
      if (slot_[b] < 0) continue;
      const Body& body = assembly_.bodies[b];
      const Vector3d turn = step.segment<3>(6 * slot_[b]) / body.radius_mm, centre = poses[b] * body.centre_mm;
      Isometry3d update = Isometry3d::Identity();
      if (turn.norm() > 1e-12) update.linear() = Eigen::AngleAxisd(turn.norm(), turn.normalized()).toRotationMatrix();
      update.translation() = centre - update.linear() * centre + step.segment<3>(6 * slot_[b] + 3);
      poses[b] = update * poses[b];
    }
    return most;
  }

 private:
  const Assembly& assembly_;
  std::vector<int> slot_;
  Eigen::Index size_;
  Eigen::MatrixXd matrix_;
  Eigen::VectorXd right_;
};

double areaOfPoint(const Body& body, const std::vector<BodyPoint>& points) {
  return body.area_mm2 / static_cast<double>(std::max<std::size_t>(1, points.size()));
}

/// The part of another body that faces a point of a fracture surface.
struct Facing {
  int body = -1;
  double distance_mm = 0;
  Vector3d slope = Vector3d::Zero();
};

Facing facing(const Assembly& a, int of, const Vector3d& at, const Vector3d& normal, double reach_mm) {
  Facing best;
  for (int other = 0; other < static_cast<int>(a.bodies.size()); ++other) {
    if (other == of || a.placed[other] == 0) continue;
    double d = 0;
    Vector3d slope;
    if (!distanceTo(a.bodies[other].distance, a.poses[other], at, d, slope)) continue;
    if (std::abs(d) >= reach_mm || slope.dot(normal) > -0.6) continue;
    if (best.body < 0 || std::abs(d) < std::abs(best.distance_mm)) best = {other, d, slope};
  }
  return best;
}

void addGoal(const Assembly& a, int b, double reach_mm, System& system) {
  const Body& body = a.bodies[b];
  const double sd = a.goal->sd_mm;
  const double weight = areaOfPoint(body, body.fine) / std::pow(sd * a.goal_correlation_mm, 2);
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    if (body.broken[i] != 0) continue;
    const Vector3d at = a.poses[b] * body.fine[i].position;
    double d = 0;
    Vector3d slope;
    if (!distanceTo(a.goal->distance, Isometry3d::Identity(), at, d, slope)) continue;
    if (slope.dot(a.poses[b].linear() * body.fine[i].normal) < 0.6) continue;
    system.add(b, -1, at, slope, d, weight * tukey(d, std::max(reach_mm, 4 * sd)));
  }
}

void addFaces(const Assembly& a, int b, double reach_mm, System& system) {
  const Body& body = a.bodies[b];
  const double weight = areaOfPoint(body, body.fine) / std::pow(kFaceSd_mm * kFaceCorrelation_mm, 2);
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    if (body.broken[i] == 0) continue;
    const Vector3d at = a.poses[b] * body.fine[i].position;
    const Facing f = facing(a, b, at, a.poses[b].linear() * body.fine[i].normal, reach_mm);
    if (f.body >= 0 && (system.moves(b) || system.moves(f.body)))
      system.add(b, f.body, at, f.slope, f.distance_mm, weight * tukey(f.distance_mm, reach_mm));
  }
}

void addPenetration(const Assembly& a, int b, double reach_mm, System& system) {
  const Body& body = a.bodies[b];
  const double weight = areaOfPoint(body, body.points) / std::pow(kFaceSd_mm * kFaceCorrelation_mm, 2);
  for (const auto& p : body.points) {
    const Vector3d at = a.poses[b] * p.position;
    for (int other = 0; other < static_cast<int>(a.bodies.size()); ++other) {
      if (other == b || a.placed[other] == 0 || !(system.moves(b) || system.moves(other))) continue;
      double d = 0;
      Vector3d slope;
      if (!distanceTo(a.bodies[other].distance, a.poses[other], at, d, slope)) continue;
      if (d < -0.4 * kTouch_mm && d > -3 * reach_mm)
        system.add(b, other, at, slope, d, weight * std::min(1.0, -reach_mm / d));
    }
  }
}

/// Intact points beside a fracture, in the body's frame.
struct Band {
  std::vector<Vector3d> positions, normals;
  std::vector<std::size_t> index;
};

Band bandOf(const Body& body) {
  Band band;
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    if (body.band[i] == 0) continue;
    band.positions.push_back(body.fine[i].position);
    band.normals.push_back(body.fine[i].normal);
  }
  return band;
}

/// Calls body(at, mean normal, residual) for the points of b's band that go on on the other body's.
template <class Visit>
void visitBand(const Assembly& a, const std::vector<Band>& bands, int b, int other, const Visit& visit) {
  if (bands[b].positions.empty() || bands[other].positions.empty()) return;
  const double reach = 4 * a.bodies[b].spacing_mm;
  const PointGrid grid(bands[other].positions, reach);
  const Isometry3d to = a.poses[other].inverse() * a.poses[b];
  for (std::size_t i = 0; i < bands[b].positions.size(); ++i) {
    const Vector3d local = to * bands[b].positions[i], normal = to.linear() * bands[b].normals[i];
    double best = 1e300;
    std::uint32_t nearest = 0;
    grid.visit(local, reach, [&](std::uint32_t k, double d2) {
      if (d2 < best && bands[other].normals[k].dot(normal) > 0.8) best = d2, nearest = k;
    });
    if (best > reach * reach) continue;
    const Vector3d mean = (normal + bands[other].normals[nearest]).normalized();
    visit(a.poses[b] * bands[b].positions[i], a.poses[other].linear() * mean,
          mean.dot(local - bands[other].positions[nearest]));
  }
}

std::vector<Band> bandsOf(const Assembly& a) {
  std::vector<Band> bands;
  for (const Body& body : a.bodies) bands.push_back(bandOf(body));
  return bands;
}

}  // namespace

void fitTogether(Assembly& assembly, const std::vector<int>& moving, double far_mm, double near_mm, int rounds) {
  if (moving.empty()) return;
  const auto bands = bandsOf(assembly);
  const int n = static_cast<int>(assembly.bodies.size());
  for (int round = 0; round < rounds; ++round) {
    const double t = rounds == 1 ? 1 : std::min(1.0, 1.3 * round / (rounds - 1));
    const double reach = far_mm * std::pow(near_mm / far_mm, t);
    System system(assembly, moving);
    for (int b = 0; b < n; ++b) {
      if (assembly.placed[b] == 0) continue;
      if (assembly.goal != nullptr && system.moves(b)) addGoal(assembly, b, reach, system);
      addFaces(assembly, b, reach, system);
      addPenetration(assembly, b, reach, system);
      const double weight =
          areaOfPoint(assembly.bodies[b], assembly.bodies[b].fine) / std::pow(kBandSd_mm * kBandCorrelation_mm, 2);
      for (int other = 0; other < n; ++other) {
        if (other == b || assembly.placed[other] == 0 || !(system.moves(b) || system.moves(other))) continue;
        visitBand(assembly, bands, b, other, [&](const Vector3d& at, const Vector3d& normal, double residual) {
          system.add(b, other, at, normal, residual, weight * tukey(residual, reach));
        });
      }
    }
    if (system.apply(assembly.poses, far_mm) < 1e-3 && t == 1) break;
  }
}

std::vector<double> facingShares(const Assembly& a, int b) {
  const Body& body = a.bodies[b];
  std::vector<double> facing_points(body.patches.size(), 0), all(body.patches.size(), 1e-9);
  for (const auto& p : body.fine) {
    if (p.patch < 0) continue;
    all[p.patch] += 1;
    if (facing(a, b, a.poses[b] * p.position, a.poses[b].linear() * p.normal, 2 * kTouch_mm).body >= 0)
      facing_points[p.patch] += 1;
  }
  for (std::size_t k = 0; k < all.size(); ++k) facing_points[k] /= all[k];
  return facing_points;
}

Standing standingOf(const Assembly& a, int b) {
  const Body& body = a.bodies[b];
  Standing s;
  double facing_mm2 = 0, square = 0;
  const double each = areaOfPoint(body, body.fine), coarse = areaOfPoint(body, body.points);
  std::vector<double> to_goal;
  std::size_t intact = 0;
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    const Vector3d at = a.poses[b] * body.fine[i].position, normal = a.poses[b].linear() * body.fine[i].normal;
    double d = 0;
    Vector3d slope;
    if (body.broken[i] != 0) {
      const Facing f = facing(a, b, at, normal, 4 * kTouch_mm);
      if (f.body < 0) continue;
      facing_mm2 += each;
      s.gap_mm += each * std::max(0.0, f.distance_mm);
      if (std::abs(f.distance_mm) >= kTouch_mm) continue;
      s.contact_mm2 += each;
      square += each * f.distance_mm * f.distance_mm;
      s.score += each * (1 - std::pow(f.distance_mm / kTouch_mm, 2));
    } else if (a.goal != nullptr) {
      ++intact;
      if (!distanceTo(a.goal->distance, Isometry3d::Identity(), at, d, slope) || slope.dot(normal) < 0.6) continue;
      if (std::abs(d) >= a.goal->reach_mm) continue;
      to_goal.push_back(std::abs(d));
      s.score += 0.3 * each * (1 - std::pow(d / a.goal->reach_mm, 2));
    }
  }
  for (const auto& p : body.points) {
    for (std::size_t other = 0; other < a.bodies.size(); ++other) {
      if (static_cast<int>(other) == b || a.placed[other] == 0) continue;
      const image::CtVolume& map = a.bodies[other].distance;
      const Vector3d local = a.poses[other].inverse() * (a.poses[b] * p.position);
      const double d = image::sampleLinear(map, map.frame.toIndex(local), kOutside);
      s.score -= coarse * std::clamp(-d / kTouch_mm - 1, 0.0, 5.0);
    }
  }
  const auto bands = bandsOf(a);
  for (int other = 0; other < static_cast<int>(a.bodies.size()); ++other) {
    if (other == b || a.placed[other] == 0) continue;
    visitBand(a, bands, b, other, [&](const Vector3d&, const Vector3d&, double r) {
      s.score += 0.5 * each * std::max(0.0, 1 - std::pow(r / kTouch_mm, 2));
    });
  }
  s.goal_share = intact > 0 ? static_cast<double>(to_goal.size()) / static_cast<double>(intact) : 0;
  s.goal_mm = core::quantile(to_goal, 0.5);
  s.contact_mm = s.contact_mm2 > 0 ? std::sqrt(square / s.contact_mm2) : 0;
  s.gap_mm = facing_mm2 > 0 ? s.gap_mm / facing_mm2 : 0;
  return s;
}

}  // namespace osteo::reconstruct
