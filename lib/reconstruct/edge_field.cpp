#include "reconstruct/edge_field.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

constexpr double kSplineSigma = 0.57735;  ///< of the cubic B-spline, √(1/3) voxel

std::array<double, 4> splineWeights(double t) {
  const double s = 1 - t;
  return {s * s * s / 6, (3 * t * t * t - 6 * t * t + 4) / 6, (3 * s * s * s - 6 * s * s + 4) / 6, t * t * t / 6};
}

/// The frame with unit spacing: distances come out in voxels.
image::Frame unitFrame(const image::Frame& frame) {
  image::Frame unit = frame;
  unit.spacing_mm = Eigen::Vector3d::Ones();
  return unit;
}

/// Blurs n lines of voxels that lie `stride` apart along the axis and `width` side by side; edge voxels repeat.
void blurLines(float* first, std::int64_t stride, int n, int width, const std::vector<float>& kernel) {
  const int radius = static_cast<int>(kernel.size()) / 2;
  std::vector<float> before(static_cast<std::size_t>(n) * width);
  for (int i = 0; i < n; ++i) std::copy_n(first + i * stride, width, before.begin() + std::ptrdiff_t{i} * width);
  for (int i = 0; i < n; ++i) {
    float* out = first + i * stride;
    std::fill_n(out, width, 0.0F);
    for (int k = 0; k <= 2 * radius; ++k) {
      const float* in = before.data() + std::ptrdiff_t{std::clamp(i + k - radius, 0, n - 1)} * width;
      for (int x = 0; x < width; ++x) out[x] += kernel[k] * in[x];
    }
  }
}

void blurRow(float* row, int n, const std::vector<float>& kernel, std::vector<float>& buffer) {
  const int radius = static_cast<int>(kernel.size()) / 2;
  buffer.resize(n + 2 * radius);
  for (int i = 0; i < n + 2 * radius; ++i) buffer[i] = row[std::clamp(i - radius, 0, n - 1)];
  std::fill_n(row, n, 0.0F);
  for (int k = 0; k <= 2 * radius; ++k) {
    for (int i = 0; i < n; ++i) row[i] += kernel[k] * buffer[i + k];
  }
}

template <class Body>
void forEachVoxel(std::size_t n, const Body& body) {
  core::parallelChunks(static_cast<std::int64_t>(n), 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) body(static_cast<std::size_t>(i));
  });
}

/// Local mean of the grey values where `core` holds, by normalised convolution; `weight` comes back with it.
image::CtVolume plateau(const image::CtVolume& grey, const std::vector<char>& core, double sigma,
                        image::CtVolume& weight) {
  image::CtVolume mean(grey.frame);
  weight = image::CtVolume(grey.frame);
  forEachVoxel(core.size(), [&](std::size_t i) {
    weight.voxels[i] = core[i] != 0 ? 1.0F : 0.0F;
    mean.voxels[i] = core[i] != 0 ? grey.voxels[i] : 0.0F;
  });
  blur(mean, sigma);
  blur(weight, sigma);
  forEachVoxel(core.size(), [&](std::size_t i) {
    mean.voxels[i] = weight.voxels[i] > 1e-4F ? mean.voxels[i] / weight.voxels[i] : 0.0F;
  });
  return mean;
}

/// Largest value among the bone's voxels within one voxel in each direction, 0 outside bone.
image::CtVolume localPeak(const image::CtVolume& smooth, const std::vector<char>& bone) {
  image::CtVolume peak(smooth.frame);
  const auto& size = smooth.frame.size;
  core::parallelFor(size[2], [&](std::int64_t k) {
    for (int j = 0; j < size[1]; ++j) {
      for (int i = 0; i < size[0]; ++i) {
        const std::int64_t at = peak.index(i, j, static_cast<int>(k));
        if (bone[at] == 0) continue;
        float highest = smooth.voxels[at];
        for (int n = 0; n < 27; ++n) {
          const int x = i + n % 3 - 1, y = j + n / 3 % 3 - 1, z = static_cast<int>(k) + n / 9 - 1;
          if (smooth.contains(x, y, z) && bone[smooth.index(x, y, z)] != 0)
            highest = std::max(highest, smooth.at(x, y, z));
        }
        peak.voxels[at] = highest;
      }
    }
  });
  return peak;
}

