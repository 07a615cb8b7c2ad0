#include <cmath>
#include <memory>

#include "phantom/anatomy.h"
#include "phantom/kinds.h"
#include "phantom/scene_builder.h"

namespace osteo::phantom {

using Eigen::Vector2d;
using Eigen::Vector3d;

namespace {

/// Shell of the brain's case with a flat base, face bones in front of it, holes of orbits, nose and spinal canal.
class Skull {
 public:
  Skull(double s, Draw& draw)
      : s_(s),
        thickness_(draw.between(4.5, 8)),
        base_mm_(draw.between(46, 54)),
        warp_(1.8, draw.seed()),
        uneven_(45, draw.seed()) {
    semi_axes_ = {72 * draw.between(0.95, 1.05), 90 * draw.between(0.95, 1.05), 78 * draw.between(0.95, 1.05)};
    face_.rods = {{{0, -60, -58}, {0, -62, -86}, 30, 24}};  // maxilla
    for (const double side : {1.0, -1.0}) {
      const auto at = [&](double x, double y, double z) { return Vector3d(side * x, y, z); };
      face_.lobes.push_back({at(30, -72, -40), {26, 20, 24}});                          // orbit's walls
      face_.lobes.push_back({at(44, 14, -56), {24, 12, 12}, turn({0, 0, side * 35})});  // petrous bone
      face_.lobes.push_back({at(60, 22, -66), {10, 13, 17}});                           // mastoid
      for (const Rod& rod :
           chain({at(46, -72, -60), at(62, -52, -58), at(69, -25, -55), at(68, -2, -52)}, {7, 4, 3.2, 5}))
        face_.rods.push_back(rod);
      holes_.push_back({at(31, -84, -38), {18, 30, 16.5}, turn({0, 0, side * 18})});  // orbit
      sinuses_.push_back({at(23, -64, -72), {12, 19, 16}});
    }
    sinuses_.push_back({{0, -82, -66}, {9, 30, 22}});                        // nose
    sinuses_.push_back({{0, -56, -54}, {11, 14, 8}});                        // sphenoid and ethmoid cells
    sinuses_.push_back({{6, -92 * semi_axes_[1] / 90, -14}, {17, 4.5, 9}});  // frontal
    holes_.push_back({{0, 34, -base_mm_ - 2}, {16, 19, 16}});                // foramen magnum
    face_.fillet_mm = 6;
    face_shape_ = grow(face_);
  }

  double outer(const Vector3d& q) const {
    return filletMax(ellipsoidDistance<3>(q, semi_axes_), -q[2] - base_mm_ - 5, 10);
  }
  double brain(const Vector3d& q) const { return outer(q) + thickness(q); }
  double distance(const Vector3d& point) const {
    const Vector3d q = warp_(point / s_);
    const double vault = outer(q), thick = thickness(q), shell = std::max(vault, -(vault + thick));
    if (q[2] > 20) return s_ * shell;  // face, orbits, sinuses and canal lie lower
    const double grown = filletMin(shell, filletMax(face_shape_.distance(q), -(vault + thick), 2), 4);
    double d = grown;
    for (const Lobe& hole : holes_) d = filletMax(d, -hole.distance(q), 2);
    for (const Lobe& sinus : sinuses_) d = filletMax(d, -sinus.distance(q), 1.5);
    return s_ * d;
  }
  /// Soft tissue of head and neck: distance to the skin.
  double skin(const Vector3d& point, double neck_mm) const {
    const Vector3d q = point / s_;
    const double head = outer(q) - 6, face = Lobe{{0, -48, -78}, {64, 62, 66}}.distance(q);
    const double neck = Rod{{0, 15, -60}, {0, 25, -250}, neck_mm, neck_mm * 1.1}.distance(q);
    return s_ * filletMin(filletMin(head, face, 25), neck, 25);
  }
  const std::vector<Lobe>& sinuses() const { return sinuses_; }

