#include "segment/relabel.h"

#include <utility>

#include "core/error.h"
#include "image/morphology.h"

namespace osteo::segment {

namespace {

bool isBone(std::uint16_t label) { return label == image::Cortical || label == image::Cancellous || label >= 10; }

std::vector<Part> partsOf(const image::LabelVolume& labels) {
  image::LabelVolume bone(labels.frame);
  for (std::size_t v = 0; v < bone.voxels.size(); ++v) bone.voxels[v] = isBone(labels.voxels[v]) ? 1 : 0;
  const image::Components found = image::components(bone, image::Connectivity::Corners);
  std::vector<Part> out(found.voxels.size());
  for (std::int64_t v = 0; v < bone.frame.voxelCount(); ++v) {
    const std::int32_t id = found.ids.voxels[static_cast<std::size_t>(v)];
    if (id > 0) out[static_cast<std::size_t>(id - 1)].centre_mm += bone.frame.centre(v);
  }
  for (std::size_t p = 0; p < out.size(); ++p) {
    const auto n = static_cast<double>(found.voxels[p]);
    out[p] = {n * bone.frame.voxelVolume_mm3(), out[p].centre_mm / n};
  }
  return out;
}

}  // namespace

void relabel(Result& result, image::LabelVolume labels) {
  const double voxel_mm3 = labels.frame.voxelVolume_mm3();
  result.cortical_mm3 = result.cancellous_mm3 = result.metal_mm3 = 0;
  for (const std::uint16_t label : labels.voxels) {
    if (label == image::Cortical) result.cortical_mm3 += voxel_mm3;
    if (label == image::Cancellous || label >= 10) result.cancellous_mm3 += voxel_mm3;
    if (label == image::Metal) result.metal_mm3 += voxel_mm3;
  }
  result.parts = partsOf(labels);
  if (result.parts.empty()) throw core::Error(core::Exit::DataError, {.what = "the network found no bone"});
  result.labels = std::move(labels);
}

}  // namespace osteo::segment
