#include "segment/cortex_level.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/statistics.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

constexpr double kDensest = 0.97, kLeast_hu = 1000, kMost_hu = 1800;
constexpr double kAir_hu = -900, kSkin_hu = 250;  ///< air is below, what follows within as much of 0
constexpr double kAround_mm = 4;                  ///< of an edge on either side, where that is two to four voxels
constexpr double kResolved = 1.6;  ///< width of a plate, against the point spread, from which on it tells
constexpr std::size_t kProfiles = 20000, kEnough = 300;

/// Mean of the edges that run along an axis, by the distance from half height.
class MeanEdge {
 public:
  /// HU along a line, the edge in its middle.
  void add(std::vector<double> line) {
    if (line.front() > line.back()) std::reverse(line.begin(), line.end());
    const std::size_t n = line.size();
    const double low = middleOf(line[0], line[1], line[2]), high = middleOf(line[n - 3], line[n - 2], line[n - 1]);
    if (low > kAir_hu || std::abs(high) > kSkin_hu) return;
    for (double& value : line) value = (value - low) / (high - low);
    const auto first = std::find_if(line.begin(), line.end(), [](double value) { return value > 0.5; });
    const auto at = static_cast<int>(first - line.begin()), middle = static_cast<int>(n / 2);
    if (std::abs(at - middle) > 1) return;
    const double before = line[static_cast<std::size_t>(at - 1)];
    const double half = at - 1 + (0.5 - before) / (*first - before);
    ++edges_;
    for (int s = 0; s < static_cast<int>(line.size()); ++s) {
      const int bin = static_cast<int>(std::floor((s - half) * kBins)) + kMiddle;
      if (bin < 0 || bin >= 2 * kMiddle) continue;
      sum_[static_cast<std::size_t>(bin)] += line[static_cast<std::size_t>(s)];
      count_[static_cast<std::size_t>(bin)] += 1;
    }
  }
  std::size_t edges() const { return edges_; }
  /// Standard deviation of the Gaussian whose quartiles lie where those of the edge do, voxels.
  double sigma() const { return (crossing(0.75) - crossing(0.25)) / (2 * 0.67449); }

 private:
  static constexpr int kBins = 4, kMiddle = 12;  // bins a voxel, and on either side
  static double middleOf(double a, double b, double c) { return std::max(std::min(a, b), std::min(std::max(a, b), c)); }
  double crossing(double level) const {
    double place = 0, value = -1e9;
    for (int bin = 0; bin < 2 * kMiddle; ++bin) {
      const auto n = static_cast<std::size_t>(bin);
      if (count_[n] == 0) continue;
      const double here = (bin - kMiddle + 0.5) / kBins, mean = sum_[n] / count_[n];
      if (mean >= level) return value < -1e8 ? here : place + (here - place) * (level - value) / (mean - value);
      place = here, value = mean;
    }
    return place;
  }
  std::array<double, 2 * kMiddle> sum_{}, count_{};
  std::size_t edges_ = 0;
};

/// Whether the values change along one axis alone.
bool runsAlong(const CtVolume& ct, const Vector3i& at, int axis) {
  double own = 0, all = 0;
  for (int a = 0; a < 3; ++a) {
    const Vector3i low = at - 2 * Vector3i::Unit(a), high = at + 2 * Vector3i::Unit(a);
    if (!ct.contains(low[0], low[1], low[2]) || !ct.contains(high[0], high[1], high[2])) return false;
    const double slope =
        static_cast<double>(ct.at(high[0], high[1], high[2]) - ct.at(low[0], low[1], low[2])) / ct.frame.spacing_mm[a];
    all += slope * slope;
    if (a == axis) own = slope * slope;
  }
  return own > 0.9 * all;
}

/// Adds the edges between air and skin along an axis.
void addEdges(const CtVolume& ct, int axis, MeanEdge& mean) {
  constexpr float kHalf_hu = -530;
  const Vector3i step = Vector3i::Unit(axis), size = ct.frame.size;
  const int around = std::clamp(static_cast<int>(std::lround(kAround_mm / ct.frame.spacing_mm[axis])), 2, 4);
  for (int k = 0; k < size[2]; ++k) {
    for (int j = 0; j < size[1]; ++j) {
      for (int i = 0; i < size[0]; ++i) {
        const Vector3i at(i, j, k), next = at + step;
        if (at[axis] < around || next[axis] + around >= size[axis]) continue;
        if ((ct.at(i, j, k) < kHalf_hu) == (ct.at(next[0], next[1], next[2]) < kHalf_hu)) continue;
        if (!runsAlong(ct, at, axis)) continue;
        std::vector<double> line(static_cast<std::size_t>(2 * around + 2));
        for (int s = 0; s < static_cast<int>(line.size()); ++s) {
          const Vector3i from = at + (s - around) * step;
          line[static_cast<std::size_t>(s)] = static_cast<double>(ct.at(from[0], from[1], from[2]));
        }
        mean.add(line);
      }
    }
  }
}

/// From outside to inside across the bone's surface.
Vector3d inwards(const LabelVolume& whole, const Vector3i& at) {
  Vector3d out = Vector3d::Zero();
  for (int n = 0; n < 343; ++n) {
    const Vector3i d(n % 7 - 3, n / 7 % 7 - 3, n / 49 - 3), v = at + d;
    if (!whole.contains(v[0], v[1], v[2])) continue;
    out += (whole.at(v[0], v[1], v[2]) ? 1 : -1) * d.cast<double>().cwiseProduct(whole.frame.spacing_mm);
  }
  const double length = out.norm();
  return length > 0 ? Vector3d(out / length) : Vector3d::Zero();
}

