#include "learn/bones.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "image/resample.h"
#include "levelset/level_set.h"

namespace osteo::learn {

using Eigen::Vector3d;

namespace {

/// A bump on the sphere of directions, or with `ridge` a band about the great circle normal to its direction.
struct Bump {
  Vector3d direction;
  double height, sharpness;
  bool ridge;
  double at(const Vector3d& u) const {
    const double along = u.dot(direction), off = ridge ? along * along : 1 - along;
    return off * sharpness > 12 ? 0 : height * std::exp(-off * sharpness);
  }
};

struct Blob {
  Vector3d centre, semi_axes;
  double at(const Vector3d& p) const {
    return ((p - centre).cwiseQuotient(semi_axes).norm() - 1) * semi_axes.minCoeff();
  }
};

struct Bone {
  Vector3d semi_axes;
  double exponent, thickness_mm, cut_mm, tilt;
  bool solid;
  std::vector<Bump> radius, thickness;
  std::vector<Blob> blobs;
  Vector3d wave_k, wave_shift;

  double outer(const Vector3d& u) const {
    const Vector3d q = u.cwiseQuotient(semi_axes).cwiseAbs();
    double r = std::pow(std::pow(q[0], exponent) + std::pow(q[1], exponent) + std::pow(q[2], exponent), -1 / exponent);
    for (const Bump& bump : radius) r += bump.at(u);
    return r;
  }
  double wall(const Vector3d& u) const {
    double scale = 0;
    for (const Bump& bump : thickness) scale += bump.at(u);
    return thickness_mm * (1 + 0.45 * std::tanh(scale));
  }
  /// Negative inside; its zero set is right, its slope only nearly one.
  double at(const Vector3d& place) const {
    const Vector3d p = place + std::sin(wave_k.dot(place)) * wave_shift;
    const double r = p.norm();
    const Vector3d u = r < 1e-6 ? Vector3d(Vector3d::UnitZ()) : Vector3d(p / r);
    double value = r - outer(u);
    if (!solid && value > -3 * thickness_mm) value = std::max(value, -value - wall(u));
    if (!solid && value <= -3 * thickness_mm) value = kReach_mm;
    value = std::max(value, cut_mm + tilt * p[1] - p[2]);
    for (const Blob& blob : blobs) value = std::min(value, blob.at(p));
    return value;
  }
};

/// Bumps on both sides alike, then some that stand alone.
std::vector<Bump> bumps(Draw& draw, int pairs, int alone, double height) {
  std::vector<Bump> out;
  for (int i = 0; i < pairs + alone; ++i) {
    Bump bump{draw.direction(), height * draw.normal() * (i < pairs ? 1 : 0.5), draw.between(3, 14), draw.chance(0.2)};
    out.push_back(bump);
    bump.direction[0] = -bump.direction[0];
    if (i < pairs) out.push_back(bump);
  }
  return out;
}

Bone drawBone(Draw& draw) {
  Bone bone;
  const bool calvarium = draw.chance(0.75);
  const auto one = [&](double low, double high) { return draw.between(low, high); };
  bone.semi_axes =
      calvarium ? Vector3d(one(60, 82), one(78, 102), one(62, 92)) : Vector3d(one(22, 90), one(22, 90), one(30, 90));
  const double size = bone.semi_axes.minCoeff();
  bone.exponent = calvarium ? one(2, 2.6) : one(2, 3.5);
  bone.thickness_mm = calvarium ? one(4, 9) : one(3.5, std::min(14.0, 0.4 * size));
  bone.solid = !calvarium && (size < 30 || draw.chance(0.2));
  bone.cut_mm = calvarium ? one(-25, 15) : one(-60, 0);
  bone.tilt = one(-0.25, 0.25);
  bone.radius = bumps(draw, 6, 8, 0.025 * size);
  bone.thickness = bumps(draw, 6, 6, 0.35);
  for (int i = static_cast<int>(one(0, 9)); i > 0; --i) {
    const Vector3d u = draw.direction();
    const Vector3d at = one(0.5, 1.08) * bone.outer(u) * u;
    bone.blobs.push_back({{at[0], at[1], bone.cut_mm + one(-20, 12)}, {one(4, 22), one(4, 22), one(4, 16)}});
  }
  bone.wave_k = draw.direction() * (2 * std::numbers::pi / one(70, 140));
  bone.wave_shift = draw.direction() * one(0, 3);
  return bone;
}

image::Frame frameAround(const Bone& bone) {
  Vector3d low = -bone.semi_axes * 1.15 - Vector3d::Constant(12), high = -low;
  low[2] = std::max(low[2], bone.cut_mm - 40);
  image::Frame frame;
  frame.spacing_mm.setConstant(kCell_mm);
  for (int a = 0; a < 3; ++a) {
    const int first = static_cast<int>(std::floor(low[a] / kCell_mm)),
              last = static_cast<int>(std::ceil(high[a] / kCell_mm));
    frame.origin_mm[a] = kCell_mm * first;
    frame.size[a] = last - first + 1;
  }
  return frame;
}

/// What is cut away: negative inside.
struct Hole {
  Vector3d centre, axis, side;
  double radius_mm = 0;
  int kind = 0;  ///< 0 ball, 1 cylinder, 2 box
  Vector3d wave1, wave2;
  double at(const Vector3d& p) const {
    const Vector3d d = p - centre;
    const double bend = 1 + 0.12 * std::sin(wave1.dot(d)) + 0.08 * std::sin(wave2.dot(d)), along = d.dot(axis);
    const Vector3d across = d - along * axis;
    if (kind == 0) return d.norm() - radius_mm * bend;
    const double beyond = std::abs(along) - kHalfLength_mm;  // the far wall of the skull stays
    if (kind == 1) return std::max(beyond, across.norm() - radius_mm * bend);
    const double x = std::abs(across.dot(side)), y = std::abs(across.dot(axis.cross(side)));
    return std::max(beyond, std::max(x, 1.3 * y) - 0.85 * radius_mm * bend);
  }
  double extent_mm() const { return std::max(1.25 * radius_mm, kind == 0 ? 0 : std::hypot(kHalfLength_mm, radius_mm)); }
  static constexpr double kHalfLength_mm = 30;
};

float sampleWorld(const image::CtVolume& bone, const Vector3d& p) {
  return image::sampleLinear(bone, bone.frame.toIndex(p), static_cast<float>(kReach_mm));
}

/// A point of the outer surface above the cut, on a ray from the middle; the middle when the rays miss.
Vector3d surfacePoint(const image::CtVolume& bone, Draw& draw) {
  for (int attempt = 0; attempt < 40; ++attempt) {
    Vector3d u = draw.direction();
    u[2] = std::abs(u[2]);
    for (double r = 140; r > 5; r -= 1)
      if (sampleWorld(bone, r * u) < 0) return r * u;
  }
  return Vector3d::Zero();
}

Eigen::Matrix3d turn(Draw& draw, double degrees) {
  const double angle = degrees * std::numbers::pi / 180;
  return Eigen::AngleAxisd(angle, draw.direction()).toRotationMatrix();
}

Hole drawHole(const image::CtVolume& bone, Draw& draw) {
  Hole hole;
  hole.centre = surfacePoint(bone, draw);
  hole.axis = turn(draw, draw.between(0, 20)) * hole.centre.normalized();
  if (hole.centre.isZero()) hole.axis = Vector3d::UnitZ();
  hole.side = hole.axis.cross(draw.direction()).normalized();
  hole.radius_mm = draw.between(8, 38);
  hole.kind = draw.chance(0.5) ? 0 : draw.chance(0.7) ? 1 : 2;
  hole.wave1 = draw.direction() * (2 * std::numbers::pi / draw.between(25, 60));
  hole.wave2 = draw.direction() * (2 * std::numbers::pi / draw.between(12, 30));
  return hole;
}

/// The bone without what the hole cuts away. Distances change near the hole alone, where they are measured anew: what
/// is left must not tell where the bone was.
image::CtVolume damage(const image::CtVolume& bone, const Hole& hole) {
  constexpr int kMargin = 4;  // voxels: what lies outside the box has no say further in
  const Eigen::Vector3i at = bone.frame.toIndex(hole.centre).array().round().cast<int>();
  const int half = static_cast<int>(std::ceil((hole.extent_mm() + kReach_mm) / kCell_mm)) + kMargin;
  const image::Box box =
      image::Box{at, Eigen::Vector3i::Ones()}.grown(Eigen::Vector3i::Constant(half)).within(bone.frame);
  image::CtVolume part = image::crop(bone, box, static_cast<float>(kReach_mm));
  const Eigen::Vector3i size = part.frame.size;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i)
        part.at(i, j, k) =
            std::max(part.at(i, j, k), static_cast<float>(-hole.at(part.frame.toWorld(Vector3d(i, j, k)))));
  part = trueDistance(part);
  image::CtVolume out = bone;
  // At the lattice's own border there is nothing outside.
  const auto inner = [&](int value, int a) {
    const bool low = value < kMargin && box.low[a] > 0;
    const bool high = value >= size[a] - kMargin && box.low[a] + size[a] < bone.frame.size[a];
    return !low && !high;
  };
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i)
        if (inner(i, 0) && inner(j, 1) && inner(k, 2))
          out.at(box.low[0] + i, box.low[1] + j, box.low[2] + k) = part.at(i, j, k);
  return out;
}

}  // namespace

