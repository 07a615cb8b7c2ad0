#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "image/distance.h"
#include "image/filters.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

bool onSurface(const LabelVolume& mask, int i, int j, int k) {
  const auto open = [&](int a, int b, int c) { return mask.contains(a, b, c) && !mask.at(a, b, c); };
  return open(i - 1, j, k) || open(i + 1, j, k) || open(i, j - 1, k) || open(i, j + 1, k) || open(i, j, k - 1) ||
         open(i, j, k + 1);
}

}  // namespace

namespace {

constexpr double kReach_mm = 4, kShare = 0.2, kCeiling_hu = 1500, kStreak_hu = 150, kStreakReach_mm = 30,
                 kSure_hu = 140, kSureReach_mm = 10, kNoisy_hu = 70,
                 kSmooth = 0.5;  ///< smoothed beyond this noise, by a Gaussian of this share of a voxel

/// Largest value within `radius` voxels along one axis.
void maximumAlong(CtVolume& volume, int axis, int radius) {
  const Vector3i size = volume.frame.size;
  const std::int64_t stride = axis == 0 ? 1 : axis == 1 ? size[0] : std::int64_t{size[0]} * size[1];
  const int length = size[axis];
  core::parallelChunks(volume.frame.voxelCount() / length, 256,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         std::vector<float> line(static_cast<std::size_t>(length));
                         for (std::int64_t l = first; l < last; ++l) {
                           float* start = volume.voxels.data() + l % stride + l / stride * stride * length;
                           for (int i = 0; i < length; ++i) line[static_cast<std::size_t>(i)] = start[i * stride];
                           for (int i = 0; i < length; ++i) {
                             start[i * stride] = *std::max_element(line.begin() + std::max(i - radius, 0),
                                                                   line.begin() + std::min(i + radius + 1, length));
                           }
                         }
                       });
}

/// A grid of about 2 mm over a frame whose cells are 1 where they hold a voxel that is asked for.
struct CoarseMask {
  Vector3i stride = Vector3i::Ones();
  LabelVolume cells;
  explicit CoarseMask(const image::Frame& frame) : cells(coarseFrame(frame, kCoarse_mm)) {
    stride = cells.frame.spacing_mm.cwiseQuotient(frame.spacing_mm).array().round().cast<int>();
  }
  template <class Wanted>
  static CoarseMask of(const image::Frame& frame, const Wanted& wanted) {
    CoarseMask out(frame);
    std::size_t v = 0;
    for (int k = 0; k < frame.size[2]; ++k) {
      for (int j = 0; j < frame.size[1]; ++j) {
        for (int i = 0; i < frame.size[0]; ++i, ++v) {
          if (wanted(v)) out.at(i, j, k) = 1;
        }
      }
    }
    return out;
  }
  std::uint16_t& at(int i, int j, int k) { return cells.at(i / stride[0], j / stride[1], k / stride[2]); }
};

/// How far the threshold rises near metal, against streaks.
class StreakLevel {
 public:
  StreakLevel(const LabelVolume& metal, const image::Frame& frame) {
    if (metal.voxels.empty()) return;
    const CoarseMask coarse = CoarseMask::of(frame, [&](std::size_t v) { return metal.voxels[v] != 0; });
    distance_ = image::distanceMm(coarse.cells);
    stride_ = coarse.stride;
  }
  double at(int i, int j, int k) const {
    if (distance_.voxels.empty()) return 0;
    const double way_mm = distance_.at(i / stride_[0], j / stride_[1], k / stride_[2]);
    return std::max(0.0, kStreak_hu * (1 - way_mm / kStreakReach_mm));
  }

 private:
  CtVolume distance_;
  Vector3i stride_ = Vector3i::Ones();
};

double smooth_mm(const image::Frame& frame) { return kSmooth * frame.spacing_mm.minCoeff(); }

/// Keeps what lies above the level; noise is smoothed first, a few slices at a time.
void keepAbove(LabelVolume& mask, const CtVolume& ct, const CtVolume& level, double noise_hu) {
  constexpr int kSlices = 16, kHalo = 3;
  const Vector3i size = ct.frame.size;
  const double sigma_mm = noise_hu > kNoisy_hu ? smooth_mm(ct.frame) : 0;
  for (int first = 0; first < size[2]; first += kSlices) {
    const image::Box slab = image::Box{{0, 0, first - kHalo}, {size[0], size[1], kSlices + 2 * kHalo}}.within(ct.frame);
    const CtVolume smooth = sigma_mm > 0 ? image::gaussian(image::crop(ct, slab, 0.0f), sigma_mm) : CtVolume();
    core::parallelFor(std::min(kSlices, size[2] - first), [&](std::int64_t n) {
      const int k = first + static_cast<int>(n);
      auto v = static_cast<std::size_t>(ct.index(0, 0, k));
      for (int j = 0; j < size[1]; ++j) {
        for (int i = 0; i < size[0]; ++i, ++v) {
          const float hu = sigma_mm > 0 ? smooth.at(i, j, k - slab.low[2]) : ct.voxels[v];
          if (hu <= level.voxels[v]) mask.voxels[v] = 0;
        }
      }
    });
  }
}

}  // namespace

