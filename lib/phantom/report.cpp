#include "phantom/report.h"

#include <nlohmann/json.hpp>

#include "phantom/measure.h"

namespace osteo::phantom {
namespace {

using nlohmann::json;

json list(const Eigen::Vector3d& v) { return {v[0], v[1], v[2]}; }

}  // namespace

json describe(const Anatomy& anatomy, bool has_defect) {
  json out;
  for (const Measured& m : measure(anatomy))
    out["truth"][m.key] = {{"volume_mm3", m.volume_mm3},
                           {"area_mm2", m.area_mm2},
                           {"volume_relative_error", m.volume_error},
                           {"area_relative_error", m.area_error}};
  out["bone_centre_mm"] = list((anatomy.min_mm + anatomy.max_mm) / 2);
  if (has_defect) {
    out["defect_centre_mm"] = list(anatomy.defect_centre_mm);
    out["defect_diameter_mm"] = anatomy.defect_diameter_mm;
  }
  return out;
}

json describe(const Resected& r) {
  return {{"piece_mm3", r.piece_mm3},
          {"soft_hu", r.soft_hu},
          {"surface_hu", r.surface_hu},
          {"noise_hu", r.noise.std_hu},
          {"noise_correlation_lag1", list(r.noise.correlation)}};
}

}  // namespace osteo::phantom
