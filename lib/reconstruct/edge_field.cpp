#include "reconstruct/edge_field.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "image/resample.h"
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

/// A normalised Gaussian over three sigmas on either side.
std::vector<float> gaussian(double sigma) {
  const int radius = static_cast<int>(std::ceil(3 * sigma));
  std::vector<float> kernel(2 * radius + 1);
  float sum = 0;
  for (int k = -radius; k <= radius; ++k)
    sum += kernel[k + radius] = static_cast<float>(std::exp(-0.5 * k * k / (sigma * sigma)));
  for (float& w : kernel) w /= sum;
  return kernel;
}

/// out[x] = Σ kernel[k]·row(k)[x], added in this order.
template <class Row>
void weightedSum(float* out, int width, const std::vector<float>& kernel, const Row& row) {
  constexpr int kAtOnce = 16;
  std::array<float, kAtOnce> sum;
  const int taps = static_cast<int>(kernel.size());
  int x = 0;
  for (; x + kAtOnce <= width; x += kAtOnce) {
    sum.fill(0.0F);
    for (int k = 0; k < taps; ++k) {
      const float* in = row(k) + x;
      for (int i = 0; i < kAtOnce; ++i) sum[i] += kernel[k] * in[i];
    }
    std::copy_n(sum.data(), kAtOnce, out + x);
  }
  for (; x < width; ++x) {
    float one = 0;
    for (int k = 0; k < taps; ++k) one += kernel[k] * row(k)[x];
    out[x] = one;
  }
}

/// A separable blur of the voxels of `wanted` in a volume of `size`; edge voxels repeat. Those around are left half
/// done.
struct Blur {
  std::vector<float> kernel;
  float* voxels;
  Eigen::Vector3i size;
  image::Box wanted;

  /// `wanted` with what the passes to come look at along an axis.
  int from(int axis) const { return std::max(0, wanted.low[axis] - radius()); }
  int to(int axis) const { return std::min(size[axis], wanted.low[axis] + wanted.size[axis] + radius()); }

  void plane(int k) const {
    const std::int64_t row = size[0];
    float* first = voxels + k * row * size[1];
    std::vector<float> buffer(wanted.size[0] + 2 * radius());
    for (int j = from(1); j < to(1); ++j) {
      float* line = first + j * row;
      for (std::size_t i = 0; i < buffer.size(); ++i)
        buffer[i] = line[std::clamp(wanted.low[0] - radius() + static_cast<int>(i), 0, size[0] - 1)];
      weightedSum(line + wanted.low[0], wanted.size[0], kernel, [&](int tap) { return buffer.data() + tap; });
    }
    lines(first + wanted.low[0], row, 1);
  }
  void column(int j) const {
    const std::int64_t row = size[0];
    lines(voxels + j * row + wanted.low[0], row * size[1], 2);
  }

 private:
  int radius() const { return static_cast<int>(kernel.size()) / 2; }

  /// Rows of voxels that lie `stride` apart along the axis.
  void lines(float* first, std::int64_t stride, int axis) const {
    const int width = wanted.size[0], low = from(axis), n = to(axis) - low;
    std::vector<float> before(static_cast<std::size_t>(n) * width);
    for (int i = 0; i < n; ++i)
      std::copy_n(first + (low + i) * stride, width, before.data() + std::ptrdiff_t{i} * width);
    for (int i = wanted.low[axis]; i < wanted.low[axis] + wanted.size[axis]; ++i) {
      weightedSum(first + i * stride, width, kernel, [&](int tap) {
        return before.data() + std::ptrdiff_t{std::clamp(i + tap - radius() - low, 0, n - 1)} * width;
      });
    }
  }
};

template <class Body>
void forEachVoxel(std::size_t n, const Body& body) {
  core::parallelChunks(static_cast<std::int64_t>(n), 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) body(static_cast<std::size_t>(i));
  });
}

