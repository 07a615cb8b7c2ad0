#include "design_scaffold/labelled_solid.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "image/filters.h"

namespace osteo::design_scaffold {
namespace {

constexpr double kBlur_voxels = 0.6;

std::string listOf(const std::map<int, std::string>& labels) {
  std::string list;
  for (const auto& [value, name] : labels)
    list += (list.empty() ? "" : ", ") + std::to_string(value) + (name.empty() ? "" : " " + name);
  return list.empty() ? "none" : list;
}

/// One label as 0 and 1 on a frame of its own, with some voxels of background around.
image::CtVolume cutOut(const image::LabelVolume& labels, int value) {
  constexpr int kAround = 4;
  Eigen::Vector3i low = labels.frame.size, high = Eigen::Vector3i::Zero(), at;
  const auto forAll = [&](const auto& visit) {
    for (at[2] = 0; at[2] < labels.frame.size[2]; ++at[2])
      for (at[1] = 0; at[1] < labels.frame.size[1]; ++at[1])
        for (at[0] = 0; at[0] < labels.frame.size[0]; ++at[0])
          if (labels.at(at[0], at[1], at[2]) == value) visit();
  };
  forAll([&] { low = low.cwiseMin(at), high = high.cwiseMax(at); });
  image::Frame frame = labels.frame;
  low.array() -= kAround;
  frame.size = high.array() + kAround + 1 - low.array();
  frame.origin_mm = labels.frame.toWorld(low.cast<double>());
  image::CtVolume out(frame);
  forAll([&] { out.at(at[0] - low[0], at[1] - low[1], at[2] - low[2]) = 1; });
  return out;
}

}  // namespace

std::map<int, std::string> labelsIn(const image::Segmentation& segmentation) {
  std::vector<char> seen(65536, 0);
  for (const std::uint16_t v : segmentation.labels.voxels) seen[v] = 1;
  std::map<int, std::string> present;
  for (int v = 1; v < 65536; ++v) {
    const auto name = segmentation.names.find(v);
    if (seen[static_cast<std::size_t>(v)]) present[v] = name == segmentation.names.end() ? "" : name->second;
  }
  return present;
}

int labelNamed(const image::Segmentation& segmentation, const std::string& name) {
  const std::map<int, std::string> present = labelsIn(segmentation);
  if (name.empty() && present.size() == 1) return present.begin()->first;
  for (const auto& [value, known] : present)
    if (!name.empty() && (known == name || std::to_string(value) == name)) return value;
  throw core::Error(core::Exit::DataError, {.what = name.empty() ? "the segmentation does not say which label is meant"
                                                                 : "no label is called '" + name + "'",
                                            .expected = "one of: " + listOf(present)});
}

levelset::LevelSet solidOfLabel(const image::Segmentation& segmentation, int value, double voxel_mm) {
  const image::Frame& whole = segmentation.labels.frame;
  const double blur = kBlur_voxels * whole.spacing_mm.minCoeff();
  const image::CtVolume part = image::gaussian(cutOut(segmentation.labels, value), blur);
  Eigen::Vector3d low = part.frame.origin_mm, high = low;
  for (int corner = 0; corner < 8; ++corner) {
    const Eigen::Vector3i last = part.frame.size.array() - 1;
    const Eigen::Vector3d p =
        part.frame.toWorld({corner & 1 ? last[0] : 0.0, corner & 2 ? last[1] : 0.0, corner & 4 ? last[2] : 0.0});
    low = low.cwiseMin(p), high = high.cwiseMax(p);
  }
  levelset::LevelSet solid = levelset::fromFunction(
      [&](const Eigen::Vector3d& p) { return 0.5 - image::sampleLinear(part, part.frame.toIndex(p), 0); }, low, high,
      voxel_mm);
  if (!whole.frame_id.empty()) solid.setMeta("frame_id", whole.frame_id);
  return solid;
}

}  // namespace osteo::design_scaffold
