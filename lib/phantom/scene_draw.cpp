#include "phantom/scene_draw.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "phantom/anatomy.h"
#include "phantom/lesions.h"

namespace osteo::phantom {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

Plan planOf(const std::string& kind, std::uint64_t seed, const PersonWish& person) {
  if (kind == "knee") return kneeScene(seed, person);
  if (kind == "forearm") return forearmScene(seed, person);
  if (kind == "foot") return footScene(seed, person);
  if (kind == "spine") return spineScene(seed, person);
  if (kind == "hip") return hipScene(seed, person);
  return headScene(seed, person);
}

std::string chosen(const std::string& asked, const std::vector<std::string>& among, Draw& draw) {
  const std::string& drawn = among[static_cast<std::size_t>(draw.pick(static_cast<int>(among.size())))];
  if (asked == "any") return drawn;
  if (std::count(among.begin(), among.end(), asked)) return asked;
  throw core::Error(
      core::Exit::Usage,
      {.what = "a scene can't be like that", .expected = fmt::format("{}", fmt::join(among, ", ")), .got = asked});
}

/// Voxels as clinics make them: from thin and square to thick slices.
image::Frame drawFrame(const SceneWish& wish, const Plan& plan, Draw& draw) {
  image::Frame frame;
  const double pixel = draw.chance(0.6) ? draw.between(0.8, 1.3) : draw.between(1.3, 3);
  const double slice = draw.chance(0.45) ? pixel : draw.chance(0.5) ? draw.between(pixel, 2) : draw.between(1.5, 3);
  frame.spacing_mm = wish.spacing_mm.value_or(Vector3d(pixel, pixel, std::max(0.8, slice)));
  const int drawn = 96 + 16 * draw.pick(4);
  const int most = wish.size_voxels.value_or(drawn);
  for (int d = 0; d < 3; ++d) {
    const double whole = 1.15 * plan.extent_mm / frame.spacing_mm[d];
    frame.size[d] = std::clamp(static_cast<int>(std::ceil(whole)), std::min(most, 64), most);
  }
  return frame;
}

/// The table under the patient: a thin shell around foam, flat or curved; a narrow one is a headrest.
void addTable(Plan& plan, bool headrest, Draw& draw) {
  const Shape& skin = plan.scene.tissue.front().shape;
  double below = 0;
  for (double x = -60; x <= 60; x += 30) {
    for (double y = 300; y > below; y -= 2) {
      const Vector3d p = plan.scene.rotation.transpose() * (Vector3d(x, y, 0) - plan.scene.shift_mm);
      if (skin.distance(p) < 0) below = y;
    }
  }
  const double curve = headrest ? draw.between(2e-3, 5e-3) : draw.between(0, 8e-4), thick = draw.between(10, 32),
               wide = headrest ? draw.between(90, 120) : 230;
  const auto slab = [=](double inset) -> Distance {
    return [=](const Vector3d& p) {
      const double x = std::min(std::abs(p[0]), 150.0), top = below + 2 - curve * x * x;
      return std::max({0.8 * (top + inset - p[1]), 0.8 * (p[1] - top - thick + inset), std::abs(p[0]) - wide + inset});
    };
  };
  plan.scene.room.push_back({{slab(0)}, mottled(draw.between(-150, 250), 20, 20, draw)});
  plan.scene.room.push_back({{slab(draw.between(1.2, 2.5))}, mottled(draw.between(-960, -860), 8, 15, draw)});
}

/// Screws, a nail or plate in the shaft; `strength` times titanium.
void addImplants(Plan& plan, const LesionWish& where, double strength, Draw& draw) {
  const auto metal = [=](const Vector3d&) { return strength * kTitanium_hu; };
  const auto rod = [&](const Vector3d& a, const Vector3d& b, double radius) {
    Grown grown{{{a, b, radius, radius}}, {}, {}, {}, 0.5};
    plan.scene.over.push_back({grow(grown), metal, image::Metal});
  };
  const std::vector<Shaft> shafts = shaftsShown(plan, where);
  if (!shafts.empty() && draw.chance(0.45)) {
    const Shaft& shaft = shafts[static_cast<std::size_t>(draw.pick(static_cast<int>(shafts.size())))];
    if (draw.chance(0.5)) {
      rod(shaft.a, shaft.b, draw.between(3, 5.5));
    } else {
      const Vector3d axis = (shaft.b - shaft.a).normalized(), side = axis.cross(draw.direction()).normalized();
      const double out = draw.between(0.55, 0.75) * shaft.radius_mm, length = draw.between(0.3, 0.7);
      for (int k = 0; k <= 4; ++k) {
        const Vector3d at = shaft.a + (0.15 + length * k / 4.0) * (shaft.b - shaft.a);
        rod(at - out * side, at + out * side, draw.between(1.6, 2.4));
      }
      for (const double across : {-3.0, 0.0, 3.0}) {
        const Vector3d shift = out * side + across * side.cross(axis);
        rod(shaft.a + 0.1 * (shaft.b - shaft.a) + shift, shaft.a + (0.2 + length) * (shaft.b - shaft.a) + shift, 2.2);
      }
    }
    return;
  }
  const int screws = 1 + draw.pick(4);
  for (int i = 0; i < screws; ++i) {
    const int bone = plan.lesion_bones[static_cast<std::size_t>(draw.pick(static_cast<int>(plan.lesion_bones.size())))];
    const std::optional<Site> site = surfaceSite(plan, bone, where, draw);
    if (!site) continue;
    const double radius = draw.between(1.3, 3.4);
    rod(site->point_mm + 2 * site->normal, site->point_mm - draw.between(15, 45) * site->normal, radius);
    rod(site->point_mm + 2 * site->normal, site->point_mm + 4 * site->normal, 1.6 * radius);
  }
}

ScanModel drawScanner(const SceneWish& wish, const image::Frame& frame, Draw& draw) {
  ScanModel out;
  const double pixel = frame.spacing_mm[0];
  const bool sharp = draw.chance(0.4);
  out.kernel.narrow_mm = (sharp ? draw.between(0.35, 0.55) : draw.between(0.5, 0.95)) * std::clamp(pixel, 0.8, 1.6);
  out.kernel.wide_mm = 2.5 * out.kernel.narrow_mm;
  out.kernel.overshoot = wish.overshoot.value_or(sharp ? draw.between(0.15, 0.7) : 0);
  const double noise = draw.chance(0.25) ? draw.between(25, 55) : draw.between(4, 25);
  out.noise_hu = wish.noise_hu.value_or(sharp ? 1.3 * noise : noise);
  const double correlation = (sharp ? draw.between(0.5, 1.2) : draw.between(0.9, 2.6)) * std::clamp(pixel, 0.8, 1.6);
  out.noise_correlation_mm = wish.noise_correlation_mm.value_or(correlation);
  out.shading_hu = draw.between(0, 10);
  const bool off = draw.chance(0.2);
  const double shift = off ? draw.between(-40, 40) : draw.between(-6, 6),
               scale = off ? draw.between(0.96, 1.04) : draw.between(0.99, 1.01);
  out.hu_shift = wish.hu_shift.value_or(shift), out.hu_scale = wish.hu_scale.value_or(scale);
  const double half = std::min(frame.size[0] * frame.spacing_mm[0], frame.size[1] * frame.spacing_mm[1]) / 2;
  const bool circle = draw.chance(0.15);
  const double radius = half * draw.between(0.85, 1.0);
  out.circle_mm = wish.circle.value_or(circle) ? radius : 0;
  const double outside[] = {-1024, -1024, -1000, -2048, -3024};
  out.outside_hu = outside[draw.pick(5)];
  out.highest_hu = draw.chance(0.8) ? 3071 : 32767;
  out.seed = draw.seed();
  return out;
}

void choosePose(Plan& plan, const SceneWish& wish, const Vector3d& focus, Draw& draw) {
  const bool any = draw.chance(0.3);
  const Vector3d degrees = any ? Vector3d(draw.between(-180, 180), draw.between(-90, 90), draw.between(-180, 180))
                               : Vector3d(draw.between(-14, 14), draw.between(-14, 14), draw.between(-14, 14));
  if (!wish.upright) plan.scene.rotation = turn(degrees);
  plan.scene.shift_mm = -(plan.scene.rotation * focus);
}

struct Chances {
  bool defect, fragments, metal, table;
};

Chances drawChances(const SceneWish& wish, Draw& draw) {
  const bool none = draw.chance(0.2), fragments = draw.chance(0.3), metal = draw.chance(0.12), table = draw.chance(0.6);
  return {wish.defect != "none" && wish.margin != "none" && !(wish.defect == "any" && wish.margin == "any" && none),
          wish.fragments.value_or(fragments), wish.metal.value_or(metal), wish.table.value_or(table)};
}

void addDrawnLesion(Plan& plan, const SceneWish& wish, LesionWish where, SceneScan& out, Draw& draw) {
  static const std::vector<std::string> margins{"sharp", "lytic", "moth_eaten", "sclerotic"};
  const std::string margin = chosen(wish.margin, margins, draw);
  where.margin = static_cast<Margin>(1 + (std::find(margins.begin(), margins.end(), margin) - margins.begin()));
  const std::vector<std::string> forms(defectForms().begin() + 1, defectForms().end());
  std::optional<Lesion> lesion;
  for (int attempt = 0; attempt < 8 && !lesion; ++attempt) {
    where.form = chosen(wish.defect, forms, draw);
    lesion = drawLesion(plan, where, draw);
  }
  if (!lesion) return;
  out.form = where.form, out.margin = where.margin;
  out.holes = static_cast<int>(lesion->holes.size()), out.fragments = static_cast<int>(lesion->fragments.size());
  out.centre_mm = plan.scene.rotation * lesion->shape.centre_mm + plan.scene.shift_mm;
  plan.scene.lesions.push_back(*lesion);
}

}  // namespace