 private:
  double thickness(const Vector3d& q) const { return thickness_ * (1 + 0.3 * uneven_(q) - 0.25 * ramp(-q[2], 10, 50)); }
  double s_, thickness_, base_mm_;
  Vector3d semi_axes_;
  Warp warp_;
  Texture uneven_;
  Grown face_;
  Shape face_shape_;
  std::vector<Lobe> holes_, sinuses_;
};

/// A row of teeth along an arch; dentine, enamel on the crown, now and then a filling.
void addTeeth(Plan& plan, double s, double gum_z, double crown, double front_y, Draw& draw) {
  const double enamel = draw.between(2100, 2900), dentine = draw.between(1300, 1700);
  const bool fillings = draw.chance(0.3);
  for (int i = -7; i <= 7; ++i) {
    if (i == 0 || draw.chance(0.08)) continue;
    const double t = (std::abs(i) - 0.5) / 7, x = (i > 0 ? 1 : -1) * 27 * std::sin(1.45 * t),
                 y = front_y + 46 * (1 - std::cos(1.45 * t));
    const double r = s * (std::abs(i) > 4 ? 4.1 : std::abs(i) > 2 ? 3.1 : 2.6);
    const Vector3d gum(s * x, s * y, s * gum_z), tip = gum + Vector3d(0, 0, s * crown),
                                                 root = gum - Vector3d(0, 0, 1.5 * s * crown);
    Grown body{{{root, gum, 0.45 * r, r}, {gum, tip, r, r}}, {}, {}, {}, 0.5};
    Grown cap{{{gum + 0.35 * (tip - gum), tip, 1.12 * r, 1.12 * r}}, {}, {}, {}, 0.5};
    plan.scene.over.push_back({grow(cap), mottled(enamel, 80, 3, draw)});
    plan.scene.over.push_back({grow(body), mottled(dentine, 60, 3, draw)});
    if (fillings && std::abs(i) > 3 && draw.chance(0.25))
      addBlob(
          plan.scene.over, {tip + Vector3d(0, 0, 0.1 * crown), Vector3d(0.7 * r, 0.7 * r, 0.5 * r)},
          [](const Vector3d&) { return kTitanium_hu; }, image::Metal);
  }
}

int addMandible(Plan& plan, double s, double open_mm, Draw& draw) {
  Grown jaw{{}, {}, {}, {}, 5 * s, 2, 1.2, draw.seed()};
  std::vector<Vector3d> arch;
  std::vector<double> radii;
  for (int i = -4; i <= 4; ++i) {
    const double t = std::abs(i) / 4.0, a = 1.45 * t;
    arch.push_back(s * Vector3d((i > 0 ? 1 : -1) * (i == 0 ? 0 : 30) * std::sin(a), -92 + 54 * (1 - std::cos(a)),
                                -124 + 4 * t - open_mm));
    radii.push_back(s * (6.5 + 0.5 * t));
  }
  jaw.rods = chain(arch, radii);
  for (Rod rod : chain(arch, radii)) {  // the alveolar ridge above
    rod.a[2] += 10 * s, rod.b[2] += 10 * s;
    rod.radius_a_mm *= 0.8, rod.radius_b_mm *= 0.8;
    jaw.rods.push_back(rod);
  }
  for (const double side : {1.0, -1.0}) {
    const auto at = [&](double x, double y, double z) { return Vector3d(s * side * x, s * y, s * z); };
    const Vector3d corner = at(45, -22, -112 - open_mm), head = at(50, -2, -64);
    for (const Rod& rod : chain({arch[side > 0 ? 8 : 0], corner, head}, {7 * s, 6 * s, 5 * s})) jaw.rods.push_back(rod);
    jaw.plates.push_back({arch[side > 0 ? 8 : 0], corner, at(47, -26, -70), 4 * s});
    jaw.plates.push_back({corner, head, at(47, -26, -70), 3 * s});
    jaw.lobes.push_back({head, s * Vector3d(9, 5, 5)});
  }
  return addBone(plan, "mandible", grow(jaw), {2.0, 2.0, 350, 250}, draw);
}

}  // namespace

Plan headScene(std::uint64_t seed, const PersonWish& wish) {
  Draw draw(seed, 106);
  Plan plan;
  plan.person = drawPerson(draw, wish);
  plan.person.fat_mm = draw.between(2, 6);
  const double s = plan.person.size, neck = draw.between(50, 62), fat_mm = plan.person.fat_mm;
  const auto skull = std::make_shared<const Skull>(s, draw);
  auto& tissue = plan.scene.tissue;
  const auto inset = [&](double depth) {
    return Shape{[=](const Vector3d& p) { return skull->skin(p, neck) + depth; }};
  };
  tissue = {{inset(0), mottled(20, 8, 5, draw)},
            {inset(1.5), fat(draw)},
            {inset(1.5 + fat_mm), muscle(plan.person, draw, 22)}};
  const auto at = [&](double x, double y, double z) { return Vector3d(s * x, s * y, s * z); };
  tissue.push_back({{[=](const Vector3d& p) { return s * skull->brain(p / s); }, Vector3d::Zero(), 110 * s},
                    mottled(8, 3, 9, draw)});
  tissue.push_back({{[=](const Vector3d& p) { return s * skull->brain(p / s) + 2; }, Vector3d::Zero(), 110 * s},
                    mottled(34, 5, 7, draw)});
  for (const double side : {1.0, -1.0}) {
    addBlob(tissue, {at(11 * side, 0, 12), s * Vector3d(7, 30, 8), turn({0, 0, 12 * side})}, mottled(8, 2, 9, draw));
    addBlob(tissue, {at(31 * side, -80, -38), s * Vector3d(17, 30, 15.5), turn({0, 0, 18 * side})}, fat(draw));
    addBlob(tissue, {at(33 * side, -90, -38), s * Vector3d(12, 12, 12)}, mottled(14, 2, 9, draw));
    addTube(tissue, {at(28 * side, 0, -70), at(30 * side, 6, -220)}, draw.between(2.5, 4),
            mottled(plan.person.vessel_hu, 4, 12, draw));
  }
  for (const Lobe& sinus : skull->sinuses()) {
    const double hu = draw.chance(0.15) ? 35 : -990;  // filled ones
    addBlob(tissue, {s * sinus.centre, s * (sinus.semi_axes - Vector3d::Constant(0.8)), sinus.rotation},
            mottled(hu, 5, 5, draw));
  }
  addBlob(tissue, {at(0, -52, -104), s * Vector3d(22, 30, 10)}, mottled(55, 6, 9, draw));  // tongue
  addBlob(tissue, {at(0, -56, -92), s * Vector3d(15, 28, 2)}, mottled(-950, 5, 9, draw));
  addTube(tissue, {at(0, -22, -66), at(0, -18, -100), at(0, -20, -220)}, s * draw.between(5, 8),
          mottled(-985, 5, 9, draw));

  const Make vault{1.7, 1.7, 520, 250};
  const int cranium = addBone(
      plan, "skull", {[=](const Vector3d& p) { return skull->distance(p); }, at(0, -10, -15), 135 * s}, vault, draw);
  // Mastoid cells hold air; the petrous bone is dense.
  auto& bone = plan.scene.bones.back();
  const Texture cells(4, draw.seed());
  bone.spongiosa_hu = [=, before = bone.spongiosa_hu](const Vector3d& p, double depth) {
    const Vector3d q(std::abs(p[0]) / s, p[1] / s, p[2] / s);
    if (Lobe{{44, 14, -56}, {23, 11, 11}, turn({0, 0, 35})}.distance(q) < 0) return 1500.0;
    const double hu = before(p, depth),
                 cell = ramp(-Lobe{{60, 22, -66}, {10, 13, 17}}.distance(q), 1, 4) * ramp(cells(p), -0.1, 0.3);
    return hu + cell * (-850 - hu);
  };
  const double open_mm = draw.between(0, 8);
  const int jaw = addMandible(plan, s, open_mm, draw);
  plan.scene.bones.back().joints = {{cranium, draw.between(1.2, 2.5)}};
  if (draw.chance(0.9)) {
    addTeeth(plan, s, -100 + 2, -8, -88, draw);
    addTeeth(plan, s, -114 - open_mm, 7, -86, draw);
  }
  const double width = 22 * s * draw.between(0.9, 1.1);
  int previous = cranium;
  for (int i = 0; i < 3; ++i) {
    const Anatomy v = vertebra({width, 0.8}, draw.seed());
    const Shape shape{[evaluate = v.evaluate](const Vector3d& p) {
                        double f[2];
                        evaluate(p, f);
                        return f[0];
                      },
                      (v.min_mm + v.max_mm) / 2, (v.max_mm - v.min_mm).norm() / 2};
    const int next =
        addBone(plan, "vertebra", placed(shape, turn({draw.between(-6, 6), 0, 0}), at(0, 18, -74 - 19.0 * i)),
                {0.7, 0.7, 280, 200}, draw);
    plan.scene.bones.back().joints = {{previous, draw.between(1, 2)}};
    previous = next;
  }
  plan.lesion_bones = {cranium, cranium, cranium, cranium, jaw};
  plan.foci = {at(0, -5, -10), at(0, 0, 20), at(0, -50, -75), at(40, 20, 30)};
  plan.extent_mm = 210;
  return plan;
}

}  // namespace osteo::phantom