/// Width of a plate that a profile of this mass over height (mm) has under a point spread.
double widthOf(double mass_mm, double sigma_mm) {
  double low = 0, high = mass_mm;
  for (int step = 0; step < 40; ++step) {
    const double w = 0.5 * (low + high);
    (w > mass_mm * std::erf(w / (2 * std::sqrt(2) * sigma_mm)) ? high : low) = w;
  }
  return 0.5 * (low + high);
}

/// What one profile says of full cortex, HU; 0 where it says nothing.
double levelOf(const std::vector<double>& hu, double step_mm, double soft_hu, double sigma_mm) {
  const auto at = [&](double mm) { return static_cast<std::ptrdiff_t>(std::lround(mm / step_mm)); };
  const auto peak = std::max_element(hu.begin() + at(2), hu.begin() + at(6));
  const auto base = std::min_element(peak + at(1), std::min(peak + at(4), hu.end()));
  if (*peak < soft_hu + 450 || *base > 0.6 * *peak || hu.front() > soft_hu + 160) return 0;
  double mass_mm = 0;
  for (auto value = hu.begin(); value < base; ++value) {
    const double under = value < peak ? soft_hu : *base;
    mass_mm += step_mm * std::max(0.0, *value - under) / (*peak - under);
  }
  const double width_mm = widthOf(mass_mm, sigma_mm);
  if (width_mm < kResolved * sigma_mm) return 0;
  return soft_hu + (*peak - soft_hu) / std::erf(width_mm / (2 * std::sqrt(2) * sigma_mm));
}

/// By profiles across the bone's surface; 0 where few say anything.
double byProfiles(const LabelVolume& whole, const CtVolume& ct, double soft_hu, double sigma_mm) {
  std::vector<std::int64_t> surface;
  for (std::int64_t v = 0; v < whole.frame.voxelCount(); ++v) {
    bool open = false;
    if (!whole.voxels[static_cast<std::size_t>(v)]) continue;
    image::forFaceNeighbours(whole.frame, v,
                             [&](std::int64_t w) { open = open || !whole.voxels[static_cast<std::size_t>(w)]; });
    if (open) surface.push_back(v);
  }
  const std::size_t every = surface.size() / kProfiles + 1, count = surface.size() / every;
  const double step_mm = 0.25 * whole.frame.spacing_mm.minCoeff();
  std::vector<double> levels(count, 0);
  core::parallelFor(static_cast<std::int64_t>(count), [&](std::int64_t n) {
    const std::int64_t v = surface[static_cast<std::size_t>(n) * every];
    const Vector3i size = whole.frame.size,
                   place(static_cast<int>(v % size[0]), static_cast<int>(v / size[0] % size[1]),
                         static_cast<int>(v / size[0] / size[1]));
    const Vector3d way = inwards(whole, place).cwiseQuotient(whole.frame.spacing_mm);
    if (way.isZero()) return;
    std::vector<double> hu;
    for (double mm = -3; mm <= 7; mm += step_mm)
      hu.push_back(static_cast<double>(image::sampleLinear(ct, place.cast<double>() + mm * way, -1000)));
    levels[static_cast<std::size_t>(n)] = levelOf(hu, step_mm, soft_hu, sigma_mm);
  });
  levels.erase(std::remove(levels.begin(), levels.end(), 0.0), levels.end());
  return levels.size() < kEnough ? 0 : core::quantile(levels, 0.5);
}

double byDensest(const LabelVolume& dense, const CtVolume& ct) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(kMost_hu) + 1, 0);
  std::int64_t total = 0, below = 0;
  for (std::size_t v = 0; v < dense.voxels.size(); ++v) {
    if (!dense.voxels[v]) continue;
    ++counts[static_cast<std::size_t>(std::clamp<double>(ct.voxels[v], 0, kMost_hu))];
    ++total;
  }
  std::size_t hu = 0;
  while (hu + 1 < counts.size() && static_cast<double>(below += counts[hu]) < kDensest * static_cast<double>(total)) {
    ++hu;
  }
  return static_cast<double>(hu);
}

}  // namespace

double pointSpread_mm(const CtVolume& ct) {
  MeanEdge mean;
  const double finest_mm = ct.frame.spacing_mm.minCoeff();
  for (int axis = 0; axis < 3; ++axis) {
    if (ct.frame.spacing_mm[axis] < 1.1 * finest_mm) addEdges(ct, axis, mean);
  }
  return mean.edges() < kEnough ? 0 : mean.sigma() * finest_mm;
}

FullCortex fullCortex(const LabelVolume& whole, const LabelVolume& dense, const CtVolume& ct, double soft_hu) {
  FullCortex out{byDensest(dense, ct), pointSpread_mm(ct)};
  if (out.point_spread_mm > 0) out.hu = std::max(out.hu, byProfiles(whole, ct, soft_hu, out.point_spread_mm));
  out.hu = std::clamp(out.hu, kLeast_hu, kMost_hu);
  return out;
}

}  // namespace osteo::segment
