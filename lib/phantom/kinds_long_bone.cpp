#include "phantom/implicit.h"
#include "phantom/kinds.h"

namespace osteo::phantom {

using Eigen::Vector2d;
using Eigen::Vector3d;

namespace {

/// The three surfaces of a long bone: 0 periosteal, 1 endosteal, 2 medullary canal.
class Surfaces {
 public:
  Surfaces(const LongBone& shape, std::uint64_t seed)
      : half_(shape.length_mm / 2), s_(shape.shaft_mm / 26), warp_(shape.asymmetry_mm, seed) {}

  double cortex(double z) const { return s_ * (1.5 + 3.3 * std::exp(-std::pow(z / (0.3 * half_), 2) / 2)); }

  void operator()(const Vector3d& point, double* f) const {
    const Vector3d p = warp_(point);
    const double z = p[2], t = z / half_, blend = 2 * s_;
    const Vector2d axis(s_ * 1.5 * (1 - t * t), -s_ * 4.0 * (1 - t * t));  // bowed forward and a little to the left
    const Vector2d radii = s_ * (1 + 0.08 * t * t) * Vector2d(12.0, 13.5);
    const double wall = ellipsoidDistance<2>(Vector2d(p[0], p[1]) - axis, radii);
    const double shaft = smoothMax({wall, z - (half_ - 11 * s_), -z - (half_ - 11 * s_)}, blend);
    const double medial = at(p, {-12.5, 4, -half_ / s_ + 17}, {13, 19, 17});
    const double lateral = at(p, {11.5, 1, -half_ / s_ + 15}, {12, 16, 15});
    const double head = at(p, {-2, 2, half_ / s_ - 15}, {24, 18, 15});
    f[0] = smoothMin({shaft, medial, lateral, head}, blend);
    f[1] = f[0] + cortex(z);
    f[2] = smoothMax({wall + cortex(z) + 1.2 * s_, z - 0.42 * half_, -z - 0.5 * half_}, blend);
  }

 private:
  double at(const Vector3d& p, const Vector3d& centre, const Vector3d& semi_axes) const {
    return ellipsoidDistance<3>(p - s_ * centre, s_ * semi_axes);
  }
  double half_, s_;
  Warp warp_;
};

}  // namespace

Anatomy longBone(const LongBone& shape, std::uint64_t seed) {
  const Surfaces surfaces(shape, seed);
  const double half = shape.length_mm / 2, s = shape.shaft_mm / 26;
  Anatomy out;
  out.append(3, [=](const Vector3d& p, double* f) { surfaces(p, f); });
  // Density rises towards the joints and, over about 3 mm, towards the cortex.
  const auto trabecular = [=](const Vector3d& p, const double* f) {
    return 120 + 330 * std::pow(p[2] / half, 2) + 220 * std::exp(std::min(0.0, f[1]) / (3 * s));
  };
  out.paints = {{{0}, image::Cortical, uniform(1600)},
                {{1}, image::Cancellous, trabecular},
                {{2}, image::Cancellous, uniform(kMarrow_hu)}};
  out.bodies = {{"bone", {{1.0, {0}, {1}}}},
                {"cortical", {{1.0, {0}, {1}}, {-1.0, {1}, {1}}}},
                {"cancellous", {{1.0, {1}, {1}}}},
                {"canal", {{1.0, {2}, {1}}}}};
  out.bone = {0};
  const double room = 1.5 * shape.asymmetry_mm;
  out.min_mm = Vector3d(-27 * s - room, -18 * s - room, -half - room);
  out.max_mm = Vector3d(25 * s + room, 25 * s + room, half + room);
  out.smoothness_mm = 0.7 * s;
  out.defect_centre_mm = {12 * s, -2 * s, 0.1 * half};
  out.defect_diameter_mm = 12 * s;
  return out;
}

}  // namespace osteo::phantom
