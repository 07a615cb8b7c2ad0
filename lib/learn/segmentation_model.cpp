#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "learn/segmentation.h"

namespace osteo::learn {

using core::Error;
using core::Exit;
using nlohmann::json;

namespace {

/// The label of a class by its name in dataset.json; classes that the toolkit has no label for are bones of their own.
std::uint16_t labelNamed(const std::string& name, std::uint16_t& next) {
  if (name == "background") return image::Background;
  if (name == "cortical" || name == "cortical_bone") return image::Cortical;
  if (name == "cancellous" || name == "cancellous_bone" || name == "trabecular") return image::Cancellous;
  if (name == "metal") return image::Metal;
  if (name == "defect") return image::Defect;
  return next++;
}

void readClasses(SegmentationModel& model, const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 22, kMaxClasses = 256;
  const json document = core::parseJson(core::readFile(path, kMaxBytes), core::baseName(path), Exit::DataError);
  try {
    const json& labels = document.at("labels");
    if (!labels.is_object() || labels.size() < 2 || labels.size() > kMaxClasses) throw std::out_of_range("labels");
    model.script_labels.resize(labels.size());
    std::uint16_t next = 10;
    std::vector<std::string> names(labels.size());
    for (const auto& [name, value] : labels.items()) names.at(value.get<std::size_t>()) = name;
    for (std::size_t c = 0; c < names.size(); ++c) {
      if (names[c].empty()) throw std::out_of_range("labels");
      model.script_labels[c] = labelNamed(names[c], next);
      if (model.script_labels[c] >= 10) model.names[model.script_labels[c]] = names[c];
    }
  } catch (const std::exception&) {
    throw Error(Exit::DataError, {.what = "dataset.json names no classes 0, 1, 2 …",
                                  .file = model.name,
                                  .expected = "labels: {\"background\": 0, \"cortical\": 1, …}",
                                  .hint = "networks of nnU-Net's region-based kind are not read"});
  }
}

SegmentationModel readScript(const std::string& folder, bool allowed) {
  SegmentationModel out;
  out.name = core::baseName(folder);
  if (!allowed)
    throw Error(Exit::Usage, {.what = "the weights are a TorchScript file, which can execute code",
                              .file = out.name,
                              .hint = "give --allow-torchscript when you trust where it comes from"});
  out.script = folder + "/model.pt";
  out.plans = readPlans(folder + "/plans.json");
  readClasses(out, folder + "/dataset.json");
  return out;
}

void requireBounds(const Weights& weights, const std::string& folder) {
  requireSettings(weights.network, folder,
                  {{"channels", 1, 1},
                   {"regions", kRegions, kRegions},
                   {"nested", 0, 1},
                   {"base", 1, 320},
                   {"most_features", 1, 2048},
                   {"levels", 2, 8},
                   {"blocks", 1, 6},
                   {"residual", 0, 1},
                   {"fold", 1, 2},
                   {"patch_x", 8, 512},
                   {"patch_y", 8, 512},
                   {"patch_z", 8, 512}});
  for (int l = 0; l < static_cast<int>(weights.network.setting("levels")); ++l)
    requireSettings(weights.network, folder,
                    {{("kernel" + std::to_string(l)).c_str(), 0, 7}, {("pool" + std::to_string(l)).c_str(), 0, 7}});
}

}  // namespace

SegmentationModel readSegmentationModel(const std::string& folder, bool torchscript) {
  core::requireInput(folder, true);
  if (!std::filesystem::exists(folder + "/index.json") && std::filesystem::exists(folder + "/model.pt"))
    return readScript(folder, torchscript);
  SegmentationModel out;
  out.name = core::baseName(folder);
  out.weights = readWeights(folder, "segmentation-unet");
  requireBounds(out.weights, folder);
  out.plans = readPlans(folder + "/plans.json");
  requireSamePlans(out.plans, out.weights.network, folder);
  try {
    const json calibration = out.weights.training.value("calibration", json::object());
    const json temperature = calibration.value("temperature", json::object());
    for (std::size_t r = 0; r < kRegions; ++r)
      out.temperature[r] = std::clamp(temperature.value(kRegionNames[r], 1.0), 0.05, 20.0);
    const json after = out.weights.training.value("postprocessing", json::object());
    out.least_defect_mm3 = std::clamp(after.value("least_defect_mm3", 0.0), 0.0, 1e6);
  } catch (const json::exception&) {
    throw Error(Exit::DataError,
                {.what = "the index holds a temperature or a least defect that is none", .file = out.name});
  }
  return out;
}

}  // namespace osteo::learn
