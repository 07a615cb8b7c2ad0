#include "learn/method.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace osteo::learn {

using nlohmann::json;

namespace {

constexpr double kLeast = 0.5;  // mean Dice below which a network's labels are more wrong than right

using Labels = std::vector<std::string>;

json::json_pointer placeOf(const char* method, const std::string& label) {
  return json::json_pointer(fmt::format("/{}/dice/{}/mean", method, label));
}

/// The mean over those of the labels that were measured for both methods.
double figure(const json& scans, const char* method, const Labels& labels) {
  double sum = 0;
  for (const std::string& label : labels) sum += scans[placeOf(method, label)].get<double>();
  return sum / static_cast<double>(labels.size());
}

bool better(const json& scans, Labels labels, std::string& why) {
  const auto unknown = [&](const std::string& label) {
    for (const char* method : {"network", "classical"}) {
      const json::json_pointer at = placeOf(method, label);
      if (!scans.contains(at) || !scans[at].is_number()) return true;
    }
    return false;
  };
  labels.erase(std::remove_if(labels.begin(), labels.end(), unknown), labels.end());
  if (labels.empty()) {
    why = "the network was not measured on scans beside the classical path";
    return false;
  }
  const double network = figure(scans, "network", labels), classical = figure(scans, "classical", labels);
  why = fmt::format("Dice on the same unseen scans: network {:.3f}, classical {:.3f}", network, classical);
  if (network > classical && network < kLeast) why += fmt::format(", which is below {}", kLeast);
  return network > classical && network >= kLeast;
}

bool isBone(std::uint16_t label) { return label == image::Cortical || label == image::Cancellous || label >= 10; }

}  // namespace

MethodChoice chooseMethod(const json& unseen_scans, double unfamiliarity, double limit) {
  MethodChoice out;
  if (unfamiliarity > limit) {
    out.why_bone = out.why_metal = out.why_defect =
        fmt::format("the scan is unlike those that the network knows: {:.2f}, at most {:.2f}", unfamiliarity, limit);
    return out;
  }
  out.bone = better(unseen_scans, {"bone", "cortical", "cancellous"}, out.why_bone);
  out.metal = better(unseen_scans, {"metal"}, out.why_metal);
  out.defect = better(unseen_scans, {"defect"}, out.why_defect);
  return out;
}

image::LabelVolume combine(const image::LabelVolume& classical, const image::LabelVolume& network,
                           const MethodChoice& choice) {
  image::LabelVolume out(classical.frame);
  const image::LabelVolume &bone = choice.bone ? network : classical, &metal = choice.metal ? network : classical,
                           &defect = choice.defect ? network : classical;
  for (std::size_t v = 0; v < out.voxels.size(); ++v) {
    if (metal.voxels[v] == image::Metal) {
      out.voxels[v] = image::Metal;
    } else if (isBone(bone.voxels[v])) {
      out.voxels[v] = bone.voxels[v];
    } else if (defect.voxels[v] == image::Defect) {
      out.voxels[v] = image::Defect;
    }
  }
  return out;
}

}  // namespace osteo::learn
