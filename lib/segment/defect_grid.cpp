#include <algorithm>

#include "core/parallel.h"
#include "image/filters.h"
#include "image/morphology.h"
#include "segment/defect_candidates.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3i;

WorkGrid::WorkGrid(const BoneScan& scan, double grid_mm) {
  constexpr double kFew = 4e6, kFine_mm = 1e-3, kGrid_mm = 1.7, kNoisy_hu = 12;
  const image::Frame& frame = scan.ct.frame;
  if (grid_mm <= 0) grid_mm = static_cast<double>(frame.voxelCount()) > kFew ? kGrid_mm : kFine_mm;
  const image::Frame coarse = coarseFrame(frame, grid_mm);
  stride = coarse.spacing_mm.cwiseQuotient(frame.spacing_mm).array().round().cast<int>();
  ct = image::CtVolume(coarse), bone = image::LabelVolume(coarse);
  // A cell's middle lies beside its first voxel's.
  ct.frame.origin_mm = bone.frame.origin_mm = frame.toWorld((stride - Vector3i::Ones()).cast<double>() / 2);
  forVoxels(coarse, [&](int i, int j, int k, std::size_t v) {
    const Vector3i low = Vector3i(i, j, k).cwiseProduct(stride), high = (low + stride).cwiseMin(frame.size);
    double sum = 0, in = 0, count = 0;
    for (int c = low[2]; c < high[2]; ++c) {
      for (int b = low[1]; b < high[1]; ++b) {
        for (int a = low[0]; a < high[0]; ++a) {
          const auto at = static_cast<std::size_t>(scan.ct.index(a, b, c));
          sum += scan.ct.voxels[at], in += scan.bone(at) ? 1 : 0, count += 1;
        }
      }
    }
    ct.voxels[v] = static_cast<float>(sum / count);
    bone.voxels[v] = 2 * in >= count ? 1 : 0;
  });
  if (stride == Vector3i::Ones() && scan.noise_hu > kNoisy_hu)
    ct = image::gaussian(ct, 0.6 * ct.frame.spacing_mm.minCoeff());
  inside = image::fillHoles(bone);
}

std::vector<std::int64_t> WorkGrid::fine(const std::vector<std::int64_t>& voxels, const image::Frame& frame) const {
  if (stride == Vector3i::Ones()) return voxels;
  std::vector<std::int64_t> out;
  const Vector3i size = ct.frame.size;
  for (const std::int64_t v : voxels) {
    const Vector3i at(static_cast<int>(v % size[0]), static_cast<int>(v / size[0] % size[1]),
                      static_cast<int>(v / size[0] / size[1]));
    const Vector3i low = at.cwiseProduct(stride), high = (low + stride).cwiseMin(frame.size);
    for (int c = low[2]; c < high[2]; ++c) {
      for (int b = low[1]; b < high[1]; ++b) {
        for (int a = low[0]; a < high[0]; ++a)
          out.push_back(a + std::int64_t{frame.size[0]} * (b + std::int64_t{frame.size[1]} * c));
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace osteo::segment
