#include <algorithm>
#include <cmath>

#include "image/morphology.h"
#include "image/resample.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::LabelVolume;

image::Frame coarseFrame(const image::Frame& frame, double mm) {
  const Vector3i stride = (mm * frame.spacing_mm.cwiseInverse()).array().round().cast<int>().max(1);
  image::Frame coarse = frame;
  coarse.spacing_mm = frame.spacing_mm.cwiseProduct(stride.cast<double>());
  for (int d = 0; d < 3; ++d) coarse.size[d] = (frame.size[d] + stride[d] - 1) / stride[d];
  return coarse;
}

LabelVolume bodyMask(const image::CtVolume& ct, double& removed_mm3) {
  const image::Frame& frame = ct.frame;
  const image::Frame coarse = coarseFrame(frame, kCoarse_mm);
  const Vector3i stride = coarse.spacing_mm.cwiseQuotient(frame.spacing_mm).array().round().cast<int>();
  LabelVolume dense(coarse);
  Vector3i v;
  for (v[2] = 0; v[2] < coarse.size[2]; ++v[2]) {
    for (v[1] = 0; v[1] < coarse.size[1]; ++v[1]) {
      for (v[0] = 0; v[0] < coarse.size[0]; ++v[0]) {
        const Vector3i fine = v.cwiseProduct(stride);
        dense.at(v[0], v[1], v[2]) = ct.at(fine[0], fine[1], fine[2]) > -300 ? 1 : 0;
      }
    }
  }
  const image::Components parts = image::components(image::open(dense, 3.0), image::Connectivity::Faces);
  LabelVolume body(coarse);
  for (std::size_t i = 0; i < body.voxels.size(); ++i) {
    const std::int32_t id = parts.ids.voxels[i];
    body.voxels[i] = id > 0 && parts.voxels[static_cast<std::size_t>(id - 1)] * 20 >= parts.voxels[0] ? 1 : 0;
  }
  body = image::dilate(body, 6.0);
  std::int64_t removed = 0;
  for (std::size_t i = 0; i < body.voxels.size(); ++i) removed += dense.voxels[i] && !body.voxels[i] ? 1 : 0;
  removed_mm3 = static_cast<double>(removed) * coarse.voxelVolume_mm3();
  return image::resampleNearest(body, frame);
}

void dropShells(LabelVolume& mask, const image::CtVolume& ct, double& removed_mm3) {
  const image::Frame& frame = mask.frame;
  const image::Components parts = image::components(mask, image::Connectivity::Corners);
  const Vector3i reach = (3.0 * frame.spacing_mm.cwiseInverse()).array().round().cast<int>().max(1);
  std::vector<double> surface(parts.voxels.size(), 0), bare(parts.voxels.size(), 0);
  Vector3i v;
  for (v[2] = 0; v[2] < frame.size[2]; ++v[2]) {
    for (v[1] = 0; v[1] < frame.size[1]; ++v[1]) {
      for (v[0] = 0; v[0] < frame.size[0]; ++v[0]) {
        const std::int32_t id = parts.ids.at(v[0], v[1], v[2]);
        if (id == 0) continue;
        for (int d = 0; d < 3; ++d) {
          for (int side = -1; side <= 1; side += 2) {
            const Vector3i next = v + side * Vector3i::Unit(d);
            const Vector3i far =
                (v + side * reach[d] * Vector3i::Unit(d)).cwiseMax(0).cwiseMin(frame.size - Vector3i::Ones());
            if (!mask.contains(next[0], next[1], next[2]) || mask.at(next[0], next[1], next[2])) continue;
            surface[static_cast<std::size_t>(id - 1)] += 1;
            if (ct.at(far[0], far[1], far[2]) < -500) {
              bare[static_cast<std::size_t>(id - 1)] += 1;
            }
          }
        }
      }
    }
  }
  for (std::size_t i = 0; i < mask.voxels.size(); ++i) {
    const std::int32_t id = parts.ids.voxels[i];
    if (id == 0 || bare[static_cast<std::size_t>(id - 1)] < 0.4 * surface[static_cast<std::size_t>(id - 1)]) continue;
    mask.voxels[i] = 0;
    removed_mm3 += frame.voxelVolume_mm3();
  }
}

}  // namespace osteo::segment
