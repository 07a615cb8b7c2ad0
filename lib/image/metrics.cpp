#include "image/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "image/distance.h"
#include "image/resample.h"

namespace osteo::image {
namespace {

void requireSameGrid(const LabelVolume& a, const LabelVolume& b) {
  if (a.frame.sameGrid(b.frame)) return;
  const auto text = [](const Frame& f) {
    return fmt::format("{} × {} × {} voxels at ({:.3f}, {:.3f}, {:.3f}) mm", f.size[0], f.size[1], f.size[2],
                       f.origin_mm[0], f.origin_mm[1], f.origin_mm[2]);
  };
  throw core::Error(core::Exit::DataError, {.what = "the label volumes lie on different grids",
                                            .expected = text(a.frame),
                                            .got = text(b.frame),
                                            .hint = "resample one onto the other's grid"});
}

/// 1 on voxels of the mask with a 6-neighbour outside it; beyond the volume is outside.
LabelVolume surfaceOf(const LabelVolume& mask) {
  LabelVolume out(mask.frame);
  const Eigen::Vector3i& size = mask.frame.size;
  const std::int64_t nx = size[0], plane = nx * size[1];
  std::size_t at = 0;
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i, ++at) {
        const std::uint16_t* v = mask.voxels.data() + at;
        if (*v == 0) continue;
        const bool border = i == 0 || j == 0 || k == 0 || i + 1 == size[0] || j + 1 == size[1] || k + 1 == size[2];
        out.voxels[at] =
            border || v[-1] == 0 || v[1] == 0 || v[-nx] == 0 || v[nx] == 0 || v[-plane] == 0 || v[plane] == 0;
      }
  return out;
}

void collect(const LabelVolume& surface, const CtVolume& distance, std::vector<float>& pool) {
  for (std::size_t i = 0; i < surface.voxels.size(); ++i)
    if (surface.voxels[i] != 0) pool.push_back(distance.voxels[i]);
}

/// Percentile with linear interpolation between the two nearest ranks.
double percentile(std::vector<float>& values, double p) {
  const double rank = p * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), values.begin() + low, values.end());
  const double a = values[static_cast<std::size_t>(low)];
  if (static_cast<std::size_t>(low) + 1 == values.size()) return a;
  const double b = *std::min_element(values.begin() + low + 1, values.end());
  return a + (rank - static_cast<double>(low)) * (b - a);
}

Box joined(const Box& a, const Box& b) {
  const Eigen::Vector3i low = a.low.cwiseMin(b.low);
  return {low, (a.low + a.size).cwiseMax(b.low + b.size) - low};
}

}  // namespace

Overlap overlap(const LabelVolume& a, const LabelVolume& b) {
  requireSameGrid(a, b);
  Overlap out;
  for (std::size_t i = 0; i < a.voxels.size(); ++i) {
    const bool in_a = a.voxels[i] != 0, in_b = b.voxels[i] != 0;
    out.voxels_a += in_a;
    out.voxels_b += in_b;
    out.voxels_both += in_a && in_b;
  }
  const auto sum = static_cast<double>(out.voxels_a + out.voxels_b), both = static_cast<double>(out.voxels_both);
  if (sum == 0) return out;
  out.dice = 2 * both / sum;
  out.iou = both / (sum - both);
  out.volume_similarity = 1 - std::abs(static_cast<double>(out.voxels_a - out.voxels_b)) / sum;
  return out;
}

SurfaceDistance surfaceDistance(const LabelVolume& a, const LabelVolume& b, double tolerance_mm) {
  requireSameGrid(a, b);
  const Box box_a = boundingBox(a), box_b = boundingBox(b);
  if (box_a.empty() && box_b.empty()) return {};
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (box_a.empty() || box_b.empty()) return {kInfinite, kInfinite, kInfinite, 0};
  const Box box = joined(box_a, box_b);
  const LabelVolume surface_a = surfaceOf(crop<std::uint16_t>(a, box, 0));
  const LabelVolume surface_b = surfaceOf(crop<std::uint16_t>(b, box, 0));
  std::vector<float> pool;
  collect(surface_a, distanceMm(surface_b), pool);
  collect(surface_b, distanceMm(surface_a), pool);
  SurfaceDistance out;
  double sum = 0;
  for (const float d : pool) sum += d;
  const auto within = std::count_if(pool.begin(), pool.end(), [&](float d) { return d <= tolerance_mm; });
  out.dice = static_cast<double>(within) / static_cast<double>(pool.size());
  out.mean_mm = sum / static_cast<double>(pool.size());
  out.max_mm = *std::max_element(pool.begin(), pool.end());
  out.hd95_mm = percentile(pool, 0.95);
  return out;
}

}  // namespace osteo::image
