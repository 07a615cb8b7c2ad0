#include "simulate/fillings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "image/io.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;

/// Name of the material of a label: by name, by value, "10+", then "*"; empty when there is none.
std::string assigned(const Assignment& assign, int label, const std::map<int, std::string>& names) {
  const auto look = [&](const std::string& key) {
    const auto found = assign.labels.find(key);
    return found == assign.labels.end() ? std::string() : found->second;
  };
  const auto named = names.find(label);
  std::string material = named == names.end() ? "" : look(named->second);
  if (material.empty()) material = look(std::to_string(label));
  if (material.empty() && label >= 10) material = look("10+");
  return material.empty() ? look("*") : material;
}

/// Number (from 1) of the material in the fillers, added when it is new; 0 for "empty".
std::uint16_t fillerOf(std::vector<Filler>& fillers, const Materials& materials, const std::string& name) {
  if (name == "empty") return 0;
  for (std::size_t f = 0; f < fillers.size(); ++f)
    if (fillers[f].material.name == name) return static_cast<std::uint16_t>(f + 1);
  fillers.push_back({materials.at(name)});
  return static_cast<std::uint16_t>(fillers.size());
}

double densityOf(const Calibration& c, const DensityLaw& law, double hu) {
  const double qct = c.slope_g_cm3_per_hu * hu + c.intercept_g_cm3;
  if (law.density == "qct") return qct;
  const double ash = c.ash_slope * qct + c.ash_intercept_g_cm3;
  return law.density == "ash" ? ash : ash / c.ash_per_apparent;
}

json chain(const Calibration& c, const DensityLaw& law) {
  return {{"law", law.name},
          {"law_reference", law.reference},
          {"a_mpa", law.a},
          {"exponent", law.b},
          {"density", law.density + "_g_cm3"},
          {"range_g_cm3", {law.min_g_cm3, law.max_g_cm3}},
          {"intercept_mpa", law.intercept_mpa},
          {"floor_mpa", law.floor_mpa},
          {"cap_mpa", law.cap_mpa},
          {"calibrated", c.calibrated},
          {"qct_slope_g_cm3_per_hu", c.slope_g_cm3_per_hu},
          {"qct_intercept_g_cm3", c.intercept_g_cm3},
          {"ash_per_qct", c.ash_slope},
          {"ash_intercept_g_cm3", c.ash_intercept_g_cm3},
          {"ash_per_apparent", c.ash_per_apparent},
          {"calibration_reference", c.reference}};
}

/// The part of a grid that isFilled(voxel) fills becomes the filling's frame; visit(from, to) is then called for each
/// of its voxels with its numbers on the grid and in the frame.
template <class IsFilled>
void cutOut(const image::Frame& grid, Extent extent, Filling& filling, const IsFilled& isFilled) {
  Eigen::Vector3i low = grid.size, high = Eigen::Vector3i::Constant(-1);
  std::int64_t v = 0;
  for (int k = 0; k < grid.size[2]; ++k)
    for (int j = 0; j < grid.size[1]; ++j)
      for (int i = 0; i < grid.size[0]; ++i, ++v)
        if (isFilled(v)) low = low.cwiseMin(Eigen::Vector3i(i, j, k)), high = high.cwiseMax(Eigen::Vector3i(i, j, k));
  filling.frame = grid;
  if (extent == Extent::Grid || high[0] < 0) return;
  filling.grid = grid;
  filling.offset = low;
  filling.frame.size = high - low + Eigen::Vector3i::Ones();
  filling.frame.origin_mm = grid.toWorld(low.cast<double>());
}

template <class Visit>
void forEachVoxel(const Filling& filling, const image::Frame& grid, const Visit& visit) {
  const Eigen::Vector3i at = filling.offset, size = filling.frame.size;
  std::int64_t to = 0;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j) {
      auto from = at[0] + std::int64_t{grid.size[0]} * (j + at[1] + std::int64_t{grid.size[1]} * (k + at[2]));
      for (int i = 0; i < size[0]; ++i) visit(from++, to++);
    }
}

}  // namespace

