#include "learn/method.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace osteo::learn {

using nlohmann::json;

namespace {

constexpr double kLeast = 0.5;  // mean Dice below which a network's labels are more wrong than right

/// Mean Dice of a method over some labels, when all of them were measured.
std::optional<double> figure(const json& unseen, const char* method, const std::vector<const char*>& labels) {
  double sum = 0;
  for (const char* label : labels) {
    const json::json_pointer at(fmt::format("/{}/dice/{}/mean", method, label));
    if (!unseen.contains(at) || !unseen[at].is_number()) return std::nullopt;
    sum += unseen[at].get<double>();
  }
  return sum / static_cast<double>(labels.size());
}

bool better(const json& unseen, const std::vector<const char*>& labels, std::string& why) {
  const auto network = figure(unseen, "network", labels), classical = figure(unseen, "classical", labels);
  if (!network || !classical) {
    why = "not measured for both methods";
    return false;
  }
  why = fmt::format("Dice on the same unseen cases: network {:.3f}, classical {:.3f}", *network, *classical);
  if (*network > *classical && *network < kLeast) why += fmt::format(", which is below {}", kLeast);
  return *network > *classical && *network >= kLeast;
}

bool isBone(std::uint16_t label) { return label == image::Cortical || label == image::Cancellous || label >= 10; }

}  // namespace

MethodChoice chooseMethod(const json& unseen, double unfamiliarity, double limit) {
  MethodChoice out;
  if (unfamiliarity > limit) {
    out.why_bone = out.why_metal = out.why_defect =
        fmt::format("the scan is unlike those that the network knows: {:.2f}, at most {:.2f}", unfamiliarity, limit);
    return out;
  }
  out.bone = better(unseen, {"cortical", "cancellous"}, out.why_bone);
  out.metal = better(unseen, {"metal"}, out.why_metal);
  out.defect = better(unseen, {"defect"}, out.why_defect);
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
