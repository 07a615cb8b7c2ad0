#include "registration/image_metric.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "core/random.h"

namespace osteo::registration {
namespace {

using Eigen::Vector3d;

constexpr std::int64_t kChunk = 4096;
constexpr int kBins = 32, kMargin = 2;  // empty bins at each end, so that the window never leaves the histogram
using Histogram = std::array<double, std::size_t{kBins} * kBins>;

std::array<double, 4> window(double t) {
  const double u = 1 - t;
  return {u * u * u / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * u * u + 3 * u * u * u) / 6, t * t * t / 6};
}
std::array<double, 4> windowSlope(double t) {
  const double u = 1 - t;
  return {-u * u / 2, (-12 * t + 9 * t * t) / 6, (12 * u - 9 * u * u) / 6, t * t / 2};
}

double plogp(double p) { return p < 1e-14 ? 0 : p * std::log(p); }

/// Place of a value on the axis of bins.
struct Axis {
  double low, per_value;
  Axis(double from, double to) : low(from), per_value((kBins - 2 * kMargin - 1) / std::max(to - from, 1e-6)) {}
  double operator()(double value) const {
    return std::clamp((value - low) * per_value + kMargin, double{kMargin}, kBins - kMargin - 1.001);
  }
  bool within(double value) const { return (*this)(value) == (value - low) * per_value + kMargin; }
};

}  // namespace

ImageSamples sampleImage(const image::CtVolume& fixed, const image::LabelVolume* mask, std::int64_t count,
                         std::uint64_t seed) {
  ImageSamples samples;
  const image::Frame& frame = fixed.frame;
  const core::Random random(seed, 1);
  std::vector<std::int64_t> voxels;
  for (std::int64_t i = 0; mask && i < mask->frame.voxelCount(); ++i)
    if (mask->voxels[i] != 0) voxels.push_back(i);
  if (mask && voxels.empty()) return samples;
  const image::Frame& grid = mask ? mask->frame : frame;
  const auto all = mask ? static_cast<std::int64_t>(voxels.size()) : grid.voxelCount();
  for (std::int64_t s = 0; s < count; ++s) {
    // One place in each of `count` equal runs of voxels: evenly spread, and never twice the same.
    const double place = (static_cast<double>(s) + random.uniform(4 * s)) / static_cast<double>(count);
    const auto at = std::min<std::int64_t>(static_cast<std::int64_t>(place * static_cast<double>(all)), all - 1);
    const std::int64_t voxel = mask ? voxels[at] : at;
    Vector3d index(static_cast<double>(voxel % grid.size[0]), static_cast<double>(voxel / grid.size[0] % grid.size[1]),
                   static_cast<double>(voxel / grid.size[0] / grid.size[1]));
    for (int axis = 0; axis < 3; ++axis) index[axis] += random.uniform(4 * s + 1 + axis) - 0.5;
    const Vector3d world = grid.toWorld(index);
    const float value = image::sampleLinear(fixed, frame.toIndex(world), std::numeric_limits<float>::quiet_NaN());
    if (std::isnan(value)) continue;
    samples.places_mm.push_back(world);
    samples.values.push_back(value);
  }
  return samples;
}

ImageMetric::ImageMetric(const ImageSamples& samples, const image::CtVolume& moving, Metric metric)
    : samples_(samples), moving_(moving), metric_(metric) {
  const auto range = [](std::vector<float> values, double& low, double& high) {
    if (values.empty()) return;
    const auto cut = static_cast<std::ptrdiff_t>(0.001 * static_cast<double>(values.size()));
    std::nth_element(values.begin(), values.begin() + cut, values.end());
    low = values[cut];
    std::nth_element(values.begin(), values.end() - 1 - cut, values.end());
    high = values[values.size() - 1 - cut];
  };
  range(samples.values, fixed_low_, fixed_high_);
  std::vector<float> some;
  for (std::size_t i = 0; i < moving.voxels.size(); i += 1 + moving.voxels.size() / 200000)
    some.push_back(moving.voxels[i]);
  range(some, moving_low_, moving_high_);
  double mean = 0, square = 0;
  for (const float v : samples.values) mean += v, square += double{v} * v;
  const auto n = static_cast<double>(std::max<std::size_t>(samples.values.size(), 1));
  fixed_variance_ = std::max(square / n - mean / n * (mean / n), 1e-6);
}

ImageMetric::Hit ImageMetric::sample(const Vector3d& place_mm) const {
  const image::Frame& frame = moving_.frame;
  const Vector3d index = frame.toIndex(place_mm);
  Hit hit;
  int low[3];
  double t[3];
  for (int axis = 0; axis < 3; ++axis) {
    if (!(index[axis] >= 0 && index[axis] <= frame.size[axis] - 1) || frame.size[axis] < 2) return hit;
    low[axis] = std::min(static_cast<int>(index[axis]), frame.size[axis] - 2);
    t[axis] = index[axis] - low[axis];
  }
  const float* v = moving_.voxels.data() + moving_.index(low[0], low[1], low[2]);
  const std::int64_t dy = frame.size[0], dz = dy * frame.size[1];
  const auto line = [&](std::int64_t at, double& slope) {
    slope = double{v[at + 1]} - v[at];
    return v[at] + t[0] * slope;
  };
  double s00, s10, s01, s11;
  const double c00 = line(0, s00), c10 = line(dy, s10), c01 = line(dz, s01), c11 = line(dy + dz, s11);
  const double c0 = c00 + t[1] * (c10 - c00), c1 = c01 + t[1] * (c11 - c01);
  hit.value = c0 + t[2] * (c1 - c0);
  const double s0 = s00 + t[1] * (s10 - s00), s1 = s01 + t[1] * (s11 - s01);
  const Vector3d by_index(s0 + t[2] * (s1 - s0), c10 - c00 + t[2] * (c11 - c01 - c10 + c00), c1 - c0);
  hit.slope = frame.direction * by_index.cwiseQuotient(frame.spacing_mm);
  hit.inside = true;
  return hit;
}

