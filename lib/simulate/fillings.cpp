#include "simulate/fillings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "image/io.h"
#include "simulate/grid.h"

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

/// Moduli by a density law, and what the record says of them.
class ByDensity {
 public:
  ByDensity(const Materials& materials, const Material& material)
      : calibration_(materials.calibration), law_(materials.density_laws.at(material.density_law)) {
    if (calibration_.slope_g_cm3_per_hu <= 0)
      throw core::Error(core::Exit::Config, {.what = "has no calibration from HU to density", .file = materials.path});
  }
  /// Modulus in MPa of a voxel's HU; 0 where its density bears nothing.
  float modulus(double hu) {
    const double density = densityOf(calibration_, law_, hu);
    const double modulus = density > 0 ? law_.intercept_mpa + law_.a * std::pow(density, law_.b) : 0.0;
    if (modulus <= 0 && (law_.floor_mpa <= 0 || density <= 0)) {
      ++empty_;
      return 0;
    }
    ++used_;
    capped_ += modulus > law_.cap_mpa;
    floored_ += modulus < law_.floor_mpa;
    below_ += density < law_.min_g_cm3;
    above_ += density > law_.max_g_cm3;
    return static_cast<float>(std::clamp(modulus, law_.floor_mpa, law_.cap_mpa));
  }
  json report() const {
    json out = chain(calibration_, law_);
    const double n = std::max<double>(1, used_);
    out["capped_share"] = capped_ / n;
    out["floored_share"] = floored_ / n;
    out["below_range_share"] = below_ / n;
    out["above_range_share"] = above_ / n;
    out["voxels_without_modulus"] = empty_;
    return out;
  }
  void warn() const {
    const double n = std::max<double>(1, used_);
    if (!calibration_.calibrated)
      core::warn(
          "HU are not calibrated by a phantom: moduli can be off by tens of per cent; see the record's density block");
    if (capped_ + below_ + above_ > 0)
      core::warn(fmt::format("{:.1f} % of the voxels lie outside the range of {} ({:.1f} % capped at {:.0f} MPa)",
                             100 * (below_ + above_) / n, law_.name, 100 * capped_ / n, law_.cap_mpa));
  }

 private:
  const Calibration& calibration_;
  const DensityLaw& law_;
  std::int64_t used_ = 0, empty_ = 0, capped_ = 0, floored_ = 0, below_ = 0, above_ = 0;
};

/// The part of a grid that isFilled(voxel) fills becomes the filling's frame; visit(from, to) is then called for each
/// of its voxels with its numbers on the grid and in the frame.
template <class IsFilled>
void cutOut(const image::Frame& grid, Extent extent, Filling& filling, const IsFilled& isFilled) {
  filling.frame = grid;
  if (extent == Extent::Grid) return;
  const std::optional<VoxelBox> box = boxOf(grid.size, isFilled);
  if (!box) return;
  filling.grid = grid;
  filling.offset = box->low;
  filling.frame.size = box->size();
  filling.frame.origin_mm = grid.toWorld(box->low.cast<double>());
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

/// Materials with a density law take each voxel's modulus from a CT on the same grid; voxels without one are left out.
void takeModuli(const std::string& hu, const std::string& path, const image::Frame& grid, const Materials& materials,
                Body& body, json& report) {
  const image::CtVolume ct = image::readVolume(hu);
  image::requireSameGrid(grid, path, ct.frame, hu);
  std::vector<std::optional<ByDensity>> laws(body.fillers.size());
  for (std::size_t f = 0; f < laws.size(); ++f)
    if (!body.fillers[f].material.density_law.empty()) {
      body.fillers[f].law = Filler::Law::Modulus;
      laws[f].emplace(materials, body.fillers[f].material);
    }
  body.filling.value.assign(body.filling.material.size(), 1.0F);
  forEachVoxel(body.filling, grid, [&](std::int64_t from, std::int64_t to) {
    auto& filler = body.filling.material[to];
    if (filler == 0 || !laws[filler - 1]) return;
    body.filling.value[to] = laws[filler - 1]->modulus(ct.voxels[from]);
    if (body.filling.value[to] == 0) filler = 0;
  });
  for (std::size_t f = 0; f < laws.size(); ++f)
    if (laws[f]) {
      report["density"][body.fillers[f].material.name] = laws[f]->report();
      laws[f]->warn();
    }
}

}  // namespace

Body fromLabels(const std::string& path, const Materials& materials, Extent extent, json& report,
                const std::string& hu) {
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
    if (filler[label] && !materials.at(name).density_law.empty() && hu.empty())
      throw core::Error(core::Exit::Config, {.what = name + " takes its modulus from HU, which labels don't hold",
                                             .file = materials.path,
                                             .hint = "--hu ct.nrrd gives the CT on the labels' grid"});
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
  if (!hu.empty()) takeModuli(hu, path, labels.labels.frame, materials, body, report);
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
  ByDensity law(materials, material);
  const image::CtVolume ct = image::readVolume(path);
  const double least = materials.assign.empty_below_hu;
  Body body;
  cutOut(ct.frame, extent, body.filling, [&](std::int64_t v) { return ct.voxels[v] >= least; });
  const auto size = static_cast<std::size_t>(body.filling.frame.voxelCount());
  body.filling.material.assign(size, 0);
  body.filling.value.assign(size, 0);
  body.fillers.push_back({material, Filler::Law::Modulus});
  forEachVoxel(body.filling, ct.frame, [&](std::int64_t from, std::int64_t to) {
    if (ct.voxels[from] < least) return;
    body.filling.value[to] = law.modulus(ct.voxels[from]);
    body.filling.material[to] = body.filling.value[to] > 0;
  });
  report["density"] = law.report();
  report["density"]["empty_below_hu"] = least;
  law.warn();
  return body;
}

Materials asDensity(Materials materials) {
  Calibration& c = materials.calibration;
  c.calibrated = true;
  c.slope_g_cm3_per_hu = 1, c.intercept_g_cm3 = 0;
  c.reference = "the volume holds QCT density in g/cm³; from there: " + c.reference;
  materials.assign.empty_below_hu = 1e-6;
  return materials;
}

}  // namespace osteo::simulate
