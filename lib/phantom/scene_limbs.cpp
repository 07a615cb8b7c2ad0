#include <cmath>

#include "phantom/scene_builder.h"

namespace osteo::phantom {

using Eigen::Vector2d;
using Eigen::Vector3d;

namespace {

/// 1 in the shaft, 0 at the ends that lie at z = 0 of a joint.
Distance shaftBeyond(double begins_mm, double whole_mm) {
  return [=](const Vector3d& p) { return ramp(std::abs(p[2]), begins_mm, whole_mm); };
}

/// 1 in the middle of a bone along z, 0 at both ends.
Distance shaftBetween(double low_mm, double high_mm, double end_mm) {
  return [=](const Vector3d& p) { return ramp(std::min(p[2] - low_mm, high_mm - p[2]), 0.3 * end_mm, end_mm); };
}

Outline limb(double near_mm, double far_mm, double length_mm, const Vector2d& middle) {
  return {[=](double z) {
            const double t = std::clamp(0.5 + z / length_mm, 0.0, 1.0), r = far_mm + t * (near_mm - far_mm);
            return Vector2d(r, 1.06 * r);
          },
          [=](double) { return middle; }};
}

/// A piece of shaft that is not quite round, bowed between its ends.
std::vector<Rod> bowed(const Vector3d& a, const Vector3d& b, const Vector3d& bow, const Vector2d& radii) {
  return chain({a, a + 0.3 * (b - a) + 0.85 * bow, a + 0.7 * (b - a) + 0.85 * bow, b},
               {radii[0], 0.85 * radii[0] + 0.15 * radii[1], radii[1], radii[1]});
}

void addVessels(Plan& plan, const std::vector<Vector3d>& points, double radius_mm, Draw& draw) {
  addTube(plan.scene.tissue, points, radius_mm, mottled(plan.person.vessel_hu, 4, 12, draw));
  std::vector<Vector3d> beside = points;
  for (Vector3d& p : beside) p += Vector3d(2.4 * radius_mm, 0.8 * radius_mm, 0);
  addTube(plan.scene.tissue, beside, 1.2 * radius_mm, mottled(45, 3, 12, draw));
}

}  // namespace

Plan kneeScene(std::uint64_t seed, const PersonWish& wish) {
  Draw draw(seed, 101);
  Plan plan;
  plan.person = drawPerson(draw, wish);
  const double s = plan.person.size, side = draw.sign(), girth = draw.between(62, 90);
  addBodyTissue(plan, limb(1.12 * girth, 0.85 * girth, 260, {0, 12}), 34, draw);
  addVessels(plan, {{4, 42 * s, 150}, {0, 34 * s, 30}, {2, 36 * s, -40}, {6, 30 * s, -150}}, draw.between(2.5, 4.5),
             draw);
  const auto at = [&](double x, double y, double z) { return Vector3d(s * side * x, s * y, s * z); };
  const auto wobble = [&](double x) { return x * draw.between(0.92, 1.08); };

  Grown femur{{}, {}, {}, {}, 7 * s, 2, 1.2, draw.seed()};
  femur.rods = bowed(at(0, -3, 45), at(0, -8, 320), at(0, -5, 0), s * Vector2d(wobble(16), wobble(13.5)));
  femur.rods.push_back({at(0, -1, 22), at(0, -3, 55), wobble(22) * s, wobble(15) * s});
  femur.lobes = {{at(22, 5, 17), s * Vector3d(13, wobble(30), 19)},
                 {at(-21, 4, 17.5), s * Vector3d(13, wobble(28), 18)}};
  const Make long_bone{1.1, wobble(5.5), wobble(220), 180, shaftBeyond(45 * s, 120 * s)};
  const int f = addBone(plan, "femur", grow(femur), long_bone, draw);

  Grown tibia{{}, {}, {}, {}, 6 * s, 2, 1.2, draw.seed()};
  tibia.rods = bowed(at(2, 2, -60), at(4, 4, -330), at(3, 0, 0), s * Vector2d(wobble(14), wobble(11.5)));
  tibia.rods.push_back({at(0, 2, -22), at(2, 1, -62), wobble(22) * s, 14 * s});
  tibia.lobes = {{at(20, 4, -13), s * Vector3d(18, 24, 11)},
                 {at(-20, 3, -13), s * Vector3d(18, 22, 11)},
                 {at(-2, -19, -42), s * Vector3d(8, 7, 14)}};
  const int t = addBone(plan, "tibia", grow(tibia), long_bone, draw);
  plan.scene.bones.back().joints = {{f, draw.between(1.5, 5)}};

  Grown fibula{{}, {}, {}, {}, 3 * s, 2, 1, draw.seed()};
  fibula.rods = bowed(at(-36, 18, -38), at(-30, 16, -330), at(-2, 2, 0), s * Vector2d(5.5, 5));
  fibula.lobes = {{at(-36, 17, -27), s * Vector3d(9, 9, 11)}};
  addBone(plan, "fibula", grow(fibula), {0.9, wobble(2.6), 160, 150, shaftBeyond(40 * s, 80 * s)}, draw);
  plan.scene.bones.back().joints = {{t, draw.between(0.8, 2.5)}, {f, 3}};

  Grown patella{{}, {{at(-1, -38, 20), s * Vector3d(wobble(22), 9.5, wobble(21))}}, {}, {}, 3, 2, 1, draw.seed()};
  addBone(plan, "patella", grow(patella), {1.3, 1.3, wobble(280), 220}, draw);
  plan.scene.bones.back().joints = {{f, draw.between(1.5, 4.5)}, {t, 3}};

  plan.shafts = {{f, at(0, -8, 80), at(0, -8, 260), 26 * s}, {t, at(4, 2, -75), at(4, 2, -280), 24 * s}};
  plan.foci = {at(0, 0, 0), at(0, -4, 90), at(0, 4, -90)};
  plan.lesion_bones = {f, t, f, t, f, t, 3};
  plan.extent_mm = 190;
  return plan;
}

Plan forearmScene(std::uint64_t seed, const PersonWish& wish) {
  Draw draw(seed, 102);
  Plan plan;
  plan.person = drawPerson(draw, wish);
  const bool leg = draw.chance(0.5);
  const double s = plan.person.size * (leg ? 1 : 0.85), side = draw.sign(),
               girth = leg ? draw.between(48, 66) : draw.between(34, 48);
  plan.person.fat_mm = std::min(plan.person.fat_mm, 0.2 * girth);
  addBodyTissue(plan, limb(1.1 * girth, 0.8 * girth, 220, {leg ? -8.0 * side : 0.0, leg ? 14.0 : 0.0}), leg ? 28 : 20,
                draw);
  const double big = leg ? draw.between(11, 15) : draw.between(6.5, 9),
               small = leg ? draw.between(5, 7) : draw.between(6, 8);
  const double apart = leg ? draw.between(24, 34) : draw.between(16, 27),
               half = leg ? draw.between(130, 180) : draw.between(95, 130);
  const auto at = [&](double x, double y, double z) { return Vector3d(s * side * x, s * y, s * z); };
  addVessels(plan, {{3, 9, half}, {1, 7, 0}, {3, 10, -half}}, draw.between(1.5, 3), draw);

  Grown first{{}, {}, {}, {}, 5 * s, 2, 1.2, draw.seed()};
  first.rods =
      bowed(at(0, 0, half - 20), at(0, 0, 20 - half), at(draw.between(-4, 4), -4, 0), s * Vector2d(big, 0.92 * big));
  first.rods.push_back({at(0, 3, half - 22), at(0, 3, 22 - half), 0.85 * big * s, 0.8 * big * s});  // not round
  first.rods.push_back(
      {at(0.35 * big, -0.45 * big, half - 24), at(0.3 * big, -0.4 * big, 24 - half), 0.75 * big * s, 0.7 * big * s});
  first.lobes = {{at(0, 1, half - 10), s * Vector3d(2.1 * big, 1.5 * big, 14)},
                 {at(0, 0, 10 - half), s * Vector3d(1.7 * big, 1.4 * big, 15)}};
  const Distance along = shaftBetween(-half * s, half * s, 0.4 * half * s);
  const int a = addBone(plan, leg ? "tibia" : "radius", grow(first), {0.9, 0.42 * big, 200, 170, along}, draw);

  Grown second{{}, {}, {}, {}, 3 * s, 2, 1.2, draw.seed()};
  second.rods = bowed(at(-apart, 6, half - 16), at(-apart, 5, 12 - half), at(draw.between(-3, 3), 2, 0),
                      s * Vector2d(small, 0.9 * small));
  second.lobes = {{at(-apart + 1, 5, half - 16), s * Vector3d(1.5 * small, 1.5 * small, 13)},
                  {at(-apart + 1, 5, 8 - half), s * Vector3d(1.4 * small, 1.3 * small, 15)}};
  const int b = addBone(plan, leg ? "fibula" : "ulna", grow(second), {0.8, 0.45 * small, 170, 150, along}, draw);
  plan.scene.bones.back().joints = {{a, draw.between(0.8, 2.5)}};

  const double end = -half * s - draw.between(6, 9) * s;  // what follows below: carpal or ankle bones
  const int bones = leg ? 1 : 4;
  for (int i = 0; i < bones; ++i) {
    const Vector3d centre(side * s * (leg ? -4 : 12 - 9.5 * i), draw.between(-3, 3), end - (leg ? 9 : (i % 2) * 5));
    const Vector3d semi =
        leg ? Vector3d(22, 26, 15) : Vector3d(draw.between(6, 8), draw.between(8, 11), draw.between(7, 10));
    const Grown carpal{{}, {{centre, s * semi}}, {}, {}, 3, 2, 1.0, draw.seed()};
    addBone(plan, leg ? "talus" : "carpal", grow(carpal), {0.9, 0.9, 240, 180}, draw);
    for (int other = 0; other + 1 < static_cast<int>(plan.scene.bones.size()); ++other)
      plan.scene.bones.back().joints.push_back({other, draw.between(1, 2.5)});
  }
  plan.shafts = {{a, at(0, 0, 0.6 * half), at(0, 0, -0.6 * half), 1.9 * big * s},
                 {b, at(-apart, 6, 0.6 * half), at(-apart, 6, -0.6 * half), 2 * small * s}};
  plan.foci = {at(-apart / 2, 2, 0), at(-apart / 2, 2, -half + 10), at(-apart / 2, 2, half - 30)};
  plan.lesion_bones = {a, a, b};
  plan.extent_mm = 1.2 * half;
  return plan;
}

namespace {

struct FootBone {
  const char* name;
  Vector3d centre, semi_axes, degrees;
};

/// Sizes after an adult's foot; x medial, y posterior, z up, from the middle of the talus.
const FootBone kFoot[] = {
    {"talus", {0, 0, 0}, {17, 26, 12}, {12, 0, -10}},        {"calcaneus", {-4, 27, -27}, {15, 36, 17}, {-18, 0, 5}},
    {"navicular", {9, -30, -7}, {17, 7.5, 11}, {0, 20, 20}}, {"cuboid", {-16, -34, -20}, {11, 16, 11}, {0, 0, -12}},
    {"cuneiform1", {17, -46, -14}, {7.5, 12, 12}, {}},       {"cuneiform2", {5, -46, -8}, {6.5, 9, 9}, {}},
    {"cuneiform3", {-5, -45, -11}, {6.5, 11, 9.5}, {}}};

}  // namespace

Plan footScene(std::uint64_t seed, const PersonWish& wish) {
  Draw draw(seed, 103);
  Plan plan;
  plan.person = drawPerson(draw, wish);
  plan.person.fat_mm = draw.between(3, 8);
  const double s = plan.person.size, side = draw.sign();
  const auto at = [&](const Vector3d& p) { return Vector3d(s * side * p[0], s * p[1], s * p[2]); };
  Grown flesh{{}, {}, {}, {}, 25, 2, 2, draw.seed()};
  flesh.rods = {{at({0, 12, 160}), at({0, 12, 20}), 46 * s, 36 * s},
                {at({0, 20, 0}), at({0, 0, -15}), 38 * s, 40 * s},
                {at({0, 30, -22}), at({2, -60, -22}), 32 * s, 32 * s},
                {at({12, -60, -22}), at({18, -150, -36}), 28 * s, 17 * s},
                {at({-14, -50, -22}), at({-22, -130, -34}), 24 * s, 18 * s}};
  const Shape skin = grow(flesh);
  const auto inset = [&](double depth) {
    return Shape{[=](const Vector3d& p) { return skin.distance(p) + depth; }, skin.centre_mm, skin.radius_mm};
  };
  plan.scene.tissue = {{inset(0), mottled(20, 8, 5, draw)},
                       {inset(2), fat(draw)},
                       {inset(2 + plan.person.fat_mm), muscle(plan.person, draw, 18)}};

  const double gap = draw.between(0.8, 2.2);
  const auto join = [&] {
    const int last = static_cast<int>(plan.scene.bones.size()) - 1;
    for (int other = 0; other < last; ++other)
      plan.scene.bones.back().joints.push_back({other, gap * draw.between(0.8, 1.4)});
  };
  for (const FootBone& b : kFoot) {
    const Vector3d semi = s * b.semi_axes.cwiseProduct(Vector3d(draw.between(0.95, 1.15), draw.between(0.95, 1.15),
                                                                draw.between(0.95, 1.15)));
    const Lobe lobe{at(b.centre), semi, turn({b.degrees[0], side * b.degrees[1], side * b.degrees[2]})};
    Grown grown{{}, {lobe}, {}, {}, 4, 2, 1.8, draw.seed()};
    grown.lobes.push_back({lobe.centre + 0.35 * semi.maxCoeff() * draw.direction(), 0.75 * semi, lobe.rotation});
    addBone(plan, b.name, grow(grown), {0.8, 0.8, draw.between(180, 300), 200}, draw);
    join();
  }
  Grown tibia{{}, {{at({2, 4, 26}), s * Vector3d(22, 21, 16)}, {at({21, 2, 8}), s * Vector3d(6, 11, 14)}},
              {}, {},
              6,  2,
              1,  draw.seed()};
  tibia.rods = chain({at({2, 4, 40}), at({2, 4, 75}), at({4, 2, 200})}, {18 * s, 12.5 * s, 12 * s});
  const Distance shaft = shaftBeyond(35 * s, 90 * s);
  addBone(plan, "tibia", grow(tibia), {1.0, 4.5, 230, 180, shaft}, draw);
  join();
  Grown fibula{{}, {{at({-23, 8, 6}), s * Vector3d(8, 10, 18)}}, {}, {}, 4, 2, 1, draw.seed()};
  fibula.rods = chain({at({-23, 8, 10}), at({-24, 10, 60}), at({-26, 8, 200})}, {7 * s, 5.5 * s, 5.5 * s});
  addBone(plan, "fibula", grow(fibula), {0.9, 2.6, 180, 160, shaft}, draw);
  join();
  for (int ray = 0; ray < 5; ++ray) {
    const double r = ray == 0 ? 6.5 : 4.2, x0 = 17 - 9 * ray, x1 = 24 - 14 * ray;
    Grown bone{{},
               {{at({x1, -122.0 + 6 * ray, -34}), s * Vector3d(r + 3, r + 4, r + 3)},
                {at({x0, -60.0 + 2 * ray, -15 - 3.0 * ray}), s * Vector3d(r + 2.5, r + 4, r + 5)}},
               {},
               {},
               4,
               2,
               0.8,
               draw.seed()};
    bone.rods = {{at({x0, -62.0 + 2 * ray, -15 - 3.0 * ray}), at({x1, -120.0 + 6 * ray, -34}), (r + 1) * s, r * s}};
    addBone(plan, "metatarsal", grow(bone), {0.8, 1.6, 170, 160}, draw);
    join();
    Grown toe{{{at({x1 + 1, -136.0 + 6 * ray, -36}), at({x1 + 1, -160.0 + 8 * ray, -38}), 0.95 * r * s, 0.7 * r * s}},
              {},
              {},
              {},
              3,
              2,
              0.6,
              draw.seed()};
    addBone(plan, "phalanx", grow(toe), {0.8, 1.2, 150, 160}, draw);
    join();
  }
  plan.foci = {at({0, 0, -5}), at({0, -25, -15}), at({5, -70, -25}), at({0, 10, 30})};
  plan.shafts = {{7, at({3, 3, 85}), at({4, 2, 160}), 18 * s}};
  plan.lesion_bones = {0, 1, 1, 7, 7, 9};
  plan.extent_mm = 150;
  return plan;
}

}  // namespace osteo::phantom
