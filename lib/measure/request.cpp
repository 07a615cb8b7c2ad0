#include "measure/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "measure/dimensions.h"
#include "measure/trabeculae.h"

namespace osteo::measure {
namespace {

using image::LabelVolume;
using nlohmann::json;

constexpr double kResolved_mm = 0.2;  // larger voxels don't show single trabeculae

/// The labels that are there, by value; those without a name are called by their value.
using Names = std::map<int, std::string>;
Names labelsIn(const image::Segmentation& segmentation) {
  std::vector<char> there(std::size_t{1} << 16, 0);
  for (const std::uint16_t v : segmentation.labels.voxels) there[v] = 1;
  Names names;
  for (int value = 1; value < static_cast<int>(there.size()); ++value) {
    if (!there[static_cast<std::size_t>(value)]) continue;
    const auto named = segmentation.names.find(value);
    names[value] = named != segmentation.names.end() ? named->second : std::to_string(value);
  }
  return names;
}

/// Values by name or number. Throws Usage for what is not there.
std::set<int> valuesOf(const Names& labels, const std::vector<std::string>& names) {
  std::set<int> values;
  for (const std::string& name : names) {
    const auto found = std::find_if(labels.begin(), labels.end(), [&](const auto& one) {
      return one.second == name || std::to_string(one.first) == name;
    });
    if (found == labels.end()) {
      std::string known;
      for (const auto& [value, one] : labels) known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", one, value);
      throw core::Error(core::Exit::Usage, {.what = "no label " + name, .expected = "one of " + known});
    }
    values.insert(found->first);
  }
  return values;
}

template <class Keep>
LabelVolume maskOf(const LabelVolume& labels, const Keep& keep) {
  LabelVolume mask(labels.frame);
  for (std::size_t n = 0; n < mask.voxels.size(); ++n) mask.voxels[n] = keep(labels.voxels[n]) ? 1 : 0;
  return mask;
}

json listed(const Eigen::Vector3d& v) { return {v[0], v[1], v[2]}; }

json rows(const Eigen::Matrix3d& axes) { return {listed(axes.col(0)), listed(axes.col(1)), listed(axes.col(2))}; }

void put(json& out, const std::string& name, const Spread& spread) {
  out[name + "_mm"] = spread.mean_mm;
  out[name + "_sd_mm"] = spread.sd_mm;
  out[name + "_p05_mm"] = spread.p05_mm, out[name + "_p50_mm"] = spread.p50_mm, out[name + "_p95_mm"] = spread.p95_mm;
  out[name + "_max_mm"] = spread.max_mm;
}

json describe(const Dimensions& d) {
  return {{"volume_mm3", d.volume_mm3},
          {"centroid_mm", listed(d.centroid_mm)},
          {"box_min_mm", listed(d.box_min_mm)},
          {"box_max_mm", listed(d.box_max_mm)},
          {"extents_mm", listed(d.extents_mm)},
          {"axes", rows(d.axes)},
          {"largest_width_mm", d.largest_mm},
          {"smallest_width_mm", d.smallest_mm},
          {"parts", d.parts}};
}

json describe(const Trabeculae& t) {
  json out = {{"bv_mm3", t.bv_mm3},
              {"tv_mm3", t.tv_mm3},
              {"bv_tv", t.bvTv()},
              {"tb_n_per_mm", t.tbN_per_mm()},
              {"bone_parts", t.parts},
              {"connectivity", t.connectivity_body},
              {"connectivity_in_whole", t.connectivity},
              {"connectivity_density_per_mm3", t.connectivityDensity_per_mm3()},
              {"degree_of_anisotropy", t.fabric.degree()},
              {"mean_intercept_lengths_mm", listed(t.fabric.lengths_mm)},
              {"mean_intercept_axes", rows(t.fabric.axes)}};
  put(out, "tb_th", t.tb_th);
  put(out, "tb_sp", t.tb_sp);
  return out;
}

/// Mean, spread and density over a mask.
void putGrey(json& out, const image::CtVolume& ct, const LabelVolume& mask, const Request& request) {
  double sum = 0, squares = 0, n = 0;
  for (std::size_t v = 0; v < mask.voxels.size(); ++v)
    if (mask.voxels[v] != 0) sum += ct.voxels[v], squares += double{ct.voxels[v]} * ct.voxels[v], ++n;
  if (n == 0) return;
  const double mean = sum / n;
  out["mean_hu"] = mean;
  out["sd_hu"] = std::sqrt(std::max(0.0, squares / n - mean * mean));
  if (request.density) out["vbmd_mg_per_cm3"] = (*request.density)[0] + (*request.density)[1] * mean;
}

void warnOfSize(const image::Frame& frame) {
  const double voxel = frame.spacing_mm.maxCoeff();
  if (voxel > kResolved_mm)
    core::warn(fmt::format(
        "voxels of {:.3g} mm do not resolve single trabeculae: Tb.Th, Tb.Sp and Tb.N are those of the labels", voxel));
}

}  // namespace

double estimatedBytes(const image::Frame& frame, bool with_ct, const Request& request) {
  constexpr double kBase = 5e7, kHalves = 150e6;
  const auto voxels = static_cast<double>(frame.voxelCount());
  double bytes = 8 * voxels + (with_ct ? 4 * voxels : 0);
  if (request.trabecular || request.cortical) bytes += (8 * voxels <= kHalves ? 8 : 1) * 10 * voxels;
  return kBase + bytes;
}

json measured(const image::Segmentation& segmentation, const image::CtVolume* ct, const Request& request) {
  const LabelVolume& labels = segmentation.labels;
  const Names names = labelsIn(segmentation);
  std::set<int> bone = valuesOf(names, request.bone);
  const std::set<int> within = valuesOf(names, request.within);
  if (bone.empty())
    for (const auto& [value, name] : names)
      if (value < image::Metal || value > image::Implant) bone.insert(value);
  const LabelVolume region = maskOf(labels, [&](int v) { return within.empty() || within.contains(v); });
  json out = {{"labels", json::object()}, {"region", json::object()}};
  for (const auto& [value, name] : names) {
    const LabelVolume mask = maskOf(labels, [value = value](int v) { return v == value; });
    json& one = out["labels"][name] = request.size ? describe(dimensionsOf(mask)) : json::object();
    one["value"] = value;
    if (ct) putGrey(one, *ct, mask, request);
    if (request.cortical && value == image::Cortical && names.contains(image::Cancellous)) {
      json thickness;
      put(thickness, "ct_th", spreadOf(localThickness_mm(mask)));
      one.update(thickness);
    }
  }
  if (ct) putGrey(out["region"], *ct, region, request);
  if (request.trabecular) {
    warnOfSize(labels.frame);
    out["region"].update(describe(measureTrabeculae(maskOf(labels, [&](int v) { return bone.contains(v); }), region)));
  }
  return out;
}

std::string asTable(const json& measures) {
  std::string table = "subject\tquantity\tvalue\n";
  const auto add = [&](const std::string& subject, const json& numbers) {
    for (const auto& [quantity, value] : numbers.items())
      if (value.is_number()) table += fmt::format("{}\t{}\t{}\n", subject, quantity, value.dump());
  };
  add("region", measures.at("region"));
  for (const auto& [name, numbers] : measures.at("labels").items()) add(name, numbers);
  return table;
}

}  // namespace osteo::measure
