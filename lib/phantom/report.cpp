#include "phantom/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "phantom/measure.h"
#include "picture/render.h"

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

picture::Canvas draw(const image::CtVolume& ct, const image::LabelVolume& labels, const Eigen::Vector3d& at_mm) {
  const Eigen::Vector3i at = ct.frame.toIndex(at_mm).array().round().cast<int>();
  std::vector<picture::Canvas> views;
  for (int axis = 0; axis < 3; ++axis) {
    const int slice = std::clamp(at[axis], 0, ct.frame.size[axis] - 1);
    views.push_back(picture::renderSlice(ct, nullptr, axis, slice, -300, 1700));
    views.push_back(picture::renderSlice(ct, &labels, axis, slice, -300, 1700));
  }
  return picture::tile(views, {"sagittal", "labels", "coronal", "labels", "axial", "labels"}, 2);
}

}  // namespace osteo::phantom