Body fromLabels(const std::string& path, const Materials& materials, Extent extent, json& report) {
  const image::Segmentation labels = image::readSegmentation(path);
  Body body;
  body.label_names = labels.names;
  std::array<std::int64_t, 65536> counts = {};
  for (const auto v : labels.labels.voxels) ++counts[v];
  std::vector<std::uint16_t> filler(65536, 0);
  for (int label = 1; label < 65536; ++label) {
    if (counts[label] == 0) continue;
    const auto named = labels.names.find(label);
    const std::string name = assigned(materials.assign, label, labels.names);
    if (name.empty())
      throw core::Error(core::Exit::DataError,
                        {.what = fmt::format("label {}{} has no material", label,
                                             named == labels.names.end() ? "" : " (" + named->second + ")"),
                         .file = path,
                         .hint = "name it under assign.labels in the materials file, or assign it \"empty\""});
    filler[label] = fillerOf(body.fillers, materials, name);
    if (filler[label] && !body.fillers.back().material.density_law.empty())
      throw core::Error(core::Exit::Config,
                        {.what = name + " takes its modulus from HU, which labels don't hold", .file = materials.path});
    report["labels"][std::to_string(label)] = {{"material", name}, {"voxels", counts[label]}};
  }
  const auto& voxels = labels.labels.voxels;
  cutOut(labels.labels.frame, extent, body.filling, [&](std::int64_t v) { return filler[voxels[v]] != 0; });
  const auto n = static_cast<std::size_t>(body.filling.frame.voxelCount());
  body.filling.material.resize(n), body.filling.label.resize(n);
  forEachVoxel(body.filling, labels.labels.frame, [&](std::int64_t from, std::int64_t to) {
    body.filling.material[to] = filler[voxels[from]];
    body.filling.label[to] = voxels[from];
  });
  return body;
}

Body fromHu(const std::string& path, const Materials& materials, Extent extent, json& report) {
  if (materials.assign.hu.empty())
    throw core::Error(core::Exit::Config, {.what = "names no material for HU",
                                           .file = materials.path,
                                           .expected = "assign.hu, a material with a density_law"});
  const Material& material = materials.at(materials.assign.hu);
  if (material.density_law.empty())
    throw core::Error(core::Exit::Config,
                      {.what = "the material for HU has no density law: " + material.name, .file = materials.path});
  const DensityLaw& law = materials.density_laws.at(material.density_law);
  if (materials.calibration.slope_g_cm3_per_hu <= 0)
    throw core::Error(core::Exit::Config, {.what = "has no calibration from HU to density", .file = materials.path});
  const image::CtVolume ct = image::readVolume(path);
  Body body;
  cutOut(ct.frame, extent, body.filling,
         [&](std::int64_t v) { return ct.voxels[v] >= materials.assign.empty_below_hu; });
  const auto size = static_cast<std::size_t>(body.filling.frame.voxelCount());
  body.filling.material.assign(size, 0);
  body.filling.value.assign(size, 0);
  body.fillers.push_back({material, Filler::Law::Modulus});
  std::int64_t used = 0, capped = 0, floored = 0, below = 0, above = 0;
  forEachVoxel(body.filling, ct.frame, [&](std::int64_t from, std::int64_t v) {
    if (ct.voxels[from] < materials.assign.empty_below_hu) return;
    const double density = densityOf(materials.calibration, law, ct.voxels[from]);
    if (density <= 0) return;
    const double modulus = law.intercept_mpa + law.a * std::pow(density, law.b);
    if (modulus <= 0 && law.floor_mpa <= 0) return;
    ++used;
    capped += modulus > law.cap_mpa;
    floored += modulus < law.floor_mpa;
    below += density < law.min_g_cm3;
    above += density > law.max_g_cm3;
    body.filling.material[v] = 1;
    body.filling.value[v] = static_cast<float>(std::clamp(modulus, law.floor_mpa, law.cap_mpa));
  });
  auto& density = report["density"] = chain(materials.calibration, law);
  const double n = std::max<double>(1, used);
  density["empty_below_hu"] = materials.assign.empty_below_hu;
  density["capped_share"] = capped / n;
  density["floored_share"] = floored / n;
  density["below_range_share"] = below / n;
  density["above_range_share"] = above / n;
  if (!materials.calibration.calibrated)
    core::warn(
        "HU are not calibrated by a phantom: moduli can be off by tens of per cent; see the record's density block");
  if (capped + below + above > 0)
    core::warn(fmt::format("{:.1f} % of the voxels lie outside the range of {} ({:.1f} % capped at {:.0f} MPa)",
                           100 * (below + above) / n, law.name, 100 * capped / n, law.cap_mpa));
  return body;
}

}  // namespace osteo::simulate