LabelVolume localThreshold(const CtVolume& ct, LabelVolume body, const LabelVolume& metal, Levels levels) {
  {
    const StreakLevel streak(metal, ct.frame);
    CtVolume level = levels.noise_hu > kNoisy_hu ? image::gaussian(ct, smooth_mm(ct.frame)) : ct;
    for (int axis = 0; axis < 3; ++axis) {
      maximumAlong(level, axis, std::max(1, static_cast<int>(std::lround(kReach_mm / ct.frame.spacing_mm[axis]))));
    }
    forVoxels(ct.frame, [&](int i, int j, int k, std::size_t v) {
      const double rise = std::min<double>(level.voxels[v], kCeiling_hu) - levels.soft_hu;
      level.voxels[v] =
          static_cast<float>(std::max(levels.soft_hu + kShare * rise, levels.bone_hu) + streak.at(i, j, k));
    });
    keepAbove(body, ct, level, levels.noise_hu);
  }
  CoarseMask sure = CoarseMask::of(
      ct.frame, [&](std::size_t v) { return body.voxels[v] && ct.voxels[v] > levels.soft_hu + kSure_hu; });
  sure.cells = image::dilate(sure.cells, kSureReach_mm);
  forVoxels(ct.frame,
            [&](int i, int j, int k, std::size_t v) { body.voxels[v] = body.voxels[v] && sure.at(i, j, k) ? 1 : 0; });
  return body;
}

void keepSeeded(LabelVolume& mask, const CtVolume& ct, double seed_hu, std::int64_t min_voxels) {
  const image::Components parts = image::components(mask, image::Connectivity::Corners);
  std::vector<std::int64_t> seeds(parts.voxels.size(), 0);
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    const std::int32_t id = parts.ids.voxels[v];
    if (id > 0 && ct.voxels[v] > seed_hu) ++seeds[static_cast<std::size_t>(id - 1)];
  }
  const double enough_mm3 = 20, voxel_mm3 = ct.frame.voxelVolume_mm3();
  forVoxels(mask.frame, [&](int, int, int, std::size_t v) {
    const std::int32_t id = parts.ids.voxels[v];
    if (id == 0) return;
    const auto part = static_cast<std::size_t>(id - 1);
    const double wanted = std::min(0.02 * static_cast<double>(parts.voxels[part]), enough_mm3 / voxel_mm3);
    if (parts.voxels[part] < min_voxels || static_cast<double>(seeds[part]) < wanted || seeds[part] == 0)
      mask.voxels[v] = 0;
  });
}

void peelToHalfway(LabelVolume& mask, const CtVolume& ct, double soft_hu) {
  const LabelVolume before = mask;
  forVoxels(ct.frame, [&](int i, int j, int k, std::size_t voxel) {
    if (!before.voxels[voxel] || !onSurface(before, i, j, k)) return;
    float brightest = ct.voxels[voxel];
    Vector3i towards = Vector3i::Zero();
    for (int n = 0; n < 27; ++n) {
      const Vector3i d(n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1);
      if (!ct.contains(i + d[0], j + d[1], k + d[2])) continue;
      const float hu = ct.at(i + d[0], j + d[1], k + d[2]);
      if (hu > brightest) brightest = hu, towards = d;
    }
    const Vector3i away = Vector3i(i, j, k) - towards;
    if (towards.isZero() || !ct.contains(away[0], away[1], away[2])) return;
    // Brighter than 1800 HU is metal or enamel, not the cortex that the voxel borders on.
    const double rise = std::min(brightest, 1800.0f) - soft_hu;
    if (rise < 800) return;  // thin or porous cortex: its partial volume is all there is of it
    if (ct.voxels[voxel] < soft_hu + rise / 2 && ct.at(away[0], away[1], away[2]) < soft_hu + 0.15 * rise) {
      mask.voxels[voxel] = 0;
    }
  });
}

}  // namespace osteo::segment