const std::vector<std::string>& sceneKinds() {
  static const std::vector<std::string> kinds{"knee", "spine", "head", "forearm", "hip", "foot"};
  return kinds;
}

const std::vector<std::string>& defectForms() {
  static const std::vector<std::string> forms{"none", "breach", "hole", "cavity", "bite", "gap"};
  return forms;
}

SceneScan makeScene(const SceneWish& wish) {
  Draw draw(wish.seed, 90);
  SceneScan out;
  out.kind = chosen(wish.kind, sceneKinds(), draw);
  out.form = "none";
  const std::uint64_t body = draw.seed();
  Plan plan = planOf(out.kind, body, {wish.density, wish.contrast});
  const Chances chances = drawChances(wish, draw);
  image::Frame frame = drawFrame(wish, plan, draw);
  const Vector3d extent = frame.size.cast<double>().cwiseProduct(frame.spacing_mm);
  Vector3d focus = plan.foci[static_cast<std::size_t>(draw.pick(static_cast<int>(plan.foci.size())))];
  focus += 0.08 * extent.minCoeff() * draw.direction();
  choosePose(plan, wish, focus, draw);
  LesionWish where;
  where.around_mm = focus, where.within_mm = 0.36 * extent.minCoeff(), where.fragments = chances.fragments;
  if (chances.defect) addDrawnLesion(plan, wish, where, out, draw);
  const double strength = draw.chance(0.6) ? 1 : draw.between(1.3, 1.8);  // titanium, or denser
  if (chances.metal) addImplants(plan, where, strength, draw);
  if (chances.table) addTable(plan, out.kind == "head", draw);
  plan.scene.joint_hu = draw.between(20, 110);
  out.scan = drawScanner(wish, frame, draw);
  const bool overlapping = draw.chance(0.25);
  const double slice = frame.spacing_mm[2] * (overlapping ? draw.between(1.2, 2) : 1);
  out.slice_mm = wish.slice_mm.value_or(slice);
  frame.origin_mm = -(frame.size.cast<double>() - Vector3d::Ones()).cwiseProduct(frame.spacing_mm) / 2;
  frame.frame_id = fmt::format("phantom-scene-{}-{}", out.kind, wish.seed);

  Rendered rendered = render(plan.scene, frame, out.slice_mm);
  if (!rendered.metal_fraction.voxels.empty()) {
    for (float& share : rendered.metal_fraction.voxels) share *= static_cast<float>(strength);
  }
  expose(rendered.ct, rendered.metal_fraction, out.scan);
  cutCircle(rendered.labels, out.scan.circle_mm);
  cutCircle(rendered.instances, out.scan.circle_mm);
  out.ct = std::move(rendered.ct), out.labels = std::move(rendered.labels),
  out.instances = std::move(rendered.instances);
  out.volume_mm3 = rendered.volume_mm3;
  out.metal = out.volume_mm3[image::Metal] > 0;
  for (const Bone& bone : plan.scene.bones) out.bone_names.push_back(bone.name);
  out.density = plan.person.density, out.contrast = plan.person.contrast, out.table = chances.table;
  return out;
}