ImageMetric::Value ImageMetric::operator()(const std::vector<Vector3d>& mapped_mm, std::vector<Vector3d>& pull) const {
  const auto n = static_cast<std::int64_t>(mapped_mm.size());
  std::vector<Hit> hits(mapped_mm.size());
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) hits[i] = sample(mapped_mm[i]);
  });
  const std::int64_t inside = std::count_if(hits.begin(), hits.end(), [](const Hit& h) { return h.inside; });
  pull.assign(mapped_mm.size(), Vector3d::Zero());
  Value result;
  result.overlap = n > 0 ? static_cast<double>(inside) / static_cast<double>(n) : 0;
  result.value = std::numeric_limits<double>::infinity();
  if (result.overlap < 0.1) return result;
  result.value =
      metric_ == Metric::MeanSquares ? meanSquares(hits, inside, pull) : mutualInformation(hits, inside, pull);
  return result;
}

double ImageMetric::mutualInformation(const std::vector<Hit>& hits, std::int64_t inside,
                                      std::vector<Vector3d>& pull) const {
  const Axis fixed_axis(fixed_low_, fixed_high_), moving_axis(moving_low_, moving_high_);
  const auto n = static_cast<std::int64_t>(hits.size());
  const auto rowOf = [&](std::int64_t i) { return static_cast<int>(fixed_axis(samples_.values[i]) + 0.5) * kBins; };
  std::vector<Histogram> parts((n + kChunk - 1) / kChunk);
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
    parts[chunk].fill(0);
    for (std::int64_t i = first; i < last; ++i) {
      if (!hits[i].inside) continue;
      const double place = moving_axis(hits[i].value);
      const int cell = static_cast<int>(place), at = rowOf(i) + cell - 1;
      const auto w = window(place - cell);
      for (int b = 0; b < 4; ++b) parts[chunk][at + b] += w[b];
    }
  });
  Histogram joint{};
  for (const auto& part : parts)
    for (std::size_t i = 0; i < joint.size(); ++i) joint[i] += part[i];
  std::array<double, kBins> fixed{}, moving{};
  for (int f = 0; f < kBins; ++f) {
    for (int m = 0; m < kBins; ++m) {
      joint[f * kBins + m] /= static_cast<double>(inside);
      fixed[f] += joint[f * kBins + m];
      moving[m] += joint[f * kBins + m];
    }
  }
  double single = 0, both = 0;  // entropies
  for (int b = 0; b < kBins; ++b) single -= plogp(fixed[b]) + plogp(moving[b]);
  for (const double p : joint) both -= plogp(p);
  const bool normalised = metric_ == Metric::Normalised && both > 0;
  Histogram gain{};  // what one more sample there would bring
  for (int f = 0; f < kBins; ++f) {
    for (int m = 0; m < kBins; ++m) {
      const double p = joint[f * kBins + m];
      if (p < 1e-14) continue;
      const double alone = std::log(moving[m]), together = std::log(p);
      gain[f * kBins + m] = normalised ? (single / both * together - alone) / both : together - alone;
    }
  }
  const double factor = -moving_axis.per_value / static_cast<double>(inside);
  core::parallelChunks(n, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t i = first; i < last; ++i) {
      if (!hits[i].inside || !moving_axis.within(hits[i].value)) continue;
      const double place = moving_axis(hits[i].value);
      const int cell = static_cast<int>(place), at = rowOf(i) + cell - 1;
      const auto slope = windowSlope(place - cell);
      double sum = 0;
      for (int b = 0; b < 4; ++b) sum += slope[b] * gain[at + b];
      pull[i] = factor * sum * hits[i].slope;
    }
  });
  return normalised ? -single / both : both - single;
}

double ImageMetric::meanSquares(const std::vector<Hit>& hits, std::int64_t inside, std::vector<Vector3d>& pull) const {
  const double factor = 1 / (static_cast<double>(inside) * fixed_variance_);
  return core::parallelSum(static_cast<std::int64_t>(hits.size()), kChunk, [&](std::int64_t first, std::int64_t last) {
    double sum = 0;
    for (std::int64_t i = first; i < last; ++i) {
      if (!hits[i].inside) continue;
      const double difference = hits[i].value - samples_.values[i];
      sum += factor * difference * difference;
      pull[i] = 2 * factor * difference * hits[i].slope;
    }
    return sum;
  });
}

}  // namespace osteo::registration