/// Thresholds and contrast from the plateaus on both sides of the present bone mask. `smooth` is the grey volume as the
/// B-spline shows it.
void measurePlateaus(const std::vector<char>& bone, const image::CtVolume& smooth, EdgeField& field) {
  constexpr double kSigma = 1.5, kPeakSigma = 1.0;
  constexpr float kDeep = 1.2F;  // voxels from the mask's surface: beyond most of the blur
  const image::CtVolume depth =
      registration::signedDistance(unitFrame(field.grey.frame), [&](std::int64_t i) { return bone[i] != 0; });
  std::vector<char> inner(bone.size()), shell(bone.size()), outer(bone.size());
  forEachVoxel(bone.size(), [&](std::size_t i) {
    inner[i] = depth.voxels[i] < -kDeep ? 1 : 0;
    shell[i] = bone[i] != 0 && depth.voxels[i] >= -kDeep ? 1 : 0;
    outer[i] = depth.voxels[i] > kDeep ? 1 : 0;
  });
  image::CtVolume inner_weight, shell_weight, outer_weight;
  const image::CtVolume in = plateau(field.grey, inner, kSigma, inner_weight);
  const image::CtVolume peak = plateau(localPeak(smooth, bone), shell, kPeakSigma, shell_weight);
  const image::CtVolume out = plateau(field.grey, outer, kSigma, outer_weight);
  field.threshold = image::CtVolume(field.grey.frame);
  field.contrast = image::CtVolume(field.grey.frame);
  forEachVoxel(bone.size(), [&](std::size_t i) {
    const float low = outer_weight.voxels[i] > 1e-4F ? out.voxels[i] : 0.0F;
    const float core = inner_weight.voxels[i] > 0.02F ? in.voxels[i] : low;
    // A cortex over soft marrow, and bone too thin for a core, end half way up their own peak.
    float high = core;
    if (shell_weight.voxels[i] > 1e-4F) {
      const float excess = (peak.voxels[i] - core) / std::max(core - low, 1.0F);
      high += std::clamp((excess - 0.1F) / 0.15F, 0.0F, 1.0F) * std::max(0.0F, peak.voxels[i] - core);
    }
    field.threshold.voxels[i] = 0.5F * (high + low);
    field.contrast.voxels[i] = std::max(high - low, 1e-3F);
  });
}

}  // namespace

double sampleSpline(const image::CtVolume& volume, const Eigen::Vector3d& index) {
  const auto& size = volume.frame.size;
  std::array<std::array<double, 4>, 3> weight;
  std::array<std::array<int, 4>, 3> at;
  for (int axis = 0; axis < 3; ++axis) {
    const double low = std::floor(index[axis]);
    weight[axis] = splineWeights(index[axis] - low);
    for (int k = 0; k < 4; ++k) at[axis][k] = std::clamp(static_cast<int>(low) - 1 + k, 0, size[axis] - 1);
  }
  double sum = 0;
  for (int z = 0; z < 4; ++z) {
    for (int y = 0; y < 4; ++y) {
      const float* row = &volume.at(0, at[1][y], at[2][z]);
      double line = 0;
      for (int x = 0; x < 4; ++x) line += weight[0][x] * row[at[0][x]];
      sum += weight[2][z] * weight[1][y] * line;
    }
  }
  return sum;
}

