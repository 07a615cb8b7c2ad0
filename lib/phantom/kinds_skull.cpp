#include <array>

#include "phantom/implicit.h"
#include "phantom/kinds.h"

namespace osteo::phantom {

using Eigen::Vector3d;

namespace {

/// A smooth bump on the sphere of directions: cos^32 of half the angle, about 25° from its middle to half its height.
struct Bump {
  Vector3d direction;
  double height;
  double at(const Vector3d& u) const {
    double x = (1 + u.dot(direction)) / 2;
    for (int i = 0; i < 4; ++i) x *= x;
    return height * x;
  }
};

/// Radial profiles of a calvarium as smooth functions of the direction from the centre of its base.
class Profile {
 public:
  Profile(const SkullCap& shape, std::uint64_t seed) : thickness_(shape.thickness_mm) {
    const core::Random random(seed, 21);
    for (std::uint64_t i = 0; i < 5; ++i) {  // the person: the same on both sides
      Vector3d d = seededDirection(random, i);
      const double height = 1.5 * random.normal(50 + i), thick = 0.06 * random.normal(70 + i);
      for (int side = 0; side < 2; ++side, d[0] = -d[0]) {
        radius_.push_back({d, height});
        thick_.push_back({d, thick});
      }
    }
    for (std::uint64_t i = 0; i < 8; ++i) {  // what differs between the sides
      const Vector3d d = seededDirection(random, 10 + i);
      radius_.push_back({d, 1.1 * shape.asymmetry_mm * random.normal(90 + i)});
      thick_.push_back({d, 0.05 * shape.asymmetry_mm * random.normal(110 + i)});
    }
    // Yakovlevian torque: the left occiput and the right forehead reach further out.
    radius_.push_back({Vector3d(0.45, 0.85, 0.25).normalized(), 2.0 * shape.asymmetry_mm});
    radius_.push_back({Vector3d(-0.45, -0.85, 0.3).normalized(), 1.5 * shape.asymmetry_mm});
    thick_.push_back({Vector3d(0, 0.95, 0.3).normalized(), 0.25});
    thick_.push_back({Vector3d(0.98, 0, 0.2).normalized(), -0.2});
    thick_.push_back({Vector3d(-0.98, 0, 0.2).normalized(), -0.2});
  }
  double outer(const Vector3d& u) const {
    double r = 1 / u.cwiseQuotient(Vector3d(72, 90, 76)).norm();
    for (const Bump& bump : radius_) r += bump.at(u);
    return r;
  }
  double thickness(const Vector3d& u) const {
    double scale = 0;
    for (const Bump& bump : thick_) scale += bump.at(u);
    // tanh keeps the diploe open whatever the seed draws.
    return thickness_ * (1 + 0.4 * std::tanh(scale / 0.4));
  }

 private:
  double thickness_;
  std::vector<Bump> radius_, thick_;
};

Vector3d directionOf(const Vector3d& p, double r) { return r < 1e-9 ? Vector3d(Vector3d::UnitZ()) : Vector3d(p / r); }

}  // namespace

Anatomy skullCap(const SkullCap& shape, std::uint64_t seed) {
  const Profile profile(shape, seed);
  const double table = 0.27 * shape.thickness_mm;
  Anatomy out;
  // 0 outer table, 1 diploe, 2 inner table, 3 brain, 4 the cut below, 5 skin, 6 muscle under the fat
  out.append(7, [=](const Vector3d& p, double* f) {
    const double r = p.norm();
    const Vector3d u = directionOf(p, r);
    const double outer = profile.outer(u), thickness = profile.thickness(u);
    f[0] = r - outer;
    f[1] = f[0] + table;
    f[2] = f[0] + thickness - table;
    f[3] = f[0] + thickness;
    f[4] = -p[2];
    double scalp = f[0];
    if (p[2] < 0) {  // below the cut the head goes on as a neck
      const Vector3d flat(p[0], p[1], 0);
      scalp = flat.norm() - profile.outer(directionOf(flat, flat.norm()));
    }
    f[5] = scalp - 7;
    f[6] = scalp - 4;
  });
  const Warp texture(1.0, seed + 5);
  const auto diploe = [texture](const Vector3d& p, const double*) {
    return 480 + 90 * (texture(p) - p).dot(Vector3d(1, 0.7, 0.5));
  };
  out.paints = {{{5}, image::Background, uniform(kFat_hu)}, {{6}, image::Background, uniform(kMuscle_hu)},
                {{0, 4}, image::Cortical, uniform(1500)},   {{1, 4}, image::Cancellous, diploe},
                {{2, 4}, image::Cortical, uniform(1550)},   {{3, 4}, image::Background, uniform(kBrain_hu)}};
  const auto shell = [](int from, int to) {
    return std::vector<Part>{{1.0, {from, 4}, {1, 1}}, {-1.0, {to, 4}, {1, -1}}};
  };
  std::vector<Part> tables = shell(0, 1);
  for (const Part& part : shell(2, 3)) tables.push_back(part);
  out.bodies = {{"bone", shell(0, 3)}, {"cortical", tables}, {"cancellous", shell(1, 2)}};
  out.bone = {0, 4};
  out.min_mm = {-84, -104, 0};
  out.max_mm = {84, 104, 90};
  out.margin_mm = {8, 8, 8};
  out.smoothness_mm = 1.8;
  const Vector3d u = Vector3d(0.7, 0.25, 0.67).normalized();  // left parietal
  out.defect_centre_mm = u * (profile.outer(u) - profile.thickness(u) / 2);
  out.defect_diameter_mm = 50;
  return out;
}

}  // namespace osteo::phantom