Vector3d Draw::direction() {
  const double z = between(-1, 1), angle = between(0, 2 * std::numbers::pi), r = std::sqrt(std::max(0.0, 1 - z * z));
  return {r * std::cos(angle), r * std::sin(angle), z};
}

image::CtVolume trueDistance(const image::CtVolume& values) {
  const Eigen::Vector3i base = (values.frame.origin_mm / kCell_mm).array().round().cast<int>();
  return levelset::sampleOnto(levelset::fromSamples(values.voxels, base, values.frame.size, kCell_mm), values.frame);
}

image::CtVolume proceduralBone(std::uint64_t seed) {
  Draw draw(seed, 31);
  const Bone bone = drawBone(draw);
  image::CtVolume values(frameAround(bone));
  const Eigen::Vector3i size = values.frame.size;
  core::parallelFor(size[2], [&](std::int64_t k) {
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i)
        values.at(i, j, static_cast<int>(k)) =
            static_cast<float>(bone.at(values.frame.toWorld(Vector3d(i, j, static_cast<double>(k)))));
  });
  return trueDistance(values);
}

Example example(const image::CtVolume& bone, std::uint64_t seed, std::uint64_t number) {
  Draw draw(seed, core::mix(number));
  const Hole hole = drawHole(bone, draw);
  Example out;
  out.hole = !draw.chance(0.08);
  out.hole_diameter_mm = 2 * hole.radius_mm;
  const image::CtVolume damaged = out.hole ? damage(bone, hole) : bone;
  const Vector3d centre = hole.centre + draw.between(0, 16) * draw.direction();
  Eigen::Matrix3d axes = turn(draw, draw.between(0, 25)) * draw.between(0.92, 1.08);
  if (draw.chance(0.5)) axes.col(0) *= -1;
  const Eigen::Matrix3d off = turn(draw, 1.5 * draw.normal());
  const Vector3d slip = 1.2 * draw.normal() * draw.direction();
  const double scale = axes.col(1).norm();
  const auto distance = [&](double d) { return static_cast<float>(std::clamp(d / scale / kReach_mm, -1.0, 1.0)); };
  for (auto* buffer : {&out.damaged, &out.mirrored, &out.whole, &out.weight}) buffer->resize(kPatch * kPatch * kPatch);
  core::parallelFor(kPatch, [&](std::int64_t k) {
    for (std::int64_t j = 0; j < kPatch; ++j) {
      for (std::int64_t i = 0; i < kPatch; ++i) {
        const auto at = static_cast<std::size_t>(i + kPatch * (j + kPatch * k));
        const double half = 0.5 * (kPatch - 1);
        const Vector3d p =
            centre +
            axes * (kCell_mm *
                    (Vector3d(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k)).array() - half)
                        .matrix());
        const Vector3d q = off * Vector3d(-p[0], p[1], p[2]) + slip;
        const double cut = out.hole ? hole.at(p) : 1000;
        out.whole[at] = distance(sampleWorld(bone, p));
        out.damaged[at] = distance(sampleWorld(damaged, p));
        out.mirrored[at] = distance(sampleWorld(damaged, q));
        const bool near = std::abs(out.whole[at]) < 1;
        out.weight[at] = (std::abs(out.damaged[at]) < 1 ? 1.0F : 0.2F) + (cut > 3 ? 0.0F : near ? 8.0F : 1.0F);
      }
    }
  });
  return out;
}

}  // namespace osteo::learn
