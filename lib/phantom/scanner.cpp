#include "phantom/scanner.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "phantom/metal.h"
#include "phantom/shapes.h"

namespace osteo::phantom {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

/// Gaussian weights out to 4 standard deviations, summing to 1.
std::vector<double> gaussianWeights(double sigma_voxels) {
  const int radius = static_cast<int>(std::ceil(4 * sigma_voxels));
  std::vector<double> out;
  double sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    out.push_back(sigma_voxels > 0 ? std::exp(-0.5 * i * i / (sigma_voxels * sigma_voxels)) : 1.0);
    sum += out.back();
  }
  for (double& weight : out) weight /= sum;
  return out;
}

/// Filters along an axis. Border voxels are repeated, or (`shrinks`) only what the whole kernel covers is kept.
image::CtVolume filtered(const image::CtVolume& in, int axis, const std::vector<double>& weights, bool shrinks) {
  const int radius = static_cast<int>(weights.size() / 2);
  image::Frame frame = in.frame;
  if (shrinks) frame.size[axis] -= 2 * radius;
  image::CtVolume out(frame);
  const std::int64_t step = axis == 0   ? 1
                            : axis == 1 ? in.frame.size[0]
                                        : std::int64_t{in.frame.size[0]} * in.frame.size[1];
  core::parallelFor(frame.size[2], [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        const Vector3i v(i, j, k);
        const std::int64_t base = in.index(i, j, k);
        double sum = 0;
        for (int w = -radius; w <= radius; ++w) {
          const int offset = shrinks ? w + radius : std::clamp(w, -v[axis], in.frame.size[axis] - 1 - v[axis]);
          sum += weights[static_cast<std::size_t>(w + radius)] *
                 static_cast<double>(in.voxels[static_cast<std::size_t>(base + offset * step)]);
        }
        out.at(i, j, k) = static_cast<float>(sum);
      }
    }
  });
  return out;
}

image::CtVolume blurredInPlane(const image::CtVolume& ct, double sigma_mm) {
  image::CtVolume out = filtered(ct, 0, gaussianWeights(sigma_mm / ct.frame.spacing_mm[0]), false);
  return filtered(out, 1, gaussianWeights(sigma_mm / ct.frame.spacing_mm[1]), false);
}

}  // namespace

void applyKernel(image::CtVolume& ct, const Kernel& kernel) {
  if (kernel.narrow_mm <= 0) return;
  image::CtVolume narrow = blurredInPlane(ct, kernel.narrow_mm);
  if (kernel.overshoot > 0) {
    const image::CtVolume wide = blurredInPlane(ct, kernel.wide_mm);
    const auto a = static_cast<float>(kernel.overshoot);
    for (std::size_t v = 0; v < narrow.voxels.size(); ++v)
      narrow.voxels[v] = (1 + a) * narrow.voxels[v] - a * wide.voxels[v];
  }
  ct.voxels = std::move(narrow.voxels);
}

void addNoise(image::CtVolume& ct, double noise_hu, double correlation_mm, std::uint64_t seed) {
  // White noise filtered with a Gaussian of standard deviation s has the autocorrelation exp(-x^2 / (4 s^2)).
  std::vector<double> weights[3];
  double gain = 1;
  image::Frame padded = ct.frame;
  for (int d = 0; d < 3; ++d) {
    weights[d] = gaussianWeights(correlation_mm / 2 / ct.frame.spacing_mm[d]);
    double power = 0;
    for (const double w : weights[d]) power += w * w;
    gain /= std::sqrt(power);
    padded.size[d] += static_cast<int>(weights[d].size()) - 1;
  }
  image::CtVolume noise(padded);
  const core::Random random(seed, 43);
  core::parallelChunks(padded.voxelCount(), 1 << 15, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t v = first; v < last; ++v)
      noise.voxels[static_cast<std::size_t>(v)] = static_cast<float>(random.normal(static_cast<std::uint64_t>(v)));
  });
  for (int d = 0; d < 3; ++d) {
    if (weights[d].size() > 1) noise = filtered(noise, d, weights[d], true);
  }
  const auto scale = static_cast<float>(noise_hu * gain);
  for (std::size_t v = 0; v < ct.voxels.size(); ++v) ct.voxels[v] += scale * noise.voxels[v];
}

bool beyondCircle(const image::Frame& frame, int i, int j, double circle_mm) {
  if (circle_mm <= 0) return false;
  const double x = (i - (frame.size[0] - 1) / 2.0) * frame.spacing_mm[0];
  const double y = (j - (frame.size[1] - 1) / 2.0) * frame.spacing_mm[1];
  return x * x + y * y > circle_mm * circle_mm;
}

void cutCircle(image::LabelVolume& labels, double circle_mm) {
  for (int k = 0; k < labels.frame.size[2]; ++k) {
    for (int j = 0; j < labels.frame.size[1]; ++j) {
      for (int i = 0; i < labels.frame.size[0]; ++i) {
        if (beyondCircle(labels.frame, i, j, circle_mm)) labels.at(i, j, k) = image::Background;
      }
    }
  }
}

void expose(image::CtVolume& ct, const image::CtVolume& metal_fraction, const ScanModel& m) {
  if (m.streaks && !metal_fraction.voxels.empty()) addMetalStreaks(ct, metal_fraction, m.seed);
  applyKernel(ct, m.kernel);
  if (m.noise_hu > 0) addNoise(ct, m.noise_hu, m.noise_correlation_mm, m.seed);
  const Texture drift(90, m.seed + 1);
  const image::Frame& frame = ct.frame;
  core::parallelFor(frame.size[2], [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        float& hu = ct.at(i, j, k);
        double value = hu;
        if (m.shading_hu > 0) value += m.shading_hu * drift(frame.toWorld(Vector3d(i, j, k)));
        value = m.hu_scale * (value + 1000) - 1000 + m.hu_shift;
        value = std::round(std::clamp(value, -1024.0, m.highest_hu));
        hu = static_cast<float>(beyondCircle(frame, i, j, m.circle_mm) ? m.outside_hu : value);
      }
    }
  });
}

}  // namespace osteo::phantom
