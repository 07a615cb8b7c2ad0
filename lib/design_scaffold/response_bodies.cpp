#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/random.h"
#include "design_scaffold/response_cases.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

/// Numbers of a seed, one after the other.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed, 6001) {}
  double between(double low, double high) { return low + (high - low) * random_.uniform(next_++); }

 private:
  core::Random random_;
  std::uint64_t next_ = 0;
};

double box(const Vector3d& p, const Vector3d& half) { return (p.cwiseAbs() - half).maxCoeff(); }

/// Distance to a segment.
double segment(const Vector3d& p, const Vector3d& a, const Vector3d& b) {
  const double t = std::clamp((p - a).dot(b - a) / std::max(1e-9, (b - a).squaredNorm()), 0.0, 1.0);
  return (p - a - t * (b - a)).norm();
}

double ellipse(const Vector3d& p, double a, double b) { return (std::hypot(p[0] / a, p[1] / b) - 1) * std::min(a, b); }

double smoothly(double a, double b, double radius) {
  const double h = std::max(radius - std::abs(a - b), 0.0) / radius;
  return std::min(a, b) - 0.25 * h * h * radius;
}

BodyShape block(Draws& d) {
  const Vector3d half(d.between(5, 14), d.between(4, 10), d.between(8, 15));
  return [half](const Vector3d& p) { return box(p, half); };
}

BodyShape cylinder(Draws& d) {
  const double a = d.between(5, 12), b = d.between(5, 12), c = d.between(7, 15);
  return [=](const Vector3d& p) { return std::max(ellipse(p, a, b), std::abs(p[2]) - c); };
}

BodyShape tube(Draws& d) {
  const double a = d.between(7, 14), b = d.between(7, 14), c = d.between(7, 15), in = d.between(0.3, 0.7);
  return [=](const Vector3d& p) {
    return std::max({ellipse(p, a, b), -ellipse(p, in * a, in * b), std::abs(p[2]) - c});
  };
}

BodyShape cap(Draws& d) {
  const double radius = d.between(15, 35), thick = d.between(4, 9);
  const Vector3d half(d.between(9, 15), d.between(9, 15), 15);
  return [=](const Vector3d& p) {
    const Vector3d q = p + Vector3d(0, 0, radius - 8);
    return std::max({q.norm() - radius, radius - thick - q.norm(), box(p, half), -q[2]});
  };
}

BodyShape wedge(Draws& d) {
  const Vector3d half(d.between(8, 15), d.between(5, 12), d.between(6, 13));
  const double slope = d.between(0.15, 0.6);
  return [=](const Vector3d& p) {
    return std::max(box(p, half), (p[2] - slope * p[0] - 0.3 * half[2]) / std::hypot(1, slope));
  };
}

BodyShape ellipsoid(Draws& d) {
  const Vector3d half(d.between(7, 14), d.between(7, 14), d.between(10, 17));
  const double cut = d.between(0.5, 0.9) * half[2];
  return [=](const Vector3d& p) {
    return std::max((p.cwiseQuotient(half).norm() - 1) * half.minCoeff(), std::abs(p[2]) - cut);
  };
}

BodyShape blob(Draws& d) {
  std::vector<std::pair<Vector3d, double>> balls;
  for (double z = -10; z < 12; z += d.between(5, 8))
    balls.emplace_back(Vector3d(d.between(-4, 4), d.between(-4, 4), z), d.between(5, 9));
  return [balls](const Vector3d& p) {
    double out = 1e3;
    for (const auto& [middle, radius] : balls) out = smoothly(out, (p - middle).norm() - radius, 3);
    return out;
  };
}

BodyShape holed(Draws& d) {
  const Vector3d half(d.between(9, 15), d.between(9, 15), d.between(3, 6));
  std::vector<Vector3d> holes;
  for (int n = 0; n < 3; ++n)
    holes.emplace_back(d.between(-0.7, 0.7) * half[0], d.between(-0.7, 0.7) * half[1], d.between(1.5, 3.5));
  return [=](const Vector3d& p) {
    double out = box(p, half);
    for (const Vector3d& h : holes) out = std::max(out, h[2] - std::hypot(p[0] - h[0], p[1] - h[1]));
    return out;
  };
}

BodyShape bow(Draws& d) {
  const double radius = d.between(12, 30), a = d.between(4, 8), b = d.between(4, 8), long_half = d.between(9, 14);
  return [=](const Vector3d& p) {
    const double off = std::hypot(p[0] + radius - 3, p[2]) - radius;
    return std::max(ellipse({off, p[1], 0}, a, b), std::abs(p[2]) - long_half);
  };
}

BodyShape funnel(Draws& d) {
  const double low = d.between(7, 13), high = d.between(5, 13), c = d.between(8, 15), wall = d.between(3, 5.5);
  return [=](const Vector3d& p) {
    const double radius = low + (high - low) * (p[2] + c) / (2 * c), off = std::hypot(p[0], p[1]);
    return std::max({off - radius, radius - wall - off, std::abs(p[2]) - c});
  };
}

