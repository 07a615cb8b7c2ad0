#include "segment/report.h"

#include <nlohmann/json.hpp>

#include "segment/defects.h"

namespace osteo::segment {

using nlohmann::json;

json describe(const Result& result) {
  const auto place = [](const Eigen::Vector3d& p) { return json::array({p[0], p[1], p[2]}); };
  json out = {{"soft_tissue_hu", result.calibration.soft_hu},
              {"noise_hu", result.calibration.noise_hu},
              {"bone_threshold_hu", result.bone_hu},
              {"cortical_threshold_hu", result.split_hu},
              {"full_cortex_hu", result.full_cortex.hu},
              {"cortical_mm3", result.cortical_mm3},
              {"cancellous_mm3", result.cancellous_mm3},
              {"metal_mm3", result.metal_mm3},
              {"unresolved_cortex_share", result.unresolved_cortex},
              {"removed_table_mm3", result.removed_table_mm3},
              {"vessels_mm3", result.vessels_mm3},
              {"parts", json::array()}};
  if (result.full_cortex.point_spread_mm > 0) out["point_spread_mm"] = result.full_cortex.point_spread_mm;
  if (result.ceiling_hu > 0) out["ceiling_hu"] = result.ceiling_hu;
  for (const MetalPart& part : result.metal_parts)
    out["metal_parts"].push_back({{"metal", part.metal},
                                  {"why", part.why},
                                  {"site", part.site},
                                  {"volume_mm3", part.volume_mm3},
                                  {"peak_hu", part.peak_hu},
                                  {"at_ceiling_mm3", part.at_ceiling_mm3},
                                  {"streak_ratio", part.streak_ratio},
                                  {"centre_mm", place(part.centre_mm)}});
  for (const Part& part : result.parts)
    out["parts"].push_back({{"volume_mm3", part.volume_mm3}, {"centre_mm", place(part.centre_mm)}});
  for (const Bone& bone : result.bones.list) {
    json one = {{"label", bone.label},
                {"volume_mm3", bone.volume_mm3},
                {"centre_mm", place(bone.centre_mm)},
                {"cut_off", bone.cut_off}};
    if (!bone.identity.name.empty())
      one.update({{"name", bone.identity.name}, {"name_by", bone.identity.how}, {"name_score", bone.identity.score}});
    out["bones"].push_back(std::move(one));
  }
  return out;
}

json describeDefects(const Result& result, double critical_mm) {
  json out = json::array();
  const Bones* bones = result.bones.list.empty() ? nullptr : &result.bones;
  const image::CtVolume* sure = result.defect_probability.voxels.empty() ? nullptr : &result.defect_probability;
  for (const DefectReport& defect : describeDefects(result.labels, {bones, sure}, {.critical_mm = critical_mm}))
    out.push_back(asJson(defect));
  return out;
}

}  // namespace osteo::segment
