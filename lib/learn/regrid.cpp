#include "learn/regrid.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::learn {

int AxisMap::source(int target, int tap) const {
  return std::clamp(first[static_cast<std::size_t>(target)] + tap, 0, from - 1);
}

AxisMap axisMap(int from, int to) {
  AxisMap map;
  map.from = from, map.to = to;
  const double ratio = static_cast<double>(from) / to, half = std::max(1.0, ratio);
  map.taps = from == to ? 1 : static_cast<int>(std::ceil(2 * half)) + 1;
  for (int t = 0; t < to; ++t) {
    const double centre = (t + 0.5) * ratio - 0.5;
    const int first = from == to ? t : static_cast<int>(std::floor(centre - half)) + 1;
    map.first.push_back(first);
    std::vector<double> weights;
    double sum = 0;
    for (int k = 0; k < map.taps; ++k) {
      weights.push_back(from == to ? 1 : std::max(0.0, 1 - std::abs(first + k - centre) / half));
      sum += weights.back();
    }
    for (const double w : weights) map.weights.push_back(static_cast<float>(w / sum));
  }
  return map;
}

image::Frame regridded(const image::Frame& frame, const Eigen::Vector3d& spacing_mm) {
  image::Frame out = frame;
  Eigen::Vector3d shift;
  for (int a = 0; a < 3; ++a) {
    const double ratio = frame.spacing_mm[a] / spacing_mm[a];
    if (std::abs(ratio - 1) > 0.05) out.size[a] = std::max(1, static_cast<int>(std::lround(frame.size[a] * ratio)));
    out.spacing_mm[a] = frame.spacing_mm[a] * frame.size[a] / out.size[a];
    shift[a] = 0.5 * (out.spacing_mm[a] - frame.spacing_mm[a]);
  }
  out.origin_mm = frame.origin_mm + frame.direction * shift;
  return out;
}

void regridPlane(const AxisMap& x, const AxisMap& y, const float* from, float* to) {
  std::vector<float> row(static_cast<std::size_t>(x.from));
  for (int j = 0; j < y.to; ++j) {
    std::fill(row.begin(), row.end(), 0.0F);
    for (int k = 0; k < y.taps; ++k) {
      const float w = y.weights[static_cast<std::size_t>(j * y.taps + k)];
      const float* const line = from + static_cast<std::ptrdiff_t>(y.source(j, k)) * x.from;
      for (int i = 0; w != 0 && i < x.from; ++i) row[static_cast<std::size_t>(i)] += w * line[i];
    }
    float* const out = to + static_cast<std::ptrdiff_t>(j) * x.to;
    for (int i = 0; i < x.to; ++i) {
      float sum = 0;
      for (int k = 0; k < x.taps; ++k)
        sum += x.weights[static_cast<std::size_t>(i * x.taps + k)] * row[static_cast<std::size_t>(x.source(i, k))];
      out[i] = sum;
    }
  }
}

image::CtVolume regrid(const image::CtVolume& volume, const image::Frame& target) {
  const image::Frame& from = volume.frame;
  const AxisMap x = axisMap(from.size[0], target.size[0]), y = axisMap(from.size[1], target.size[1]),
                z = axisMap(from.size[2], target.size[2]);
  const std::size_t in = static_cast<std::size_t>(from.size[0]) * static_cast<std::size_t>(from.size[1]),
                    out = static_cast<std::size_t>(target.size[0]) * static_cast<std::size_t>(target.size[1]);
  image::CtVolume moved(target);
  core::parallelFor(target.size[2], [&](std::int64_t k) {
    std::vector<float> slice(in, 0.0F);
    for (int tap = 0; tap < z.taps; ++tap) {
      const float w = z.weights[static_cast<std::size_t>(k * z.taps + tap)];
      const float* const values =
          volume.voxels.data() + in * static_cast<std::size_t>(z.source(static_cast<int>(k), tap));
      for (std::size_t v = 0; w != 0 && v < in; ++v) slice[v] += w * values[v];
    }
    regridPlane(x, y, slice.data(), moved.voxels.data() + out * static_cast<std::size_t>(k));
  });
  return moved;
}

}  // namespace osteo::learn
