#include "phantom/lesions.h"

#include <algorithm>
#include <cmath>

#include "phantom/anatomy.h"

namespace osteo::phantom {

using Eigen::Vector3d;

namespace {

Vector3d gradient(const Scene& scene, int bone, const Vector3d& p) {
  Vector3d out;
  for (int d = 0; d < 3; ++d) {
    const Vector3d step = 0.05 * Vector3d::Unit(d);
    out[d] = (boneDistance(scene, bone, p + step) - boneDistance(scene, bone, p - step)) / 0.1;
  }
  return out;
}

/// A point in the ball that is shown and in the bone's own.
Vector3d candidate(const Bone& bone, const LesionWish& wish, Draw& draw) {
  const double reach = std::min(wish.within_mm, bone.shape.radius_mm);
  const bool small = bone.shape.radius_mm < wish.within_mm;
  return (small ? bone.shape.centre_mm : wish.around_mm) + reach * std::cbrt(draw.between(0, 1)) * draw.direction();
}

/// An irregular surface: the body's distance with bumps of this height; the slope stays below 1.5.
Shape roughened(const Shape& shape, double bump_mm, double cell_mm, Draw& draw) {
  const Texture coarse(cell_mm, draw.seed()), fine(0.45 * cell_mm, draw.seed());
  return {[=, before = shape.distance](const Vector3d& p) {
            return 0.8 * (before(p) + bump_mm * (0.75 * coarse(p) + 0.3 * fine(p)));
          },
          shape.centre_mm, shape.radius_mm + 1.5 * bump_mm};
}

Shape ball(const Vector3d& centre, double radius) {
  return {[=](const Vector3d& p) { return (p - centre).norm() - radius; }, centre, radius};
}

Shape cylinder(const Vector3d& centre, const Vector3d& axis, double radius, double half_length) {
  return {[=](const Vector3d& p) {
            const Vector3d d = p - centre;
            const double along = d.dot(axis);
            return std::max((d - along * axis).norm() - radius, std::abs(along) - half_length);
          },
          centre, std::hypot(radius, half_length)};
}

struct Place {
  Shape shape;
  double size_mm = 0;  ///< radius that margins scale with
  Vector3d axis = Vector3d::UnitZ();
  bool closed = false;
};

std::optional<Place> cavity(const Plan& plan, int bone, const LesionWish& wish, Draw& draw) {
  const Bone& host = plan.scene.bones[static_cast<std::size_t>(bone)];
  Vector3d best = Vector3d::Zero();
  double depth = 0;
  for (int i = 0; i < 150; ++i) {
    const Vector3d p = candidate(host, wish, draw);
    if (host.shape.distance(p) > -3) continue;
    const double d = -boneDistance(plan.scene, bone, p) - host.cortex_mm(p) - 1;
    if (d > depth) depth = d, best = p;
  }
  if (depth < 2.5) return std::nullopt;
  const double radius = depth * draw.between(0.75, 1.3);
  return Place{ball(best, radius), radius, Vector3d::UnitZ(), true};
}

std::optional<Place> gap(const Plan& plan, int& bone, const LesionWish& wish, Draw& draw) {
  const std::vector<Shaft> fit = shaftsShown(plan, wish);
  if (fit.empty()) return std::nullopt;
  const Shaft& shaft = fit[static_cast<std::size_t>(draw.pick(static_cast<int>(fit.size())))];
  for (int i = 0; i < 40; ++i) {
    const Vector3d centre = shaft.a + draw.between(0, 1) * (shaft.b - shaft.a);
    if ((centre - wish.around_mm).norm() > wish.within_mm) continue;
    bone = shaft.bone;
    const Vector3d axis = ((shaft.b - shaft.a).normalized() + 0.25 * draw.direction()).normalized();
    const double half = draw.between(4, 22);
    return Place{cylinder(centre, axis, 1.8 * shaft.radius_mm, half), std::min(half, 8.0), axis, false};
  }
  return std::nullopt;
}

std::optional<Place> atSurface(const Plan& plan, int bone, const LesionWish& wish, Draw& draw) {
  const std::optional<Site> site = surfaceSite(plan, bone, wish, draw);
  if (!site) return std::nullopt;
  const double s = plan.person.size;
  if (wish.form == "hole") {
    const double radius =
        draw.between(4, plan.scene.bones[static_cast<std::size_t>(bone)].name == "skull" ? 32 : 9) * s;
    return Place{cylinder(site->point_mm, site->normal, radius, std::max(10.0, 0.8 * radius)), radius, site->normal,
                 false};
  }
  const double radius = (wish.form == "breach" ? draw.between(2.5, 6) : draw.between(8, 19)) * s;
  return Place{ball(site->point_mm - draw.between(-0.2, 0.5) * radius * site->normal, radius), radius, site->normal,
               false};
}

/// Holes around the lesion that stay apart from it and from one another.
void mothEaten(const Plan& plan, const Place& place, Lesion& lesion, Draw& draw) {
  const Shape& core = lesion.shape;
  const int wanted = 12 + draw.pick(26);
  const double reach = std::min(place.shape.radius_mm, 25.0) + lesion.zone_mm;
  for (int i = 0; i < 900 && static_cast<int>(lesion.holes.size()) < wanted; ++i) {
    const Ball hole{core.centre_mm + reach * std::cbrt(draw.between(0, 1)) * draw.direction(), draw.between(0.7, 2.3)};
    const double from_core = core.distance(hole.centre_mm) - hole.radius_mm;
    if (from_core < 0.6 || from_core > lesion.zone_mm) continue;
    if (boneDistance(plan.scene, lesion.bone, hole.centre_mm) > -0.3) continue;
    if (std::any_of(lesion.holes.begin(), lesion.holes.end(), [&](const Ball& other) {
          return (other.centre_mm - hole.centre_mm).norm() < other.radius_mm + hole.radius_mm + 0.6;
        }))
      continue;
    lesion.holes.push_back(hole);
  }
}

void addFragments(const Place& place, Lesion& lesion, Draw& draw) {
  const int count = 1 + draw.pick(5);
  for (int i = 0; i < count; ++i) {
    const double size = std::min(0.4 * place.size_mm, 7.0) * draw.between(0.5, 1.0);
    if (size < 1) continue;
    const Vector3d centre = lesion.shape.centre_mm + 0.75 * place.size_mm * draw.direction();
    const Vector3d semi = size * Vector3d(draw.between(0.4, 0.8), draw.between(0.5, 1), draw.between(0.8, 1.3));
    const Lobe lobe{centre, semi, turn(180 * draw.direction())};
    const Vector3d cut = draw.direction(), cut2 = draw.direction();  // broken faces
    lesion.fragments.push_back({[=](const Vector3d& p) {
                                  const double a = cut.dot(p - centre) - 0.3 * size,
                                               b = cut2.dot(p - centre) - 0.3 * size;
                                  return std::max({lobe.distance(p), a, b});
                                },
                                centre, semi.maxCoeff()});
  }
}

}  // namespace

double boneDistance(const Scene& scene, int bone, const Vector3d& p) {
  const Bone& host = scene.bones[static_cast<std::size_t>(bone)];
  double d = host.shape.distance(p);
  for (const Joint& joint : host.joints)
    d = std::max(d, joint.gap_mm - scene.bones[static_cast<std::size_t>(joint.other)].shape.distance(p));
  return d;
}

std::vector<Shaft> shaftsShown(const Plan& plan, const LesionWish& where) {
  std::vector<Shaft> out;
  for (const Shaft& shaft : plan.shafts) {
    const Vector3d along = shaft.b - shaft.a;
    const double t = std::clamp((where.around_mm - shaft.a).dot(along) / along.squaredNorm(), 0.0, 1.0);
    if ((shaft.a + t * along - where.around_mm).norm() < where.within_mm) out.push_back(shaft);
  }
  return out;
}

std::optional<Site> surfaceSite(const Plan& plan, int bone, const LesionWish& where, Draw& draw) {
  const Bone& host = plan.scene.bones[static_cast<std::size_t>(bone)];
  for (int i = 0; i < 60; ++i) {
    Vector3d p = candidate(host, where, draw);
    for (int step = 0; step < 12; ++step) {
      const double d = boneDistance(plan.scene, bone, p);
      const Vector3d g = gradient(plan.scene, bone, p);
      if (g.norm() < 0.2) break;
      p -= 0.9 * d * g / g.squaredNorm();
    }
    if (std::abs(boneDistance(plan.scene, bone, p)) > 0.5 || (p - where.around_mm).norm() > where.within_mm) continue;
    return Site{p, gradient(plan.scene, bone, p).normalized()};
  }
  return std::nullopt;
}

std::optional<Lesion> drawLesion(const Plan& plan, const LesionWish& wish, Draw& draw) {
  std::optional<Place> place;
  Lesion out;
  out.margin = wish.margin;
  for (int i = 0; i < 12 && !place; ++i) {
    out.bone = plan.lesion_bones[static_cast<std::size_t>(draw.pick(static_cast<int>(plan.lesion_bones.size())))];
    place = wish.form == "cavity" ? cavity(plan, out.bone, wish, draw)
            : wish.form == "gap"  ? gap(plan, out.bone, wish, draw)
                                  : atSurface(plan, out.bone, wish, draw);
  }
  if (!place) return std::nullopt;
  const double r = place->size_mm;
  const double bump = wish.margin == Margin::Sharp       ? 0
                      : wish.margin == Margin::Sclerotic ? draw.between(0.03, 0.12)
                                                         : draw.between(0.12, 0.28);
  out.shape = bump > 0 ? roughened(place->shape, bump * r, std::max(0.9 * r, 3.0), draw) : place->shape;
  out.closed = place->closed;
  const double what = draw.between(0, 1);  // fluid, fat, tumour or blood, muscle
  out.content_hu = what < 0.2   ? draw.between(5, 25)
                   : what < 0.3 ? draw.between(-90, -40)
                   : what < 0.6 ? draw.between(60, 110)
                                : draw.between(35, 60);
  out.zone_mm = wish.margin == Margin::Lytic ? draw.between(3, 8) : draw.between(4, 7.5);
  out.thinned_to = draw.between(0.2, 0.6);
  out.rim_mm = draw.between(1.2, 4);
  out.rim_hu = std::min(draw.between(650, 1250), plan.person.cortical_hu);
  if (wish.margin == Margin::MothEaten) mothEaten(plan, *place, out, draw);
  if (wish.fragments) addFragments(*place, out, draw);
  return out;
}

}  // namespace osteo::phantom