image::Segmentation instancesOf(const SceneScan& scan) {
  image::Segmentation out{scan.instances, {}};
  for (std::size_t i = 0; i < scan.bone_names.size(); ++i) {
    const auto begin = scan.bone_names.begin(), here = begin + static_cast<std::ptrdiff_t>(i);
    const auto before = std::count(begin, here, *here), all = std::count(begin, scan.bone_names.end(), *here);
    out.names[10 + static_cast<int>(i)] = all > 1 ? fmt::format("{} {}", *here, before + 1) : *here;
  }
  return out;
}

nlohmann::json describe(const SceneScan& s) {
  const auto list = [](const Vector3d& v) { return nlohmann::json{v[0], v[1], v[2]}; };
  const char* names[] = {"background", "cortical", "cancellous", "metal", "defect"};
  nlohmann::json out{{"kind", s.kind}, {"defect", s.form}, {"margin", nameOf(s.margin)}};
  for (std::size_t l = 1; l < s.volume_mm3.size(); ++l) {
    const auto voxels = std::count(s.labels.voxels.begin(), s.labels.voxels.end(), static_cast<std::uint16_t>(l));
    out["truth"][names[l]] = {{"volume_mm3", s.volume_mm3[l]}, {"label_voxels", voxels}};
  }
  if (s.margin != Margin::None) out["defect_centre_mm"] = list(s.centre_mm);
  out["moth_eaten_holes"] = s.holes, out["fragments"] = s.fragments;
  out["bones"] = s.bone_names;
  out["density_factor"] = s.density;
  out["contrast"] = s.contrast, out["table"] = s.table, out["metal"] = s.metal;
  const image::Frame& f = s.ct.frame;
  out["size_voxels"] = {f.size[0], f.size[1], f.size[2]};
  out["frame_id"] = f.frame_id;
  const ScanModel& m = s.scan;
  out["scanner"] = {{"spacing_mm", list(f.spacing_mm)},
                    {"slice_mm", s.slice_mm},
                    {"kernel_narrow_mm", m.kernel.narrow_mm},
                    {"kernel_wide_mm", m.kernel.wide_mm},
                    {"kernel_overshoot", m.kernel.overshoot},
                    {"noise_hu", m.noise_hu},
                    {"noise_correlation_mm", m.noise_correlation_mm},
                    {"shading_hu", m.shading_hu},
                    {"hu_scale", m.hu_scale},
                    {"hu_shift", m.hu_shift},
                    {"circle_mm", m.circle_mm},
                    {"outside_hu", m.outside_hu},
                    {"highest_hu", m.highest_hu}};
  return out;
}

}  // namespace osteo::phantom
