#pragma once
#include <Eigen/Core>
#include <functional>
#include <vector>

#include "phantom/implicit.h"

/// Cheap distances that bones and tissues of a scene are put together from.
namespace osteo::phantom {

using Distance = std::function<double(const Eigen::Vector3d&)>;

/// A body in space: signed distance in mm, negative inside, with a slope of at most 1.5.
struct Shape {
  Distance distance;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();  ///< of a ball that holds the body
  double radius_mm = 1e9;
};

/// Smooth random numbers in about [-1, 1] on a lattice with cells of this size.
class Texture {
 public:
  Texture(double cell_mm, std::uint64_t seed) : per_mm_(1 / cell_mm), seed_(core::mix(seed)) {}
  double operator()(const Eigen::Vector3d& p) const;

 private:
  double per_mm_;
  std::uint64_t seed_;
};

/// 0 below `low`, 1 above `high`, smooth in between.
inline double ramp(double x, double low, double high) {
  const double t = std::clamp((x - low) / (high - low), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

/// Minimum of two distances with a fillet (polynomial, Quilez 2013).
inline double filletMin(double a, double b, double fillet_mm) {
  const double h = std::max(fillet_mm - std::abs(a - b), 0.0) / fillet_mm;
  return std::min(a, b) - h * h * fillet_mm / 4;
}
inline double filletMax(double a, double b, double fillet_mm) { return -filletMin(-a, -b, fillet_mm); }

/// Rotation by angles (degrees) about x, then y, then z.
Eigen::Matrix3d turn(const Eigen::Vector3d& degrees);

/// A rod whose radius goes from one end's to the other's.
struct Rod {
  Eigen::Vector3d a, b;
  double radius_a_mm, radius_b_mm;
  double distance(const Eigen::Vector3d& p) const;
};

/// Rods through points in turn.
std::vector<Rod> chain(const std::vector<Eigen::Vector3d>& points, const std::vector<double>& radii_mm);

/// An ellipsoid in any pose.
struct Lobe {
  Eigen::Vector3d centre, semi_axes;
  Eigen::Matrix3d rotation = Eigen::Matrix3d::Identity();
  double distance(const Eigen::Vector3d& p) const {
    return ellipsoidDistance<3>(Eigen::Vector3d(rotation.transpose() * (p - centre)), semi_axes);
  }
};

/// A triangle of bone with rounded edges.
struct Plate {
  Eigen::Vector3d a, b, c;
  double half_thickness_mm;
  double distance(const Eigen::Vector3d& p) const;
};

/// Rods, lobes and plates grown together, with holes cut in; what is bent by the warp.
struct Grown {
  std::vector<Rod> rods;
  std::vector<Lobe> lobes;
  std::vector<Plate> plates;
  std::vector<Lobe> holes;
  double fillet_mm = 4, hole_fillet_mm = 2;
  double warp_mm = 0;
  std::uint64_t seed = 0;
};

/// The union of the parts as one shape in a ball that holds them.
Shape grow(const Grown& parts);

/// The same in another pose and size: p is moved to rotation * (scale p) + shift.
Shape placed(const Shape& shape, const Eigen::Matrix3d& rotation, const Eigen::Vector3d& shift_mm, double scale = 1);

}  // namespace osteo::phantom