/// Where a voxel and all those beside it or across an edge from it are on one side of the mask: beyond most of the
/// blur.
std::vector<char> deepVoxels(const std::vector<char>& bone, const Eigen::Vector3i& size) {
  std::vector<char> deep(bone.size());
  const std::int64_t row = size[0], slice = row * size[1];
  core::parallelFor(size[2], [&](std::int64_t k) {
    std::vector<char> mixed(row);
    for (std::int64_t j = 0; j < size[1]; ++j) {
      const char* own = bone.data() + k * slice + j * row;
      std::fill(mixed.begin(), mixed.end(), 0);
      for (int n = 0; n < 9; ++n) {
        const std::int64_t dj = n % 3 - 1, dk = n / 3 - 1;
        if (j + dj < 0 || j + dj >= size[1] || k + dk < 0 || k + dk >= size[2]) continue;
        const char* other = own + dk * slice + dj * row;
        for (std::int64_t i = 0; i < row; ++i) mixed[i] |= other[i] ^ own[i];
        if (dj != 0 && dk != 0) continue;
        for (std::int64_t i = 1; i < row; ++i) mixed[i] |= other[i - 1] ^ own[i];
        for (std::int64_t i = 0; i + 1 < row; ++i) mixed[i] |= other[i + 1] ^ own[i];
      }
      char* out = deep.data() + k * slice + j * row;
      for (std::int64_t i = 0; i < row; ++i) out[i] = mixed[i] == 0 ? 1 : 0;
    }
  });
  return deep;
}

/// Largest value among the bone's voxels within one voxel in each direction.
float localPeak(const image::CtVolume& smooth, const std::vector<char>& bone, int i, int j, int k) {
  float highest = smooth.at(i, j, k);
  for (int n = 0; n < 27; ++n) {
    const int x = i + n % 3 - 1, y = j + n / 3 % 3 - 1, z = k + n / 9 - 1;
    if (smooth.contains(x, y, z) && bone[smooth.index(x, y, z)] != 0) highest = std::max(highest, smooth.at(x, y, z));
  }
  return highest;
}

/// Local means over those voxels of a volume that count, by normalised convolution, in one block of it.
class Plateau {
 public:
  Plateau(const image::Frame& frame, const image::Box& block, double sigma)
      : kernel_(gaussian(sigma)),
        block_(block),
        around_(block.grown(Eigen::Vector3i::Constant(reach())).within(frame)) {
    mean_.resize(static_cast<std::size_t>(around_.size.prod()));
    weight_.resize(mean_.size());
  }
  /// `value` gives a voxel's value, or NaN where it doesn't count.
  template <class Value>
  void measure(const Value& value) {
    std::size_t at = 0;
    bool any = false;
    const Eigen::Vector3i& low = around_.low;
    for (int k = low[2]; k < low[2] + around_.size[2]; ++k) {
      for (int j = low[1]; j < low[1] + around_.size[1]; ++j) {
        for (int i = low[0]; i < low[0] + around_.size[0]; ++i, ++at) {
          const float v = value(i, j, k);
          const bool counts = !std::isnan(v);
          any = any || counts;
          weight_[at] = counts ? 1.0F : 0.0F;
          mean_[at] = counts ? v : 0.0F;
        }
      }
    }
    if (!any) return;
    blurBlock(mean_);
    blurBlock(weight_);
  }
  float weight(int i, int j, int k) const { return weight_[index(i, j, k)]; }
  float mean(int i, int j, int k) const {
    const std::size_t at = index(i, j, k);
    return weight_[at] > 1e-4F ? mean_[at] / weight_[at] : 0.0F;
  }

 private:
  int reach() const { return static_cast<int>(kernel_.size()) / 2; }
  std::size_t index(int i, int j, int k) const {
    const Eigen::Vector3i at = Eigen::Vector3i(i, j, k) - around_.low;
    return (static_cast<std::size_t>(at[2]) * around_.size[1] + at[1]) * around_.size[0] + at[0];
  }
  void blurBlock(std::vector<float>& voxels) const {
    const image::Box wanted{block_.low - around_.low, block_.size};
    const Blur blur{kernel_, voxels.data(), around_.size, wanted};
    for (int k = 0; k < around_.size[2]; ++k) blur.plane(k);
    for (int j = wanted.low[1]; j < wanted.low[1] + wanted.size[1]; ++j) blur.column(j);
  }

  std::vector<float> kernel_;
  image::Box block_, around_;
  std::vector<float> mean_, weight_;
};

