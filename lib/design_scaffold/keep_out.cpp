#include "design_scaffold/keep_out.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "image/resample.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

constexpr double kFinest_mm = 0.4;  // of the voxels that stand for a keep-out

bool isLabelFile(const std::string& path) {
  const std::string ending = core::extension(path);
  return ending == ".seg.nrrd" || ending == ".nrrd" || ending == ".nii" || ending == ".nii.gz";
}

/// The surface halfway between voxels with and without the label.
LevelSet shapeOf(const image::LabelVolume& labels, int value) {
  image::LabelVolume mask(labels.frame);
  std::transform(labels.voxels.begin(), labels.voxels.end(), mask.voxels.begin(),
                 [value](std::uint16_t label) { return label == value ? 1 : 0; });
  const image::Box box = image::boundingBox(mask).grown(Eigen::Vector3i::Constant(5));
  const image::LabelVolume part = image::crop<std::uint16_t>(mask, box, 0);
  image::CtVolume share(part.frame);
  std::copy(part.voxels.begin(), part.voxels.end(), share.voxels.begin());
  const image::Frame& frame = share.frame;
  const double voxel = std::max(kFinest_mm, frame.spacing_mm.minCoeff());
  Vector3d low = frame.toWorld(Vector3d::Zero()), high = low;
  for (int corner = 0; corner < 8; ++corner) {
    const Eigen::Vector3i end = frame.size - Eigen::Vector3i::Ones();
    const Vector3d at =
        frame.toWorld(Vector3d(corner & 1 ? end.x() : 0, corner & 2 ? end.y() : 0, corner & 4 ? end.z() : 0));
    low = low.cwiseMin(at);
    high = high.cwiseMax(at);
  }
  return levelset::fromFunction(
      [&](const Vector3d& p) { return 0.5 - image::sampleLinear(share, frame.toIndex(p), 0); }, low, high, voxel);
}

std::string listed(const std::map<int, std::string>& names) {
  std::string list;
  for (const auto& [value, name] : names) list += (list.empty() ? "" : ", ") + name;
  return list.empty() ? "none" : list;
}

std::vector<KeepOut> fromLabels(const std::string& path, const std::vector<std::string>& names, double distance_mm) {
  const image::Segmentation segmentation = image::readSegmentation(path);
  std::map<int, std::string> present;
  for (const std::uint16_t label : segmentation.labels.voxels)
    if (label != 0) present.try_emplace(label);
  for (auto& [value, name] : present) {
    const auto known = segmentation.names.find(value);
    name = known == segmentation.names.end() ? std::to_string(value) : known->second;
  }
  std::vector<KeepOut> keep_outs;
  const auto add = [&](int value, const std::string& name) {
    LevelSet shape = shapeOf(segmentation.labels, value);
    if (!segmentation.labels.frame.frame_id.empty()) shape.setMeta("frame_id", segmentation.labels.frame.frame_id);
    keep_outs.push_back({name, shape, distance_mm});
  };
  for (const std::string& wanted : names) {
    const auto found =
        std::find_if(present.begin(), present.end(), [&](const auto& entry) { return entry.second == wanted; });
    if (found == present.end())
      throw core::Error(core::Exit::DataError, {.what = "a structure to keep out of is missing or empty",
                                                .file = path,
                                                .expected = "a segment named " + wanted,
                                                .got = "segments with voxels: " + listed(present),
                                                .hint = "names as they stand in the file, in --keep-out-labels"});
    add(found->first, wanted);
  }
  if (names.empty())
    for (const auto& [value, name] : present) add(value, name);
  if (keep_outs.empty())
    throw core::Error(core::Exit::DataError,
                      {.what = "there is nothing to keep out of", .file = path, .expected = "labels with voxels"});
  return keep_outs;
}

}  // namespace

std::vector<KeepOut> readKeepOuts(const std::string& path, const std::vector<std::string>& names, double distance_mm) {
  if (isLabelFile(path)) return fromLabels(path, names, distance_mm);
  if (!names.empty())
    throw core::Error(
        core::Exit::Usage,
        {.what = "only label volumes have segments", .file = path, .hint = "leave --keep-out-labels out"});
  const std::string base = core::baseName(path);
  return {{base.substr(0, base.find('.')), levelset::readSolid(path, kFinest_mm), distance_mm}};
}

}  // namespace osteo::design_scaffold
