#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "image/volume.h"

/// Which method's labels are taken for which structure.
namespace osteo::learn {

struct MethodChoice {
  bool bone = false, metal = false, defect = false;  ///< true: the network's, false: the classical path's
  std::string why_bone, why_metal, why_defect;
};

/// By mean Dice on the same unseen scans (`unseen_scans` of the weights' training record, learn/segmentation_score.h):
/// bone and its two kinds together as far as measured, metal, defect. Phantoms don't count: a network that wins on them
/// can fail on bodies. The classical path keeps what was not measured for both or where the network is below 0.5, and
/// everything where the scan is unlike those that the network knows.
MethodChoice chooseMethod(const nlohmann::json& unseen_scans, double unfamiliarity, double limit);

/// Metal over bone over defect; the defect never takes away bone.
image::LabelVolume combine(const image::LabelVolume& classical, const image::LabelVolume& network,
                           const MethodChoice& choice);

}  // namespace osteo::learn
