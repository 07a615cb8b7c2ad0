#include "simulate/standard_test.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "simulate/failure.h"
#include "simulate/grid.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
using nlohmann::json;

bool isTurning(const StandardTest& test) { return test.kind == "torsion" || test.kind == "bending"; }

Region sideOf(int axis, char sign) {
  Region region;
  region.side = std::string(1, static_cast<char>('x' + axis)) + sign;
  return region;
}

void requireGiven(const StandardTest& test) {
  const bool turns = isTurning(test);
  const int moves = int(test.strain.has_value()) + int(test.displacement_mm.has_value());
  if (turns ? (!test.angle_deg || moves > 0) : (test.angle_deg || moves != 1))
    throw core::Error(core::Exit::Usage,
                      {.what = "--test " + test.kind + " needs its movement",
                       .expected = turns ? "--angle-deg alone" : "one of --strain and --displacement-mm"});
  if (test.axis == test.shear_axis && (test.kind == "shear" || test.kind == "bending"))
    throw core::Error(core::Exit::Usage, {.what = "--shear-axis must differ from --axis in --test " + test.kind});
}

/// The ends of bending and torsion turn about the middle of the box, in the plane of the end.
Constraint turned(const std::string& name, const Region& region, const Vector3d& axis, double radians,
                  const ModelBox& box, int beam_axis, double end_mm) {
  Constraint c;
  c.name = name, c.region = region;
  Vector3d centre = 0.5 * (box.min_mm + box.max_mm);
  centre[beam_axis] = end_mm;
  c.rotation = Rotation{axis, radians, centre};
  return c;
}

LoadCase turning(const StandardTest& test, const ModelBox& box) {
  LoadCase out;
  const double angle = *test.angle_deg * kDegree;
  const int a = test.axis;
  const Region low = sideOf(a, '-'), high = sideOf(a, '+');
  if (test.kind == "torsion") {
    Constraint fixed;
    fixed.name = "fixed", fixed.region = low;
    fixed.displacement_mm = {0.0, 0.0, 0.0};
    out.constraints = {fixed, turned("moved", high, Vector3d::Unit(a), angle, box, a, box.max_mm[a])};
  } else {
    // ω × r moves an end along the beam by ω·(distance along the shear axis).
    const Vector3d about = Vector3d::Unit(test.shear_axis).cross(Vector3d::Unit(a));
    const double tilt = std::tan(0.5 * angle);
    out.constraints = {turned("fixed", low, about, -tilt, box, a, box.min_mm[a]),
                       turned("moved", high, about, tilt, box, a, box.max_mm[a])};
  }
  return out;
}

/// Share of the volume over which strain is read off, and Pistoia's limits.
constexpr double kPistoiaVolume = 0.02, kPistoiaStrain = 0.007;

/// Null when nothing is bone: neither caps nor implants share in the critical volume.
json pistoia(const VoxelModel& model, const SolidResults& solid, double load_n) {
  std::vector<float> strain;
  for (std::int64_t e = 0; e < model.elements; ++e)
    if (isBone(solid.fillers[model.material[e]].material))
      strain.push_back(
          static_cast<float>(std::sqrt(2 * double(solid.elements.energy[e]) / youngsModulus(model.elastic(e)))));
  if (strain.empty()) return nullptr;
  json out = {{"critical_strain", kPistoiaStrain},
              {"critical_volume_share", kPistoiaVolume},
              {"reference", "Pistoia et al., Bone 30 (2002) 842-848"},
              {"validity", "HR-pQCT of the distal radius with one tissue modulus; not validated elsewhere"}};
  for (const double share : {0.01, 0.02, 0.03, 0.05, 0.07}) {
    const double limit = percentile(strain, 1 - share);
    out["sweep"].push_back({{"volume_share", share},
                            {"effective_strain", limit},
                            {"failure_load_n", limit > 0 ? std::abs(load_n) * kPistoiaStrain / limit : 0.0}});
  }
  return out;
}

}  // namespace

