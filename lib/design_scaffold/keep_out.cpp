#include "design_scaffold/keep_out.h"

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "design_scaffold/labelled_solid.h"
#include "image/io.h"

namespace osteo::design_scaffold {
namespace {

constexpr double kFinest_mm = 0.4;  // of the voxels that stand for a keep-out

bool isLabelFile(const std::string& path) {
  const std::string ending = core::extension(path);
  return ending == ".seg.nrrd" || ending == ".nrrd" || ending == ".nii" || ending == ".nii.gz";
}

std::vector<KeepOut> fromLabels(const std::string& path, std::vector<std::string> names, double distance_mm) {
  const image::Segmentation segmentation = image::readSegmentation(path);
  if (names.empty())
    for (const auto& [value, name] : labelsIn(segmentation))
      names.push_back(name.empty() ? std::to_string(value) : name);
  if (names.empty())
    throw core::Error(core::Exit::DataError,
                      {.what = "there is nothing to keep out of", .file = path, .expected = "labels with voxels"});
  const double voxel = std::max(kFinest_mm, segmentation.labels.frame.spacing_mm.minCoeff());
  std::vector<KeepOut> keep_outs;
  for (const std::string& name : names)
    keep_outs.push_back({name, solidOfLabel(segmentation, labelNamed(segmentation, name), voxel), distance_mm});
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
