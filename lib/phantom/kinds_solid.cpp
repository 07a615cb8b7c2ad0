#include <numbers>

#include "phantom/implicit.h"
#include "phantom/kinds.h"
#include "phantom/measure.h"

namespace osteo::phantom {

using Eigen::Vector3d;

namespace {

/// One solid of one material: function 0.
Anatomy solid(double bone_hu, const Vector3d& half_mm, std::function<double(const Vector3d&)> f) {
  Anatomy out;
  out.append(1, [f = std::move(f)](const Vector3d& p, double* values) { values[0] = f(p); });
  out.paints = {{{0}, image::Cortical, uniform(bone_hu)}};
  out.bodies = {{"bone", {{1.0, {0}, {1.0}}}}};
  out.bone = {0};
  out.min_mm = -half_mm;
  out.max_mm = half_mm;
  out.smoothness_mm = half_mm.minCoeff() / 25;
  return out;
}

constexpr double kPi = std::numbers::pi;

void setExact(Anatomy& anatomy, double volume_mm3, double area_mm2) {
  anatomy.bodies.front().exact_volume_mm3 = volume_mm3;
  anatomy.bodies.front().exact_area_mm2 = area_mm2;
}

}  // namespace

Anatomy sphere(double radius_mm, double bone_hu) {
  Anatomy out = solid(bone_hu, Vector3d::Constant(radius_mm), [=](const Vector3d& p) { return p.norm() - radius_mm; });
  setExact(out, 4.0 / 3 * kPi * std::pow(radius_mm, 3), 4 * kPi * radius_mm * radius_mm);
  out.defect_centre_mm = {0.7 * radius_mm, -0.5 * radius_mm, 0.3 * radius_mm};
  out.defect_diameter_mm = 0.7 * radius_mm;
  return out;
}

Anatomy ellipsoid(const Vector3d& semi_axes_mm, double bone_hu) {
  Anatomy out = solid(bone_hu, semi_axes_mm, [=](const Vector3d& p) { return ellipsoidDistance<3>(p, semi_axes_mm); });
  const double least = semi_axes_mm.minCoeff(), most = semi_axes_mm.maxCoeff();
  out.smoothness_mm = least * least / most / 15;
  setExact(out, 4.0 / 3 * kPi * semi_axes_mm.prod(), ellipsoidArea_mm2(semi_axes_mm));
  out.defect_centre_mm = semi_axes_mm.cwiseProduct(Vector3d(0.7, -0.5, 0.3));
  out.defect_diameter_mm = 0.7 * least;
  return out;
}

Anatomy torus(double ring_mm, double tube_mm, double bone_hu) {
  const double outer = ring_mm + tube_mm;
  Anatomy out = solid(bone_hu, {outer, outer, tube_mm},
                      [=](const Vector3d& p) { return std::hypot(std::hypot(p[0], p[1]) - ring_mm, p[2]) - tube_mm; });
  out.smoothness_mm = tube_mm / 20;
  setExact(out, 2 * kPi * kPi * ring_mm * tube_mm * tube_mm, 4 * kPi * kPi * ring_mm * tube_mm);
  out.defect_centre_mm = {ring_mm * 0.8, -ring_mm * 0.6, 0.6 * tube_mm};
  out.defect_diameter_mm = 1.1 * tube_mm;
  return out;
}

}  // namespace osteo::phantom
