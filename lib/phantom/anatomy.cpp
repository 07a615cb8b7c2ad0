#include "phantom/anatomy.h"

#include <Eigen/Geometry>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/random.h"

namespace osteo::phantom {

using Eigen::Matrix3d;
using Eigen::Vector3d;

Material uniform(double hu) {
  return [hu](const Vector3d&, const double*) { return hu; };
}

int Anatomy::append(int count, std::function<void(const Vector3d&, double*)> more) {
  const int first = functions;
  evaluate = [first, before = evaluate, more = std::move(more)](const Vector3d& p, double* values) {
    if (before) before(p, values);
    more(p, values + first);
  };
  functions += count;
  return first;
}

void tilt(Anatomy& anatomy, const Vector3d& degrees) {
  const Vector3d angle = degrees * (std::numbers::pi / 180);
  const Matrix3d rotation =
      (Eigen::AngleAxisd(angle[2], Vector3d::UnitZ()) * Eigen::AngleAxisd(angle[1], Vector3d::UnitY()) *
       Eigen::AngleAxisd(angle[0], Vector3d::UnitX()))
          .toRotationMatrix();
  const Vector3d centre = (anatomy.min_mm + anatomy.max_mm) / 2, half = (anatomy.max_mm - anatomy.min_mm) / 2;
  const Matrix3d back = rotation.transpose();
  const auto untilt = [=](const Vector3d& p) -> Vector3d { return centre + back * (p - centre); };
  anatomy.evaluate = [untilt, before = anatomy.evaluate](const Vector3d& p, double* values) {
    before(untilt(p), values);
  };
  for (Paint& paint : anatomy.paints) {
    paint.hu = [untilt, before = paint.hu](const Vector3d& p, const double* f) { return before(untilt(p), f); };
  }
  anatomy.defect_centre_mm = centre + rotation * (anatomy.defect_centre_mm - centre);
  const Vector3d turned = rotation.cwiseAbs() * half;
  anatomy.min_mm = centre - turned;
  anatomy.max_mm = centre + turned;
  anatomy.margin_mm = rotation.cwiseAbs() * anatomy.margin_mm;
}

void addSoftTissue(Anatomy& anatomy, double muscle_mm, double fat_mm) {
  const Vector3d centre = (anatomy.min_mm + anatomy.max_mm) / 2;
  const Vector3d muscle = (anatomy.max_mm - anatomy.min_mm) / 2 + Vector3d::Constant(muscle_mm);
  const Vector3d skin = muscle + Vector3d::Constant(fat_mm);
  const auto superellipsoid = [](const Vector3d& p, const Vector3d& half) {
    return (std::pow(p.cwiseQuotient(half).array().pow(6).sum(), 1.0 / 6) - 1) * half.minCoeff();
  };
  const int first = anatomy.append(2, [=](const Vector3d& p, double* values) {
    values[0] = superellipsoid(p - centre, skin);
    values[1] = superellipsoid(p - centre, muscle);
  });
  anatomy.paints.insert(anatomy.paints.begin(), {Paint{{first}, image::Background, uniform(kFat_hu)},
                                                 Paint{{first + 1}, image::Background, uniform(kMuscle_hu)}});
  anatomy.margin_mm = Vector3d::Constant(muscle_mm + fat_mm + 6);
}

namespace {

Vector3d gradient(const Anatomy& anatomy, int function, const Vector3d& p) {
  std::vector<double> low(static_cast<std::size_t>(anatomy.functions)), high(low.size());
  Vector3d out;
  for (int axis = 0; axis < 3; ++axis) {
    const Vector3d step = 1e-3 * Vector3d::Unit(axis);
    anatomy.evaluate(p - step, low.data());
    anatomy.evaluate(p + step, high.data());
    out[axis] = (high[static_cast<std::size_t>(function)] - low[static_cast<std::size_t>(function)]) / 2e-3;
  }
  return out;
}

/// Adds a solid cylinder (radial face and two ends) and returns its terms.
Solid appendCylinder(Anatomy& anatomy, const Vector3d& centre, const Vector3d& axis, double radius,
                     double half_length) {
  const int first = anatomy.append(3, [=](const Vector3d& p, double* values) {
    const Vector3d d = p - centre;
    const double along = d.dot(axis);
    values[0] = (d - along * axis).norm() - radius;
    values[1] = along - half_length;
    values[2] = -along - half_length;
  });
  return {first, first + 1, first + 2};
}

/// Takes a solid away from every body: S \ X = S - (S and X), faces of S lost inside X, faces of X gained inside S.
void carve(Anatomy& anatomy, const Solid& cut) {
  for (Body& body : anatomy.bodies) {
    body.exact_volume_mm3 = body.exact_area_mm2 = std::nullopt;
    const std::vector<Part> whole = body.parts;
    for (const Part& part : whole) {
      Part lost{-part.sign, part.solid, part.area_weights};
      for (double& weight : lost.area_weights) weight = -weight;
      lost.solid.insert(lost.solid.end(), cut.begin(), cut.end());
      lost.area_weights.insert(lost.area_weights.end(), cut.size(), part.sign);
      body.parts.push_back(lost);
    }
  }
}

}  // namespace

void addDefect(Anatomy& anatomy, const Hole& hole) {
  const double radius = hole.diameter_mm / 2;
  Solid cut;
  if (hole.cylinder) {
    const Vector3d axis = gradient(anatomy, anatomy.bone.front(), hole.centre_mm).normalized();
    cut = appendCylinder(anatomy, hole.centre_mm, axis, radius, radius);
  } else {
    cut = {anatomy.append(
        1, [=](const Vector3d& p, double* values) { values[0] = (p - hole.centre_mm).norm() - radius; })};
  }
  Body defect{"defect", {}};
  for (const Part& part : anatomy.bodies.front().parts) {  // the first body is the whole bone
    Part inside = part;
    inside.solid.insert(inside.solid.end(), cut.begin(), cut.end());
    inside.area_weights.insert(inside.area_weights.end(), cut.size(), part.sign);
    defect.parts.push_back(inside);
  }
  carve(anatomy, cut);
  anatomy.bodies.push_back(defect);
  anatomy.defect_centre_mm = hole.centre_mm;
  anatomy.defect_diameter_mm = hole.diameter_mm;
  Solid where = anatomy.bone;
  where.insert(where.end(), cut.begin(), cut.end());
  // Painted right after the last bone material, so that what fills the bone's own hollow (the brain) stays.
  auto after_bone = anatomy.paints.begin();
  for (auto it = anatomy.paints.begin(); it != anatomy.paints.end(); ++it) {
    if (it->label != image::Background) after_bone = it + 1;
  }
  anatomy.paints.insert(after_bone, Paint{where, image::Defect, uniform(kMuscle_hu)});
}

void addMetal(Anatomy& anatomy, int count, std::uint64_t seed) {
  const core::Random random(seed, 31);
  constexpr double kRadius_mm = 2.0, kHalf_mm = 11.0;
  std::vector<Vector3d> centres;
  std::vector<double> values(static_cast<std::size_t>(anatomy.functions) + 3 * static_cast<std::size_t>(count));
  Body metal{"metal", {}};
  std::vector<Solid> cuts;
  for (std::uint64_t k = 0; static_cast<int>(centres.size()) < count; ++k) {
    if (k > 200000) throw core::Error(core::Exit::Usage, {.what = "no room in the bone for so many metal rods"});
    const Vector3d u(random.uniform(3 * k), random.uniform(3 * k + 1), random.uniform(3 * k + 2));
    const Vector3d p = anatomy.min_mm + u.cwiseProduct(anatomy.max_mm - anatomy.min_mm);
    anatomy.evaluate(p, values.data());
    bool fits = true;
    for (int term : anatomy.bone) fits = fits && values[static_cast<std::size_t>(term)] < -2.0;
    fits = fits && values[static_cast<std::size_t>(anatomy.bone.front())] > -8.0;
    for (const Vector3d& other : centres) fits = fits && (other - p).norm() > 2.4 * kHalf_mm;
    if ((p - anatomy.defect_centre_mm).norm() < anatomy.defect_diameter_mm / 2 + 1.2 * kHalf_mm) fits = false;
    if (!fits) continue;
    const Vector3d axis = gradient(anatomy, anatomy.bone.front(), p).normalized();
    cuts.push_back(appendCylinder(anatomy, p, axis, kRadius_mm, kHalf_mm));
    metal.parts.push_back({1.0, cuts.back(), {1, 1, 1}});
    centres.push_back(p);
  }
  for (const Solid& cut : cuts) {
    carve(anatomy, cut);
    anatomy.paints.push_back({cut, image::Metal, uniform(kTitanium_hu)});
  }
  if (count > 0) anatomy.bodies.push_back(metal);
}

}  // namespace osteo::phantom