void blur(image::CtVolume& volume, double sigma) {
  const int radius = static_cast<int>(std::ceil(3 * sigma));
  std::vector<float> kernel(2 * radius + 1);
  float sum = 0;
  for (int k = -radius; k <= radius; ++k)
    sum += kernel[k + radius] = static_cast<float>(std::exp(-0.5 * k * k / (sigma * sigma)));
  for (float& w : kernel) w /= sum;
  const auto& size = volume.frame.size;
  const std::int64_t row = size[0], slice = row * size[1];
  core::parallelFor(size[2], [&](std::int64_t k) {
    std::vector<float> buffer;
    float* plane = volume.voxels.data() + k * slice;
    for (int j = 0; j < size[1]; ++j) blurRow(plane + j * row, size[0], kernel, buffer);
    blurLines(plane, row, size[1], size[0], kernel);
  });
  core::parallelFor(
      size[1], [&](std::int64_t j) { blurLines(volume.voxels.data() + j * row, slice, size[2], size[0], kernel); });
}

double EdgeField::operator()(const Eigen::Vector3d& point_mm) const {
  const image::Frame& frame = grey.frame;
  const Eigen::Vector3d index = frame.toIndex(point_mm);
  const double spacing = frame.spacing_mm.minCoeff();
  const double distance = image::sampleLinear(gate, index, 1e3F);
  if (std::abs(distance) > reach_voxels + 1.5) return distance * spacing;
  const double contrast_here = image::sampleLinear(contrast, index, 1.0F);
  const double edge = (image::sampleLinear(threshold, index, 0.0F) - sampleSpline(grey, index)) / contrast_here;
  // A blurred edge has about this slope: contrast over two voxels.
  const double field = 2 * spacing * edge;
  return std::max(std::min(field, (distance + reach_voxels) * spacing), (distance - reach_voxels) * spacing);
}

double EdgeField::certain(const Eigen::Vector3d& centre_mm, double radius_mm) const {
  const Eigen::Vector3d index = grey.frame.toIndex(centre_mm);
  if ((index.array() < 0).any() || (index.array() > grey.frame.size.array().cast<double>() - 1).any()) return 0;
  const double spacing = grey.frame.spacing_mm.minCoeff();
  const double distance = image::sampleLinear(gate, index, 0);
  return std::abs(distance) > radius_mm / spacing + reach_voxels + 2.5 ? distance * spacing : 0;
}

EdgeField edgesInGreys(const std::vector<char>& bone, const image::CtVolume& ct) {
  EdgeField field;
  field.grey = ct;
  field.gate = registration::signedDistance(unitFrame(ct.frame), [&](std::int64_t i) { return bone[i] != 0; });
  std::vector<char> mask = bone;
  image::CtVolume smooth = ct;
  blur(smooth, kSplineSigma);
  // A label drawn with another threshold has its plateaus at unlike depths: repeat with the mask that the first edges
  // make.
  for (int round = 0; round < 2; ++round) {
    measurePlateaus(mask, smooth, field);
    for (std::size_t i = 0; i < mask.size() && round == 0; ++i) {
      if (std::abs(field.gate.voxels[i]) < field.reach_voxels)
        mask[i] = ct.voxels[i] > field.threshold.voxels[i] ? 1 : 0;
    }
  }
  return field;
}

EdgeField edgesInLabels(const std::vector<char>& bone, const image::Frame& frame) {
  constexpr double kSigma = 0.9;
  EdgeField field;
  field.grey = image::CtVolume(frame);
  for (std::size_t i = 0; i < bone.size(); ++i) field.grey.voxels[i] = bone[i] != 0 ? 1.0F : 0.0F;
  blur(field.grey, kSigma);
  field.threshold = image::CtVolume(frame, 0.5F);
  field.contrast = image::CtVolume(frame, 1.0F);
  field.gate = registration::signedDistance(unitFrame(frame), [&](std::int64_t i) { return bone[i] != 0; });
  field.reach_voxels = 0.48;  // below one half, so that no bone voxel's centre is lost: the thinnest plate stays whole
  return field;
}

}  // namespace osteo::reconstruct
