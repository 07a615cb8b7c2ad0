#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/morphology.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

/// Runs body(i, j, k, voxel) for all voxels, slices in parallel.
template <class Body>
void forVoxels(const image::Frame& frame, const Body& body) {
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    auto voxel = static_cast<std::size_t>(k * frame.size[0] * frame.size[1]);
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i, ++voxel) body(i, j, static_cast<int>(k), voxel);
    }
  });
}

bool onSurface(const LabelVolume& mask, int i, int j, int k) {
  const auto open = [&](int a, int b, int c) { return mask.contains(a, b, c) && !mask.at(a, b, c); };
  return open(i - 1, j, k) || open(i + 1, j, k) || open(i, j - 1, k) || open(i, j + 1, k) || open(i, j, k - 1) ||
         open(i, j, k + 1);
}

}  // namespace

LabelVolume metalMask(const CtVolume& ct, const Options& options) {
  LabelVolume seeds = image::threshold(ct, static_cast<float>(options.metal_hu), 1e9f);
  const image::Components parts = image::components(seeds, image::Connectivity::Corners);
  if (parts.voxels.empty()) return seeds;
  const LabelVolume outside = image::threshold(ct, -1e9f, static_cast<float>(options.metal_hu));
  const CtVolume depth = image::distanceMm(outside);
  std::vector<float> deepest(parts.voxels.size(), 0);
  for (std::size_t v = 0; v < seeds.voxels.size(); ++v) {
    const std::int32_t id = parts.ids.voxels[v];
    if (id > 0)
      deepest[static_cast<std::size_t>(id - 1)] = std::max(deepest[static_cast<std::size_t>(id - 1)], depth.voxels[v]);
  }
  const double voxel_mm3 = ct.frame.voxelVolume_mm3();
  for (std::size_t v = 0; v < seeds.voxels.size(); ++v) {
    const std::int32_t id = parts.ids.voxels[v];
    if (id == 0) continue;
    const auto part = static_cast<std::size_t>(id - 1);
    const bool big = static_cast<double>(parts.voxels[part]) * voxel_mm3 >= options.min_metal_mm3;
    if (!big || deepest[part] < 1.2 + ct.frame.spacing_mm.minCoeff() / 2) seeds.voxels[v] = 0;
  }
  // One voxel of partial volume belongs to the metal.
  const LabelVolume near = image::dilate(seeds, ct.frame.spacing_mm.maxCoeff());
  for (std::size_t v = 0; v < seeds.voxels.size(); ++v) {
    if (near.voxels[v] && ct.voxels[v] > 0.7 * options.metal_hu) seeds.voxels[v] = 1;
  }
  return seeds;
}

void peelToHalfway(LabelVolume& mask, const CtVolume& ct, double soft_hu) {
  for (int round = 0; round < 2; ++round) {
    const LabelVolume before = mask;
    forVoxels(ct.frame, [&](int i, int j, int k, std::size_t voxel) {
      if (!before.voxels[voxel] || !onSurface(before, i, j, k)) return;
      float brightest = ct.voxels[voxel];
      for (int c = std::max(k - 1, 0); c <= std::min(k + 1, ct.frame.size[2] - 1); ++c) {
        for (int b = std::max(j - 1, 0); b <= std::min(j + 1, ct.frame.size[1] - 1); ++b) {
          for (int a = std::max(i - 1, 0); a <= std::min(i + 1, ct.frame.size[0] - 1); ++a) {
            brightest = std::max(brightest, ct.at(a, b, c));
          }
        }
      }
      // Brighter than 1800 HU is metal or enamel, not the cortex that the voxel borders on.
      if (ct.voxels[voxel] < (soft_hu + std::min(brightest, 1800.0f)) / 2) mask.voxels[voxel] = 0;
    });
  }
}

LabelVolume corticalMask(const LabelVolume& whole, const CtVolume& ct, double split_hu) {
  LabelVolume dense(whole.frame);
  forVoxels(whole.frame, [&](int, int, int, std::size_t voxel) {
    dense.voxels[voxel] = whole.voxels[voxel] && ct.voxels[voxel] >= split_hu ? 1 : 0;
  });
  const image::Components parts = image::components(dense, image::Connectivity::Faces);
  std::vector<char> reaches(parts.voxels.size(), 0);
  for (int k = 0; k < whole.frame.size[2]; ++k) {
    for (int j = 0; j < whole.frame.size[1]; ++j) {
      for (int i = 0; i < whole.frame.size[0]; ++i) {
        const std::int32_t id = parts.ids.at(i, j, k);
        if (id > 0 && !reaches[static_cast<std::size_t>(id - 1)] && onSurface(whole, i, j, k)) {
          reaches[static_cast<std::size_t>(id - 1)] = 1;
        }
      }
    }
  }
  forVoxels(whole.frame, [&](int, int, int, std::size_t voxel) {
    const std::int32_t id = parts.ids.voxels[voxel];
    if (id > 0 && !reaches[static_cast<std::size_t>(id - 1)]) dense.voxels[voxel] = 0;
  });
  return dense;
}

}  // namespace osteo::segment
