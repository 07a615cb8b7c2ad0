#include "phantom/scene_builder.h"

#include <algorithm>
#include <cmath>

#include "phantom/anatomy.h"

namespace osteo::phantom {

using Eigen::Vector2d;
using Eigen::Vector3d;

Person drawPerson(Draw& draw, const PersonWish& wish) {
  Person p;
  p.size = draw.between(0.85, 1.12);
  const double density = draw.chance(0.3) ? draw.between(0.25, 0.6) : draw.between(0.7, 1.25);
  p.density = wish.density.value_or(density);
  p.cortex = p.density < 0.6 ? draw.between(0.5, 0.8) : draw.between(0.8, 1.2);
  p.cortical_hu = draw.between(1150, 1750) * (p.density < 0.6 ? 0.85 : 1);
  p.marrow_hu = draw.between(-90, -10);
  p.muscle_hu = draw.between(40, 68);
  p.fat_mm = draw.between(4, 28);
  const bool contrast = draw.chance(0.45);
  p.contrast = wish.contrast.value_or(contrast);
  p.vessel_hu = p.contrast ? draw.between(110, 420) : draw.between(35, 50);
  return p;
}

int addBone(Plan& plan, const std::string& name, const Shape& shape, const Make& make, Draw& draw) {
  const Person& person = plan.person;
  const Texture coarse(draw.between(7, 12), draw.seed()), fine(2.2, draw.seed());
  const double density = person.density, marrow = person.marrow_hu;
  Bone bone{name, shape, {}, {}, person.cortical_hu * draw.between(0.95, 1.05)};
  bone.cortex_mm = [=, cortex = person.cortex](const Vector3d& p) {
    const double shaft = make.along ? make.along(p) : 0;
    return cortex * (make.cortex_mm + shaft * (make.shaft_mm - make.cortex_mm)) * (1 + 0.2 * coarse(p));
  };
  bone.spongiosa_hu = [=](const Vector3d& p, double depth) {
    const double end = 1 - (make.along ? make.along(p) : 0);
    const double web = 1 + 0.28 * coarse(p) + 0.2 * fine(p);
    // Trabeculae are thin where density is low: what is between them is marrow.
    const double spongy = density * make.spongiosa_hu * web + (1 - std::min(1.0, density)) * marrow;
    return marrow + end * (spongy - marrow) + density * make.rise_hu * std::exp(-depth / 2.5) * (0.4 + 0.6 * end);
  };
  plan.scene.bones.push_back(std::move(bone));
  return static_cast<int>(plan.scene.bones.size()) - 1;
}

std::function<double(const Vector3d&)> mottled(double hu, double amplitude_hu, double cell_mm, Draw& draw) {
  const Texture texture(cell_mm, draw.seed());
  const Eigen::Matrix3d rotation = turn(180 * draw.direction());
  return [=](const Vector3d& p) { return hu + amplitude_hu * texture(rotation * p); };
}

std::function<double(const Vector3d&)> muscle(const Person& person, Draw& draw, double bundle_mm) {
  const Texture bundles(bundle_mm, draw.seed()), strands(bundle_mm / 4, draw.seed());
  const Eigen::Matrix3d rotation = turn({draw.between(-15, 15), draw.between(-15, 15), draw.between(0, 90)});
  const double hu = person.muscle_hu, fatty = draw.between(0.02, 0.09), streaky = draw.between(2, 9);
  return [=](const Vector3d& p) {
    const Vector3d q = rotation * Vector3d(p[0], p[1], 0.3 * p[2]);
    const double strand = strands(q), sheet = std::abs(bundles(q) + 0.12 * strand) / fatty;
    const double fascia = std::clamp(1.6 - sheet, 0.0, 1.0);
    return hu + streaky * strand + 0.75 * fascia * (kFat_hu - hu);
  };
}

std::function<double(const Vector3d&)> fat(Draw& draw) {
  const Texture lobules(draw.between(9, 16), draw.seed());
  const double hu = draw.between(-115, -90);
  return [=](const Vector3d& p) {
    return hu + 50 * std::clamp(1 - std::abs(lobules(p)) / 0.06, 0.0, 1.0) + 5 * lobules(p);
  };
}

void addTube(std::vector<Tissue>& to, const std::vector<Vector3d>& points, double radius_mm,
             const std::function<double(const Vector3d&)>& hu) {
  Grown tube;
  tube.rods = chain(points, std::vector<double>(points.size(), radius_mm));
  tube.fillet_mm = 0.5;
  to.push_back({grow(tube), hu});
}

void addBlob(std::vector<Tissue>& to, const Lobe& lobe, const std::function<double(const Vector3d&)>& hu,
             std::uint16_t label) {
  Grown blob;
  blob.lobes = {lobe};
  to.push_back({grow(blob), hu, label});
}

void addBodyTissue(Plan& plan, const Outline& outline, double bundle_mm, Draw& draw) {
  const double thickness = plan.person.fat_mm;
  const auto section = [outline](double below) -> Distance {
    return [=](const Vector3d& p) {
      const Vector2d middle = outline.middle_mm(p[2]), q(p[0] - middle[0], p[1] - middle[1]);
      return ellipsoidDistance<2>(q, Vector2d(outline.semi_axes_mm(p[2]) - Vector2d::Constant(below)));
    };
  };
  const Texture uneven(60, draw.seed());
  const Distance skin = section(0), under = section(2), flesh = section(2);
  const auto muscle_edge = [=](const Vector3d& p) { return flesh(p) + thickness * (1 + 0.35 * uneven(p)); };
  auto& tissue = plan.scene.tissue;
  tissue.push_back({{skin}, mottled(draw.between(10, 45), 8, 5, draw)});
  tissue.push_back({{under}, fat(draw)});
  tissue.push_back({{muscle_edge}, muscle(plan.person, draw, bundle_mm)});
}

}  // namespace osteo::phantom
