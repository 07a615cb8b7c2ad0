#include "segment/vessels.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/morphology.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

constexpr double kBrightest_hu = 600;  ///< of contrast in a vessel
constexpr double kCore_mm3 = 100;
constexpr double kFalling = 0.6;  ///< share of a core's outward rays that fall to soft tissue: bone may be on one side
constexpr int kInside = 22;       ///< of the 27 voxels around one: noise makes holes, and a flat surface leaves 18
constexpr int kSteps = 4;

/// Mean and spread of the 27 voxels around one.
struct Local {
  double mean = 0, std = 0;
};
Local around(const CtVolume& ct, int i, int j, int k) {
  double sum = 0, squares = 0;
  for (int n = 0; n < 27; ++n) {
    const double hu = ct.at(i + n % 3 - 1, j + n / 3 % 3 - 1, k + n / 9 - 1);
    sum += hu, squares += hu * hu;
  }
  return {sum / 27, std::sqrt(std::max(0.0, squares / 27 - sum * sum / 729))};
}

/// Voxels whose neighbourhood is mask, uniform, and no brighter than contrast.
LabelVolume uniformCores(const LabelVolume& mask, const CtVolume& ct, double noise_hu) {
  const double spread = std::max(20.0, 1.3 * noise_hu);
  LabelVolume out(ct.frame);
  core::parallelFor(ct.frame.size[2], [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    if (k == 0 || k + 1 == ct.frame.size[2]) return;
    for (int j = 1; j + 1 < ct.frame.size[1]; ++j) {
      for (int i = 1; i + 1 < ct.frame.size[0]; ++i) {
        if (!mask.at(i, j, k)) continue;
        int inside = 0;
        for (int n = 0; n < 27; ++n) inside += mask.at(i + n % 3 - 1, j + n / 3 % 3 - 1, k + n / 9 - 1) != 0;
        if (inside < kInside) continue;
        const Local local = around(ct, i, j, k);
        if (local.std <= spread && local.mean < kBrightest_hu) out.at(i, j, k) = 1;
      }
    }
  });
  return out;
}

/// What is known of a core.
struct Core {
  double sum = 0, squares = 0;
  std::int64_t voxels = 0, rays = 0, falling = 0;
  double mean() const { return sum / static_cast<double>(voxels); }
  double std() const { return std::sqrt(std::max(0.0, squares / static_cast<double>(voxels) - mean() * mean())); }
};

/// True when HU along a ray fall to soft tissue within kSteps voxels, without rising first. A core ends less than two
/// voxels below a vessel's wall; uniform spots inside cancellous bone have more of it around them.
bool falls(const CtVolume& ct, Vector3i at, const Vector3i& step, double mean_hu, double rise_hu, double soft_hu) {
  for (int s = 0; s < kSteps; ++s) {
    at += step;
    if (!ct.contains(at[0], at[1], at[2])) return true;
    const float hu = ct.at(at[0], at[1], at[2]);
    if (hu > mean_hu + rise_hu) return false;
    if (hu < soft_hu + 0.3 * (mean_hu - soft_hu)) return true;
  }
  return false;
}

std::vector<Core> describe(const image::Components& parts, const CtVolume& ct, double soft_hu, double noise_hu) {
  std::vector<Core> cores(parts.voxels.size());
  std::size_t v = 0;
  Vector3i at;
  for (const bool casting : {false, true}) {
    v = 0;
    for (at[2] = 0; at[2] < ct.frame.size[2]; ++at[2]) {
      for (at[1] = 0; at[1] < ct.frame.size[1]; ++at[1]) {
        for (at[0] = 0; at[0] < ct.frame.size[0]; ++at[0], ++v) {
          const std::int32_t id = parts.ids.voxels[v];
          if (id == 0) continue;
          Core& core = cores[static_cast<std::size_t>(id - 1)];
          if (!casting) {
            const double hu = ct.voxels[v];
            core.sum += hu, core.squares += hu * hu, ++core.voxels;
            continue;
          }
          for (int side = 0; side < 6; ++side) {
            const Vector3i step = (side % 2 ? 1 : -1) * Vector3i::Unit(side / 2), next = at + step;
            if (parts.ids.contains(next[0], next[1], next[2]) && parts.ids.at(next[0], next[1], next[2]) == id)
              continue;
            ++core.rays;
            core.falling += falls(ct, at, step, core.mean(), 80 + 2 * noise_hu, soft_hu) ? 1 : 0;
          }
        }
      }
    }
  }
  return cores;
}

}  // namespace

double dropVessels(LabelVolume& mask, const CtVolume& ct, double soft_hu, double noise_hu) {
  LabelVolume vessels = uniformCores(mask, ct, noise_hu);
  const image::Components parts = image::components(vessels, image::Connectivity::Faces);
  const std::vector<Core> cores = describe(parts, ct, soft_hu, noise_hu);
  double brightest = 0;  ///< of what is removed
  for (std::size_t v = 0; v < vessels.voxels.size(); ++v) {
    const std::int32_t id = parts.ids.voxels[v];
    if (id == 0) continue;
    const Core& core = cores[static_cast<std::size_t>(id - 1)];
    const bool vessel = static_cast<double>(core.voxels) * mask.frame.voxelVolume_mm3() >= kCore_mm3 &&
                        static_cast<double>(core.falling) >= kFalling * static_cast<double>(core.rays) &&
                        core.std() <= std::max(25.0, 1.5 * noise_hu);
    vessels.voxels[v] = vessel ? 1 : 0;
    if (vessel) brightest = std::max(brightest, core.mean() + 80 + 2 * noise_hu);
  }
  if (brightest == 0) return 0;
  const LabelVolume near = image::dilate(vessels, 3.5 * mask.frame.spacing_mm.maxCoeff());
  double removed = 0;
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    if (!mask.voxels[v] || !near.voxels[v] || ct.voxels[v] >= brightest) continue;
    mask.voxels[v] = 0;
    removed += mask.frame.voxelVolume_mm3();
  }
  return removed;
}

}  // namespace osteo::segment