BodyShape angle(Draws& d) {
  const double t = d.between(4, 8), w = d.between(5, 11);
  const Vector3d foot(d.between(9, 14), w, 0.5 * t), leg(0.5 * t, w, d.between(9, 14));
  return [=](const Vector3d& p) {
    const Vector3d low(0, 0, -leg[2] + 0.5 * t), side(-foot[0] + 0.5 * t, 0, 0);
    return std::min(box(p - low, foot), box(p - side, leg));
  };
}

/// Two condyles on a shaft that tapers.
BodyShape femur(Draws& d) {
  const double knob = d.between(6, 9), apart = d.between(5, 7), top = d.between(5, 6.5), bottom = d.between(6.5, 8.5);
  return [=](const Vector3d& p) {
    const double left = (p - Vector3d(-apart, 0, -8)).norm() - knob,
                 right = (p - Vector3d(apart, 0.15 * knob, -8)).norm() - knob;
    const double t = std::clamp((p[2] + 10) / 24, 0.0, 1.0);
    const double shaft = std::max(std::hypot(p[0], p[1]) - (bottom + t * (top - bottom)), std::abs(p[2] - 2) - 12);
    return smoothly(smoothly(left, right, 4), shaft, 4);
  };
}

/// A vertebra's body with its arch around the canal.
BodyShape vertebra(Draws& d) {
  const double a = d.between(9, 13), b = d.between(6, 8), c = d.between(6, 10), waist = d.between(0, 0.15);
  const double canal = d.between(3, 4.5), arch = d.between(3, 4.5);
  return [=](const Vector3d& p) {
    const double narrow = 1 - waist * (1 - (p[2] / c) * (p[2] / c));
    const double body = std::max(ellipse(p + Vector3d(0, 5, 0), a * narrow, b * narrow), std::abs(p[2]) - c);
    const double off = std::hypot(p[0], p[1] - 4);
    const double ring = std::max({off - canal - arch, canal - off, std::abs(p[2]) - 0.7 * c});
    return std::min(body, ring);
  };
}

/// A horseshoe that is higher in front, as a mandible.
BodyShape horseshoe(Draws& d) {
  const double wide = d.between(9, 12), deep = d.between(11, 16), t = d.between(2.5, 4), low = d.between(4, 7);
  return [=](const Vector3d& p) {
    const Vector3d q = p + Vector3d(0, 9, 0);
    const double off = (std::hypot(q[0] / wide, q[1] / deep) - 1) * 0.5 * (wide + deep);
    return std::max({std::abs(off) - t, std::abs(p[2]) - low - 0.15 * q[1], -q[1]});
  };
}

/// Thick struts between points, each joined to the one before.
BodyShape frame(Draws& d) {
  std::vector<Vector3d> points;
  for (int n = 0; n < 7; ++n) points.emplace_back(d.between(-11, 11), d.between(-11, 11), -12 + 4.0 * n);
  const double radius = d.between(3, 4.5);
  return [=](const Vector3d& p) {
    double out = 1e3;
    for (std::size_t n = 1; n < points.size(); ++n)
      for (std::size_t m = n < 3 ? 0 : n - 3; m < n; m += 2)
        out = std::min(out, segment(p, points[m], points[n]) - radius);
    for (std::size_t n = 1; n < points.size(); ++n) out = std::min(out, segment(p, points[n - 1], points[n]) - radius);
    return out;
  };
}

using Maker = BodyShape (*)(Draws&);
const std::map<std::string, Maker>& makers() {
  static const std::map<std::string, Maker> all = {
      {"block", block},       {"cylinder", cylinder},   {"tube", tube},   {"cap", cap},
      {"wedge", wedge},       {"ellipsoid", ellipsoid}, {"blob", blob},   {"holed plate", holed},
      {"bow", bow},           {"funnel", funnel},       {"angle", angle}, {"femur", femur},
      {"vertebra", vertebra}, {"horseshoe", horseshoe}, {"frame", frame}};
  return all;
}

}  // namespace

const std::vector<std::string>& teachingBodies() {
  static const std::vector<std::string> all = {"block",     "cylinder", "tube",        "cap", "wedge",
                                               "ellipsoid", "blob",     "holed plate", "bow"};
  return all;
}
const std::vector<std::string>& calibratingBodies() {
  static const std::vector<std::string> all = {"funnel", "angle"};
  return all;
}
const std::vector<std::string>& judgingBodies() {
  static const std::vector<std::string> all = {"femur", "vertebra", "horseshoe", "frame"};
  return all;
}

BodyShape drawnBody(const std::string& kind, std::uint64_t seed) {
  Draws d(seed);
  const BodyShape shape = makers().at(kind)(d);
  const int turn = static_cast<int>(d.between(0, 3));
  const bool is_tilted = d.between(0, 1) < 0.5;
  const Vector3d axis = Vector3d(d.between(-1, 1), d.between(-1, 1), d.between(-1, 1) + 1e-3).normalized();
  const Eigen::Matrix3d tilt = Eigen::AngleAxisd(is_tilted ? d.between(0.05, 0.5) : 0, axis).toRotationMatrix();
  const Vector3d shift(d.between(-0.5, 0.5), d.between(-0.5, 0.5), d.between(-0.5, 0.5));
  return [=](const Vector3d& p) {
    const Vector3d q = tilt * (p - shift);
    return shape({q[turn], q[(turn + 1) % 3], q[(turn + 2) % 3]});
  };
}

}  // namespace osteo::design_scaffold