const std::vector<std::string>& standardTests() {
  static const std::vector<std::string> kinds = {"uniaxial", "axial", "confined", "shear", "bending", "torsion"};
  return kinds;
}

LoadCase loadCaseOf(const StandardTest& test, const ModelBox& box) {
  requireGiven(test);
  LoadCase out;
  if (isTurning(test)) {
    out = turning(test, box);
  } else {
    const int a = test.axis, moved_axis = test.kind == "shear" ? test.shear_axis : a;
    const double length = box.max_mm[a] - box.min_mm[a];
    Constraint fixed, moved;
    fixed.name = "fixed", fixed.region = sideOf(a, '-');
    moved.name = "moved", moved.region = sideOf(a, '+');
    const bool sticks = test.kind == "axial" || test.kind == "shear";
    for (int c = 0; c < 3; ++c)
      if (sticks || c == a) fixed.displacement_mm[c] = 0, moved.displacement_mm[c] = 0;
    moved.displacement_mm[moved_axis] = test.strain ? *test.strain * length : *test.displacement_mm;
    out.constraints = {fixed, moved};
    if (test.kind == "confined")
      for (int c = 0; c < 3; ++c)
        for (const char sign : {'-', '+'}) {
          if (c == a) continue;
          Constraint wall;
          wall.name = std::string("wall_") + static_cast<char>('x' + c) + (sign == '-' ? "_low" : "_high");
          wall.region = sideOf(c, sign);
          wall.displacement_mm[c] = 0;
          out.constraints.push_back(wall);
        }
    out.pin_rigid_motion = test.kind == "uniaxial";
  }
  out.name = test.kind;
  return out;
}

json summariseTest(const StandardTest& test, const Conditions& conditions, const VoxelModel& model,
                   const SolidResults& solid, const json& record) {
  const auto& moved = record["constraints"]["moved"];
  json out = {{"test", test.kind}, {"axis", std::string(1, static_cast<char>('x' + test.axis))}};
  const double force = moved["reaction_force_n"][test.axis];
  out["reaction_force_n"] = force;
  out["reaction_force_vector_n"] = moved["reaction_force_n"];
  for (const auto& part : conditions.constraints) {
    if (part.name != "moved") continue;
    if (part.rotation) {
      out["reaction_moment_n_mm"] = moved["reaction_moment_n_mm"].get<double>();
      // Both ends of a bent beam turn.
      const double turned = (test.kind == "bending" ? 2 : 1) * part.rotation->angle_rad;
      out["rotational_stiffness_n_mm_per_rad"] = out["reaction_moment_n_mm"].get<double>() / turned;
    } else {
      const int along = test.kind == "shear" ? test.shear_axis : test.axis;
      const double shear_or_normal = moved["reaction_force_n"][along];
      if (test.kind == "shear") out["shear_force_n"] = shear_or_normal;
      out["displacement_mm"] = *part.displacement_mm[along];
      out["stiffness_n_per_mm"] = shear_or_normal / *part.displacement_mm[along];
    }
  }
  for (const char* key : {"iterations", "relative_residual", "energy_error_estimate", "force_balance", "energy_balance",
                          "bytes_per_dof", "max_von_mises_mpa", "p98_von_mises_mpa", "p95_von_mises_mpa",
                          "smoothed_peak_von_mises_mpa", "smoothing_radius_mm", "note"})
    out[key] = record[key];
  out["degrees_of_freedom"] = 3 * model.nodes;
  if (isTurning(test)) return out;
  const auto& f = moved["reaction_force_n"];
  const json estimate = pistoia(model, solid, Vector3d(f[0], f[1], f[2]).norm());
  if (estimate.is_null()) return out;
  out["pistoia"] = estimate;
  out["pistoia_failure_load_n"] = estimate["sweep"][1]["failure_load_n"];
  return out;
}

}  // namespace osteo::simulate