/// Thresholds and contrast of one block from the plateaus on both sides of the mask.
void measureBlock(const std::vector<char>& bone, const std::vector<char>& deep, const image::CtVolume& smooth,
                  const image::Box& block, EdgeField& field) {
  constexpr double kSigma = 1.5, kPeakSigma = 1.0;
  constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  const image::CtVolume& grey = field.grey;
  Plateau inner(grey.frame, block, kSigma), shell(grey.frame, block, kPeakSigma), outer(grey.frame, block, kSigma);
  const auto deepGrey = [&](bool in_bone) {
    return [&, in_bone](int i, int j, int k) {
      const std::int64_t at = grey.index(i, j, k);
      return deep[at] != 0 && (bone[at] != 0) == in_bone ? grey.voxels[at] : kNone;
    };
  };
  inner.measure(deepGrey(true));
  outer.measure(deepGrey(false));
  shell.measure([&](int i, int j, int k) {
    const std::int64_t at = grey.index(i, j, k);
    return deep[at] == 0 && bone[at] != 0 ? localPeak(smooth, bone, i, j, k) : kNone;
  });
  for (int k = block.low[2]; k < block.low[2] + block.size[2]; ++k) {
    for (int j = block.low[1]; j < block.low[1] + block.size[1]; ++j) {
      for (int i = block.low[0]; i < block.low[0] + block.size[0]; ++i) {
        const float low = outer.mean(i, j, k);
        const float core = inner.weight(i, j, k) > 0.02F ? inner.mean(i, j, k) : low;
        // A cortex over soft marrow, and bone too thin for a core, end half way up their own peak.
        float high = core;
        if (shell.weight(i, j, k) > 1e-4F) {
          const float peak = shell.mean(i, j, k), excess = (peak - core) / std::max(core - low, 1.0F);
          high += std::clamp((excess - 0.1F) / 0.15F, 0.0F, 1.0F) * std::max(0.0F, peak - core);
        }
        field.threshold.at(i, j, k) = 0.5F * (high + low);
        field.contrast.at(i, j, k) = std::max(high - low, 1e-3F);
      }
    }
  }
}

/// Blocks of a volume that hold a voxel as near to the gate's zero as this.
std::vector<image::Box> blocksNear(const image::CtVolume& gate, double voxels) {
  constexpr int kSide = 32;
  const Eigen::Vector3i& size = gate.frame.size;
  const Eigen::Vector3i count = (size.array() + kSide - 1) / kSide;
  std::vector<image::Box> blocks(count.prod());
  std::vector<char> is_near(blocks.size(), 0);
  core::parallelFor(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t b) {
    const int n = static_cast<int>(b);
    const Eigen::Vector3i low = Eigen::Vector3i(n % count[0], n / count[0] % count[1], n / count[0] / count[1]) * kSide;
    blocks[b] = {low, (size - low).cwiseMin(kSide)};
    for (int k = low[2]; k < low[2] + blocks[b].size[2] && is_near[b] == 0; ++k) {
      for (int j = low[1]; j < low[1] + blocks[b].size[1] && is_near[b] == 0; ++j) {
        const float* row = &gate.at(low[0], j, k);
        is_near[b] = std::any_of(row, row + blocks[b].size[0], [&](float d) { return std::abs(d) <= voxels; }) ? 1 : 0;
      }
    }
  });
  std::vector<image::Box> near;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (is_near[b] != 0) near.push_back(blocks[b]);
  }
  return near;
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
  const Eigen::Vector3i& size = volume.frame.size;
  const Blur whole{gaussian(sigma), volume.voxels.data(), size, {Eigen::Vector3i::Zero(), size}};
  core::parallelFor(size[2], [&](std::int64_t k) { whole.plane(static_cast<int>(k)); });
  core::parallelFor(size[1], [&](std::int64_t j) { whole.column(static_cast<int>(j)); });
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

EdgeField edgesInGreys(const std::vector<char>& bone, const image::CtVolume& ct, double step_mm) {
  EdgeField field;
  field.grey = ct;
  field.gate = registration::signedDistance(unitFrame(ct.frame), [&](std::int64_t i) { return bone[i] != 0; });
  field.threshold = image::CtVolume(ct.frame);
  field.contrast = image::CtVolume(ct.frame);
  // The thresholds are asked at the corners of cells, √3 wide, where the gate is within reach, and the contrast as much
  // as a step beside them.
  const double asked = field.reach_voxels + 1.5 + 1.8 * (1 + step_mm / ct.frame.spacing_mm.minCoeff());
  const std::vector<image::Box> blocks = blocksNear(field.gate, asked);
  std::vector<char> mask = bone;
  image::CtVolume smooth = ct;
  blur(smooth, kSplineSigma);
  // A label drawn with another threshold has its plateaus at unlike depths: repeat with the mask that the first edges
  // make.
  for (int round = 0; round < 2; ++round) {
    const std::vector<char> deep = deepVoxels(mask, ct.frame.size);
    core::parallelFor(static_cast<std::int64_t>(blocks.size()),
                      [&](std::int64_t b) { measureBlock(mask, deep, smooth, blocks[b], field); });
    forEachVoxel(round == 0 ? mask.size() : 0, [&](std::size_t i) {
      if (std::abs(field.gate.voxels[i]) < field.reach_voxels)
        mask[i] = ct.voxels[i] > field.threshold.voxels[i] ? 1 : 0;
    });
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
