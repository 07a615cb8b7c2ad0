#include <cmath>

#include "phantom/anatomy.h"
#include "phantom/kinds.h"
#include "phantom/scene_builder.h"

namespace osteo::phantom {

using Eigen::Vector2d;
using Eigen::Vector3d;

namespace {

/// A vertebra of phantom vertebra's shape, its body's centre at the origin.
Shape vertebraShape(double width_mm, std::uint64_t seed) {
  const Anatomy anatomy = vertebra({width_mm, 1.2}, seed);
  return {[evaluate = anatomy.evaluate](const Vector3d& p) {
            double f[2];
            evaluate(p, f);
            return f[0];
          },
          (anatomy.min_mm + anatomy.max_mm) / 2, (anatomy.max_mm - anatomy.min_mm).norm() / 2};
}

void addTrunk(Plan& plan, double wide_mm, double deep_mm, const Vector2d& middle, Draw& draw) {
  const double waist = draw.between(0.85, 1.0);
  addBodyTissue(
      plan,
      {[=](double z) {
         return Vector2d((waist + (1 - waist) * std::min(1.0, std::abs(z) / 120)) * Vector2d(wide_mm, deep_mm));
       },
       [=](double) { return middle; }},
      45, draw);
}

/// Gut with air, fluid or contrast in it, in a box.
void addGut(Plan& plan, const Vector3d& centre, const Vector3d& half, int loops, Draw& draw) {
  auto& tissue = plan.scene.tissue;
  addBlob(tissue, {centre, 1.15 * half}, fat(draw));
  for (int i = 0; i < loops; ++i) {
    const Vector3d c =
        centre + half.cwiseProduct(Vector3d(draw.between(-1, 1), draw.between(-1, 1), draw.between(-1, 1)) * 0.75);
    const double r = draw.between(9, 21);
    const Vector3d semi(r * draw.between(0.9, 1.6), r, r * draw.between(0.9, 1.6));
    const Eigen::Matrix3d rotation = turn(90 * draw.direction());
    addBlob(tissue, {c, semi, rotation}, mottled(draw.between(30, 55), 6, 6, draw));
    const double what = draw.between(0, 1);
    const double hu = what < 0.35   ? -970
                      : what < 0.5  ? -150
                      : what < 0.62 ? draw.between(150, 600)
                                    : draw.between(5, 30);
    addBlob(tissue, {c, 0.82 * semi, rotation}, mottled(hu, what < 0.35 ? 0 : what < 0.5 ? 150 : 8, 5, draw));
  }
}

void addLung(Plan& plan, const Lobe& lobe, Draw& draw) {
  const Texture vessels(7, draw.seed()), large(16, draw.seed());
  const double hu = draw.between(-890, -780);
  addBlob(plan.scene.tissue, lobe, [=](const Vector3d& p) {
    const double thin = std::clamp((vessels(p) - 0.62) * 5, 0.0, 1.0),
                 wide = std::clamp((large(p) - 0.72) * 6, 0.0, 1.0);
    return hu + 25 * vessels(p) + (40 - hu) * std::max(0.55 * thin, wide);
  });
}

struct Spine {
  std::vector<int> bones;
  std::vector<Vector3d> centres;
};

/// `count` vertebrae from the top down with discs, along a curve through the origin.
Spine addSpine(Plan& plan, int count, double width_mm, const Vector3d& top, Draw& draw) {
  Spine out;
  const double lordosis = draw.between(-6, 6), scoliosis = draw.between(-4, 4), s = width_mm / 46;
  const double disc = s * draw.between(5, 11), gap = draw.between(0.8, 2.2), trabecular = draw.between(75, 200);
  Vector3d at = top, degrees = -Vector3d(lordosis, scoliosis, 0) * (count - 1) / 2.0;
  for (int i = 0; i < count; ++i) {
    const Eigen::Matrix3d rotation =
        turn(degrees + Vector3d(draw.between(-2, 2), draw.between(-2, 2), draw.between(-5, 5)));
    const double width = width_mm * draw.between(0.96, 1.04),
                 height = draw.chance(plan.person.density < 0.5 ? 0.2 : 0.03) ? 0.75 : 1;
    const Shape shape = placed(vertebraShape(width, draw.seed()), rotation, at);
    const Vector3d down = -(rotation * Vector3d::UnitZ()) * (28 * s * height + disc);
    if (i + 1 < count) {
      const Lobe pulp{at + 0.5 * down, s * Vector3d(23.5, 17.5, 10), rotation};
      addBlob(plan.scene.tissue, pulp, mottled(draw.between(70, 105), 8, 9, draw));
      if (draw.chance(0.15))
        addBlob(plan.scene.tissue, {at + 0.5 * down, s * Vector3d(12, 7, 1.6), rotation}, mottled(-700, 0, 9, draw));
    }
    addTube(plan.scene.tissue,
            {at - 0.5 * down + rotation * Vector3d(0, 22 * s, 0), at + 0.5 * down + rotation * Vector3d(0, 22 * s, 0)},
            7 * s, mottled(25, 4, 7, draw));
    const int bone = addBone(plan, "vertebra", shape, {0.75, 0.75, trabecular, 80}, draw);
    if (i > 0) plan.scene.bones.back().joints = {{out.bones.back(), gap}};
    out.bones.push_back(bone), out.centres.push_back(at);
    at += down;
    degrees += Vector3d(lordosis, scoliosis, 0);
  }
  return out;
}

void addRibs(Plan& plan, const Spine& spine, double s, const Vector2d& cage, Draw& draw) {
  const double slope = draw.between(0.1, 0.5);
  for (std::size_t i = 0; i < spine.bones.size(); ++i) {
    for (const double side : {1.0, -1.0}) {
      std::vector<Vector3d> points;
      for (int k = 0; k <= 9; ++k) {
        const double a = 0.32 + 0.26 * k;  // from beside the vertebra around the side to the front
        const Vector2d on(std::sin(a) * cage[0], std::cos(a) * cage[1]);
        points.emplace_back(side * std::max(on[0], 25.0 * s), on[1] + 40 * s - cage[1], 4 - slope * 22 * k);
        points.back() += spine.centres[i];
      }
      std::vector<double> radii(points.size(), 4.6 * s * draw.between(0.9, 1.15));
      Grown rib{chain(points, radii), {}, {}, {}, 2, 2, 1.5, draw.seed()};
      rib.lobes = {{points.front(), s * Vector3d(7, 6, 6)}};
      addBone(plan, "rib", grow(rib), {0.9, 0.9, 120, 130}, draw);
      plan.scene.bones.back().joints = {{spine.bones[i], draw.between(0.8, 1.8)}};
      if (i > 0) plan.scene.bones.back().joints.push_back({spine.bones[i - 1], 1.5});
    }
  }
}

}  // namespace

Plan spineScene(std::uint64_t seed, const PersonWish& wish) {
  Draw draw(seed, 104);
  Plan plan;
  plan.person = drawPerson(draw, wish);
  const bool thoracic = draw.chance(0.5);
  const int count = 3 + draw.pick(3);
  const double width = plan.person.size * (thoracic ? draw.between(29, 38) : draw.between(42, 52)), s = width / 46;
  const double wide = draw.between(140, 185), deep = draw.between(95, 130), belly = thoracic ? 40.0 : 32.0;
  addTrunk(plan, wide, deep, {0, 55 * s + plan.person.fat_mm + 12 - deep}, draw);
  auto& tissue = plan.scene.tissue;
  if (thoracic) {
    const double x = 0.42 * wide;
    for (const double side : {1.0, -1.0})
      addLung(plan, {{side * (x + 6), 10 - 0.55 * deep, 0}, {0.72 * x, 0.72 * deep, 170}}, draw);
    addBlob(tissue, {{12, -0.9 * deep, -10}, {50, 42, 55}},
            mottled(plan.person.contrast ? plan.person.vessel_hu * 0.7 : 45, 12, 15, draw));
  } else {
    addBlob(tissue, {{-0.45 * wide, -0.75 * deep, 25}, {0.42 * wide, 0.6 * deep, 95}},
            mottled(plan.person.contrast ? draw.between(90, 125) : draw.between(50, 65), 5, 20, draw));
    addGut(plan, {0.2 * wide, -0.85 * deep, -15}, {0.6 * wide, 0.42 * deep, 80}, 14 + draw.pick(10), draw);
    for (const double side : {1.0, -1.0}) {
      addBlob(tissue, {{side * (62 * s + 12), 4, 10}, {34, 32, 62}}, fat(draw));
      addBlob(tissue, {{side * (62 * s + 12), 4, 10}, {25, 23, 50}},
              mottled(plan.person.contrast ? draw.between(130, 210) : 32, 10, 9, draw));
      addTube(tissue, {{side * 34 * s, 6, 60}, {side * 38 * s, 2, -20}, {side * 45 * s, -6, -120}}, 17 * s,
              muscle(plan.person, draw, 20));
    }
  }
  const double aorta = draw.between(8, 14);
  addTube(tissue, {{10, -belly * s - aorta + 6, 150}, {12, -belly * s - aorta + 8, -150}}, aorta,
          mottled(plan.person.vessel_hu, 5, 12, draw));
  addTube(tissue, {{-16, -belly * s - 8, 150}, {-18, -belly * s - 6, -150}}, draw.between(8, 12),
          mottled(plan.person.contrast ? 0.6 * plan.person.vessel_hu : 42, 8, 12, draw));
  const double pitch = 36 * s;
  const Spine spine = addSpine(plan, count, width, {0, 0, pitch * (count - 1) / 2.0}, draw);
  if (thoracic) addRibs(plan, spine, s, {0.8 * wide, 0.8 * deep}, draw);
  plan.lesion_bones = spine.bones;
  plan.foci = {{0, 20 * s, 0}, {0, 10 * s, 0.5 * pitch}, {0, 10 * s, -0.5 * pitch}};
  if (thoracic) plan.foci.push_back({0.4 * wide, -0.2 * deep, 0});
  plan.extent_mm = thoracic ? 230 : 170;
  return plan;
}

namespace {

int addHipBone(Plan& plan, double side, double s, Draw& draw) {
  const auto at = [&](double x, double y, double z) { return Vector3d(s * side * x, s * y, s * z); };
  const double flare = draw.between(-8, 12), th = draw.between(2.2, 4);
  const Vector3d asis = at(118 + flare, -42, 72), crest = at(124 + flare, 0, 112), back = at(78, 62, 104),
                 psis = at(48, 88, 72);
  const Vector3d roof = at(88, -6, 30), notch = at(66, 48, 30), inner = at(72, 24, 58), front = at(100, -34, 36);
  Grown hip{{}, {}, {}, {}, 9 * s, 2, 2, draw.seed()};
  hip.rods = chain({asis, crest, at(106, 38, 120), back, psis}, {7 * s, 8 * s, 7 * s, 8 * s, 9 * s});
  for (const Rod& rod : chain({at(96, -30, 22), asis}, {8 * s, 6 * s})) hip.rods.push_back(rod);
  for (const Rod& rod : chain({at(78, -18, 4), at(45, -40, -8), at(10, -46, -20)}, {12 * s, 7 * s, 9 * s}))
    hip.rods.push_back(rod);
  for (const Rod& rod : chain({at(10, -46, -26), at(30, -30, -52), at(58, 18, -62)}, {8 * s, 5.5 * s, 11 * s}))
    hip.rods.push_back(rod);
  for (const Rod& rod : chain({at(84, 20, -4), at(64, 24, -52)}, {15 * s, 14 * s})) hip.rods.push_back(rod);
  for (const Rod& rod : chain({roof, notch, psis}, {12 * s, 9 * s, 9 * s})) hip.rods.push_back(rod);
  hip.plates = {{asis, crest, roof, th * s},       {front, asis, roof, th * s},
                {crest, inner, roof, th * s},      {crest, back, inner, th * s},
                {back, psis, inner, 1.4 * th * s}, {psis, notch, inner, 1.6 * th * s},
                {notch, roof, inner, 1.5 * th * s}};
  hip.lobes = {{at(82, 0, 4), s * Vector3d(31, 32, 32)}};
  const int bone =
      addBone(plan, side > 0 ? "hip left" : "hip right", grow(hip), {1.3, 1.3, draw.between(90, 190), 150}, draw);
  return bone;
}

int addFemur(Plan& plan, double side, double s, Draw& draw) {
  const auto at = [&](double x, double y, double z) { return Vector3d(s * side * x, s * y, s * z); };
  const double head = draw.between(21, 26), offset = draw.between(36, 46), down = draw.between(25, 42);
  const Vector3d swing = draw.between(0, 12) * Vector3d(0, 1, 0);
  Grown femur{{}, {}, {}, {}, 9 * s, 2, 1, draw.seed()};
  const Vector3d centre = at(88, 0, 0), knee = at(88 + offset, 4, -down) + swing;
  femur.rods = {{centre, knee, 17 * s, 15 * s}};
  for (const Rod& rod : chain({knee, at(86 + offset, 2, -down - 50) + swing, at(80 + offset, -4, -down - 260) + swing},
                              {18 * s, 15 * s, 13.5 * s}))
    femur.rods.push_back(rod);
  femur.lobes = {{centre, Vector3d::Constant(head * s)},
                 {at(98 + offset, 12, -down + 14) + swing, s * Vector3d(11, 17, 20)},
                 {at(76 + offset, 20, -down - 22) + swing, s * Vector3d(9, 9, 12)}};
  const double begins = s * (down + 15);
  const Distance along = [=](const Vector3d& p) { return ramp(-p[2], begins, begins + 55 * s); };
  return addBone(plan, side > 0 ? "femur left" : "femur right", grow(femur),
                 {1.2, 6, draw.between(150, 260), 180, along}, draw);
}

}  // namespace

Plan hipScene(std::uint64_t seed, const PersonWish& wish) {
  Draw draw(seed, 105);
  Plan plan;
  plan.person = drawPerson(draw, wish);
  const double s = 0.95 * plan.person.size, wide = 178 * s + plan.person.fat_mm, deep = 112 * s + plan.person.fat_mm;
  addTrunk(plan, wide, deep, {0, 18 * s}, draw);
  auto& tissue = plan.scene.tissue;
  addGut(plan, {0, -38 * s, 66 * s}, {78 * s, 48 * s, 62 * s}, 12 + draw.pick(10), draw);
  addBlob(tissue, {{0, -18 * s, 0}, s * Vector3d(48, 38, 38)}, fat(draw));
  addBlob(tissue, {{0, -26 * s, -2}, s * Vector3d(36, 27, 28)},
          mottled(draw.chance(0.2) ? draw.between(60, 300) : 8, 4, 15, draw));
  addBlob(tissue, {{0, 36 * s, 6}, s * Vector3d(17, 15, 32)}, mottled(draw.between(20, 45), 12, 6, draw));
  if (draw.chance(0.5)) addBlob(tissue, {{3, 34 * s, 8}, s * Vector3d(8, 8, 16)}, mottled(-800, 150, 6, draw));
  for (const double side : {1.0, -1.0}) {
    const double x = side * s;
    addBlob(tissue, {{72 * x, -68 * s, -10}, s * Vector3d(26, 18, 40)}, fat(draw));
    addTube(tissue,
            {{40 * x, 5, 100}, {62 * x, -42 * s, 30 * s}, {78 * x, -66 * s, -20 * s}, {84 * x, -58 * s, -120 * s}},
            draw.between(4, 6.5), mottled(plan.person.vessel_hu, 4, 12, draw));
    addTube(tissue,
            {{32 * x, 12, 100}, {52 * x, -36 * s, 30 * s}, {68 * x, -62 * s, -20 * s}, {76 * x, -54 * s, -120 * s}},
            draw.between(5, 7.5), mottled(45, 4, 12, draw));
  }
  const double joint = draw.between(2, 5);
  std::vector<int> hips, femora;
  for (const double side : {1.0, -1.0}) {
    femora.push_back(addFemur(plan, side, s, draw));
    hips.push_back(addHipBone(plan, side, s, draw));
    plan.scene.bones.back().joints = {{femora.back(), joint}};
    if (side < 0) plan.scene.bones.back().joints.push_back({hips.front(), draw.between(3, 6)});
  }
  Grown sacrum{{}, {}, {}, {}, 8 * s, 3, 2, draw.seed()};
  const auto at = [&](double x, double y, double z) { return Vector3d(s * x, s * y, s * z); };
  sacrum.rods = {{at(0, 42, 88), at(0, 78, 38), 21 * s, 15 * s},
                 {at(0, 78, 38), at(0, 76, -8), 14 * s, 7 * s},
                 {at(0, 70, 96), at(0, 98, 40), 8 * s, 6 * s}};
  for (const double side : {1.0, -1.0}) {
    sacrum.lobes.push_back({at(36 * side, 58, 80), s * Vector3d(24, 19, 20)});
    sacrum.lobes.push_back({at(32 * side, 72, 50), s * Vector3d(21, 14, 20)});
    for (int k = 0; k < 3; ++k)
      sacrum.holes.push_back({at(17 * side, 66 + 6 * k, 72 - 19 * k), s * Vector3d(4, 13, 4), turn({25, 0, 0})});
  }
  sacrum.holes.push_back({at(0, 66, 84), s * Vector3d(11, 6, 22), turn({-25, 0, 0})});
  const int sac = addBone(plan, "sacrum", grow(sacrum), {0.9, 0.9, draw.between(50, 130), 110}, draw);
  plan.scene.bones.back().joints = {{hips[0], draw.between(1.2, 3)}, {hips[1], draw.between(1.2, 3)}};
  const std::size_t before = plan.scene.bones.size();
  addSpine(plan, 2, 48 * s, at(0, 22, 162), draw);
  for (std::size_t i = before; i < plan.scene.bones.size(); ++i) plan.scene.bones[i].joints.push_back({sac, 3});
  for (std::size_t k = 0; k < 2; ++k) {
    const double x = (k == 0 ? 1 : -1) * 126.0;
    plan.shafts.push_back({femora[k], at(x, 4, -85), at(x, 0, -180), 27 * s});
    plan.foci.push_back(at(k == 0 ? 88 : -88, 0, 0));
    plan.lesion_bones.insert(plan.lesion_bones.end(), {hips[k], femora[k]});
  }
  plan.lesion_bones.push_back(sac);
  plan.foci.push_back(at(0, 20, 40));
  plan.foci.push_back(at(0, 20, 30));
  plan.extent_mm = 330;
  return plan;
}

}  // namespace osteo::phantom
