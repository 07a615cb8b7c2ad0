#include "image/filters.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"

namespace osteo::image {

CtVolume median(const CtVolume& volume, int radius_voxels) {
  CtVolume out(volume.frame);
  const Eigen::Vector3i size = volume.frame.size;
  const int r = std::clamp(radius_voxels, 1, 2);
  core::parallelFor(std::int64_t{size[1]} * size[2], [&](std::int64_t row) {
    const int j = static_cast<int>(row % size[1]), k = static_cast<int>(row / size[1]);
    std::array<float, 125> box;
    for (int i = 0; i < size[0]; ++i) {
      const int first = std::max(i - r, 0), last = std::min(i + r, size[0] - 1);
      float* end = box.data();
      for (int z = std::max(k - r, 0); z <= std::min(k + r, size[2] - 1); ++z)
        for (int y = std::max(j - r, 0); y <= std::min(j + r, size[1] - 1); ++y)
          end = std::copy_n(&volume.at(first, y, z), last - first + 1, end);
      float* middle = box.data() + (end - box.data() - 1) / 2;
      std::nth_element(box.data(), middle, end);
      out.at(i, j, k) = *middle;
    }
  });
  return out;
}

namespace {

std::vector<float> kernel(double sigma_voxels) {
  const int radius = static_cast<int>(std::ceil(4 * sigma_voxels));
  std::vector<double> weights;
  double sum = 0;
  for (int t = -radius; t <= radius; ++t) {
    weights.push_back(std::exp(-0.5 * t * t / (sigma_voxels * sigma_voxels)));
    sum += weights.back();
  }
  std::vector<float> out;
  for (const double w : weights) out.push_back(static_cast<float>(w / sum));
  return out;
}

/// One pass: every row is a weighted sum of rows (y, z) or of shifted copies of itself (x).
CtVolume blurAlong(const CtVolume& in, int axis, const std::vector<float>& weights) {
  CtVolume out(in.frame);
  const Eigen::Vector3i size = in.frame.size;
  const int radius = static_cast<int>(weights.size()) / 2, nx = size[0];
  core::parallelFor(std::int64_t{size[1]} * size[2], [&](std::int64_t row) {
    const int j = static_cast<int>(row % size[1]), k = static_cast<int>(row / size[1]);
    float* to = &out.at(0, j, k);
    std::vector<float> padded;
    if (axis == 0) {
      padded.assign(static_cast<std::size_t>(nx + 2 * radius), in.at(0, j, k));
      std::copy_n(&in.at(0, j, k), nx, padded.begin() + radius);
      std::fill(padded.end() - radius, padded.end(), in.at(nx - 1, j, k));
    }
    for (int t = -radius; t <= radius; ++t) {
      const float w = weights[static_cast<std::size_t>(t + radius)];
      const float* from = axis == 0   ? padded.data() + t + radius
                          : axis == 1 ? &in.at(0, std::clamp(j + t, 0, size[1] - 1), k)
                                      : &in.at(0, j, std::clamp(k + t, 0, size[2] - 1));
      for (int i = 0; i < nx; ++i) to[i] += w * from[i];
    }
  });
  return out;
}

}  // namespace

CtVolume gaussian(const CtVolume& volume, double sigma_mm) {
  CtVolume out = volume;
  for (int axis = 0; axis < 3; ++axis) {
    const double sigma_voxels = sigma_mm / volume.frame.spacing_mm[axis];
    if (sigma_voxels > 0.05 && volume.frame.size[axis] > 1) out = blurAlong(out, axis, kernel(sigma_voxels));
  }
  return out;
}

}  // namespace osteo::image
