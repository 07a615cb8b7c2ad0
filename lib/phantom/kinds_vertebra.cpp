#include <Eigen/Geometry>
#include <array>
#include <numbers>

#include "phantom/implicit.h"
#include "phantom/kinds.h"

namespace osteo::phantom {

using Eigen::Vector2d;
using Eigen::Vector3d;

namespace {

/// An ellipsoid turned by an angle about z (and mirrored in x on the right side).
class Lobe {
 public:
  Lobe(const Vector3d& centre, const Vector3d& semi_axes, double yaw_deg = 0)
      : centre_(centre),
        semi_axes_(semi_axes),
        cosine_(std::cos(yaw_deg * std::numbers::pi / 180)),
        sine_(std::sin(yaw_deg * std::numbers::pi / 180)) {}

  double at(Vector3d p, double side) const {
    p[0] *= side;
    const Vector3d d = p - centre_;
    return ellipsoidDistance<3>(Vector3d(cosine_ * d[0] + sine_ * d[1], -sine_ * d[0] + cosine_ * d[1], d[2]),
                                semi_axes_);
  }

 private:
  Vector3d centre_, semi_axes_;
  double cosine_, sine_;
};

/// 0 periosteal, 1 endosteal surface of a lumbar vertebra of 46 mm width, scaled; millimetres of the unscaled bone
/// inside.
class Surfaces {
 public:
  Surfaces(const Vertebra& shape, std::uint64_t seed) : s_(shape.width_mm / 46), warp_(shape.asymmetry_mm / s_, seed) {}

  void operator()(const Vector3d& point, double* f) const {
    const Vector3d p = warp_(point / s_);
    const double outer = periosteal(p);
    const double behind = 0.5 + 0.5 * std::tanh((p[1] - 20) / 4);
    f[0] = s_ * outer;
    f[1] = s_ * (outer + 1.25 + 0.55 * behind);
  }

 private:
  static double periosteal(const Vector3d& p) {
    const double t = p[2] / 14, rho2 = std::pow(p[0] / 23, 2) + std::pow(p[1] / 17, 2);
    const double waist = 1 - 0.07 * std::exp(-2 * t * t);
    const double wall = ellipsoidDistance<2>(Vector2d(p[0], p[1]), waist * Vector2d(23, 17));
    const double plate = 14 - 1.6 * std::exp(-3 * rho2);  // concave end plates
    const double body = smoothMax({wall, p[2] - plate, -p[2] - plate}, 2.0);
    static const std::array<Lobe, 5> paired{Lobe{{15, 19, 5}, {5.5, 11, 7.2}},       // pedicle
                                            Lobe{{8.5, 34, 1}, {11, 4.2, 10}, -32},  // lamina
                                            Lobe{{31, 27, 4}, {18, 4.6, 5.6}, 14},   // transverse process
                                            Lobe{{14.5, 30, 15}, {6, 5.4, 9}},       // articular, upper
                                            Lobe{{10.5, 37, -14}, {5.8, 5, 10}}};    // and lower
    static const Lobe spinous{{0, 50, -3}, {4.2, 16, 9}};
    double values[12] = {body, spinous.at(p, 1)};
    int n = 2;
    for (const double side : {1.0, -1.0}) {
      for (const Lobe& lobe : paired) values[n++] = lobe.at(p, side);
    }
    const double bone = smoothMin(values, 2.2);
    const double canal = ellipsoidDistance<2>(Vector2d(p[0], p[1] - 22.5), Vector2d(10.5, 8));
    return smoothMax({bone, -canal}, 2.0);
  }
  double s_;
  Warp warp_;
};

}  // namespace

Anatomy vertebra(const Vertebra& shape, std::uint64_t seed) {
  const Surfaces surfaces(shape, seed);
  const double s = shape.width_mm / 46;
  Anatomy out;
  out.append(2, [=](const Vector3d& p, double* f) { surfaces(p, f); });
  const auto trabecular = [=](const Vector3d& p, const double* f) {
    return 170 + 60 * std::tanh(p[1] / (12 * s)) + 160 * std::exp(std::min(0.0, f[1]) / (2.5 * s));
  };
  out.paints = {{{0}, image::Cortical, uniform(1100)}, {{1}, image::Cancellous, trabecular}};
  out.bodies = {{"bone", {{1.0, {0}, {1}}}},
                {"cortical", {{1.0, {0}, {1}}, {-1.0, {1}, {1}}}},
                {"cancellous", {{1.0, {1}, {1}}}}};
  out.bone = {0};
  const double room = 1.5 * shape.asymmetry_mm;
  out.min_mm = s * Vector3d(-49, -18, -25) - Vector3d::Constant(room);
  out.max_mm = s * Vector3d(49, 67, 25) + Vector3d::Constant(room);
  out.smoothness_mm = 0.6 * s;
  out.narrow = {1};  // its saddles between lamina, pedicle and articular processes are 0.7 to 1 mm deep
  out.narrow_smoothness_mm = 0.25 * s;
  out.defect_centre_mm = s * Vector3d(14, -10, 6);
  out.defect_diameter_mm = 16 * s;
  return out;
}

}  // namespace osteo::phantom
