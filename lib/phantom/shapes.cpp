#include "phantom/shapes.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "phantom/draw.h"

namespace osteo::phantom {

using Eigen::Matrix3d;
using Eigen::Vector3d;

Vector3d Draw::direction() {
  const double z = between(-1, 1), phi = between(0, 2 * std::numbers::pi), rho = std::sqrt(std::max(0.0, 1 - z * z));
  return {rho * std::cos(phi), rho * std::sin(phi), z};
}

double Texture::operator()(const Vector3d& p) const {
  const Vector3d q = p * per_mm_;
  std::int64_t cell[3];
  double t[3];
  for (int d = 0; d < 3; ++d) {
    const double floor = std::floor(q[d]);
    cell[d] = static_cast<std::int64_t>(floor);
    t[d] = q[d] - floor;
    t[d] = t[d] * t[d] * (3 - 2 * t[d]);
  }
  const auto value = [&](int i, int j, int k) {
    const auto key = static_cast<std::uint64_t>(cell[0] + i) * 0x9e3779b97f4a7c15ULL ^
                     static_cast<std::uint64_t>(cell[1] + j) * 0xc2b2ae3d27d4eb4fULL ^
                     static_cast<std::uint64_t>(cell[2] + k) * 0x165667b19e3779f9ULL;
    return static_cast<double>(core::mix(key ^ seed_) >> 11) * 0x1.0p-52 - 1;
  };
  double out = 0;
  for (int corner = 0; corner < 8; ++corner) {
    const int i = corner & 1, j = (corner >> 1) & 1, k = corner >> 2;
    out += (i ? t[0] : 1 - t[0]) * (j ? t[1] : 1 - t[1]) * (k ? t[2] : 1 - t[2]) * value(i, j, k);
  }
  return 1.4 * out;
}

Matrix3d turn(const Vector3d& degrees) {
  const Vector3d angle = degrees * (std::numbers::pi / 180);
  return (Eigen::AngleAxisd(angle[2], Vector3d::UnitZ()) * Eigen::AngleAxisd(angle[1], Vector3d::UnitY()) *
          Eigen::AngleAxisd(angle[0], Vector3d::UnitX()))
      .toRotationMatrix();
}

double Rod::distance(const Vector3d& p) const {
  const Vector3d along = b - a;
  const double t = std::clamp((p - a).dot(along) / along.squaredNorm(), 0.0, 1.0);
  return (p - a - t * along).norm() - (radius_a_mm + t * (radius_b_mm - radius_a_mm));
}

std::vector<Rod> chain(const std::vector<Vector3d>& points, const std::vector<double>& radii_mm) {
  std::vector<Rod> out;
  for (std::size_t i = 0; i + 1 < points.size(); ++i)
    out.push_back({points[i], points[i + 1], radii_mm[i], radii_mm[i + 1]});
  return out;
}

double Plate::distance(const Vector3d& p) const {
  const Vector3d normal = (b - a).cross(c - a);
  const Vector3d corners[3] = {a, b, c};
  bool above = true;
  double edge2 = 1e18;
  for (int i = 0; i < 3; ++i) {
    const Vector3d side = corners[(i + 1) % 3] - corners[i], to = p - corners[i];
    above = above && side.cross(normal).dot(to) <= 0;
    const double t = std::clamp(side.dot(to) / side.squaredNorm(), 0.0, 1.0);
    edge2 = std::min(edge2, (to - t * side).squaredNorm());
  }
  const double distance = above ? std::abs(normal.dot(p - a)) / normal.norm() : std::sqrt(edge2);
  return distance - half_thickness_mm;
}

namespace {

/// The smallest box around the parts, as a ball.
void bound(const Grown& parts, Shape& shape) {
  Vector3d low = Vector3d::Constant(1e9), high = -low;
  const auto include = [&](const Vector3d& p, double radius) {
    low = low.cwiseMin(p - Vector3d::Constant(radius));
    high = high.cwiseMax(p + Vector3d::Constant(radius));
  };
  for (const Rod& rod : parts.rods) include(rod.a, rod.radius_a_mm), include(rod.b, rod.radius_b_mm);
  for (const Lobe& lobe : parts.lobes) include(lobe.centre, lobe.semi_axes.maxCoeff());
  for (const Plate& plate : parts.plates) {
    for (const Vector3d& corner : {plate.a, plate.b, plate.c}) include(corner, plate.half_thickness_mm);
  }
  shape.centre_mm = (low + high) / 2;
  shape.radius_mm = (high - low).norm() / 2 + parts.fillet_mm + 2 * parts.warp_mm;
}

/// A lobe made ready: ellipsoidDistance() without its divisions.
struct FastLobe {
  explicit FastLobe(const Lobe& lobe)
      : back(lobe.semi_axes.cwiseInverse().asDiagonal() * lobe.rotation.transpose()),
        shift(back * lobe.centre),
        inverse2(lobe.semi_axes.cwiseInverse().cwiseAbs2()) {}
  double distance(const Vector3d& p) const {
    constexpr double kSoftening = 0.05;  // as in ellipsoidDistance()
    const Vector3d q = back * p - shift;
    const double k2 = q.squaredNorm();
    const double slope2 = q.cwiseAbs2().dot(inverse2) + kSoftening * inverse2.maxCoeff();
    return (std::sqrt(k2) - 1) * std::sqrt((k2 + kSoftening) / slope2);
  }
  Matrix3d back;
  Vector3d shift, inverse2;
};

std::vector<FastLobe> ready(const std::vector<Lobe>& lobes) { return {lobes.begin(), lobes.end()}; }

}  // namespace

Shape grow(const Grown& parts) {
  Shape out;
  bound(parts, out);
  const Warp warp(parts.warp_mm, parts.seed);
  out.distance = [parts, warp, lobes = ready(parts.lobes), holes = ready(parts.holes)](const Vector3d& point) {
    const Vector3d p = parts.warp_mm > 0 ? warp(point) : point;
    double d = 1e9;
    const auto join = [&](double value) { d = d > 1e8 ? value : filletMin(d, value, parts.fillet_mm); };
    for (const Rod& rod : parts.rods) join(rod.distance(p));
    for (const FastLobe& lobe : lobes) join(lobe.distance(p));
    for (const Plate& plate : parts.plates) join(plate.distance(p));
    for (const FastLobe& hole : holes) d = filletMax(d, -hole.distance(p), parts.hole_fillet_mm);
    return d;
  };
  return out;
}

Shape placed(const Shape& shape, const Matrix3d& rotation, const Vector3d& shift_mm, double scale) {
  const Matrix3d back = rotation.transpose() / scale;
  return {[=, before = shape.distance](const Vector3d& p) { return scale * before(back * (p - shift_mm)); },
          rotation * (scale * shape.centre_mm) + shift_mm, scale * shape.radius_mm};
}

}  // namespace osteo::phantom
