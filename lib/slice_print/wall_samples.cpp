#include "slice_print/wall_samples.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>

namespace osteo::slice_print {

namespace {

constexpr double kSmoothTurn = 25 * M_PI / 180;  // sharper vertices are corners, others belong to a curve
constexpr double kWedge = 2 * M_PI / 3;          // sharper corners are tips, into which no disc fits
constexpr double kFanStep = 12 * M_PI / 180;
constexpr double kFacing = -0.5;     // cosine of 120°
constexpr double kOtherSide = 0.94;  // cosine of 20°: nearer normals are the same wall, whose noise is no corner
constexpr double kCapReach = 1.2;    // of the half circle that ends a wall

Point leftOf(const Point& along) { return {-along.y(), along.x()}; }

void sampleRing(const Ring& ring, double step_mm, std::vector<WallSample>& samples) {
  const std::size_t n = ring.size();
  std::vector<Point> along(n);
  std::vector<double> turn(n);
  for (std::size_t i = 0; i < n; ++i) along[i] = (ring[(i + 1) % n] - ring[i]).normalized();
  for (std::size_t i = 0; i < n; ++i) {
    const Point &in = along[(i + n - 1) % n], &out = along[i];
    turn[i] = std::atan2(in.x() * out.y() - in.y() * out.x(), in.dot(out));
  }
  // The normal of edge i at its start or end: shared with the neighbour where the outline is smooth.
  const auto normalAt = [&](std::size_t edge, std::size_t vertex, double sign) {
    const double lean = std::abs(turn[vertex]) < kSmoothTurn ? sign * turn[vertex] / 2 : 0;
    return Point(Eigen::Rotation2Dd(lean) * leftOf(along[edge]));
  };
  const std::size_t first = samples.size();
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t next = (i + 1) % n;
    const Point from = normalAt(i, i, -1), to = normalAt(i, next, 1);
    const double length = (ring[next] - ring[i]).norm();
    const int parts = std::max(1, static_cast<int>(std::ceil(length / step_mm)));
    if (turn[i] < -kSmoothTurn) {
      const int fan = static_cast<int>(std::ceil(-turn[i] / kFanStep));
      for (int f = 0; f < fan; ++f)
        samples.push_back({ring[i], Eigen::Rotation2Dd(-turn[i] * (1 - f / double(fan))) * from});
    }
    for (int k = 0; k < parts; ++k) {
      const double t = k / double(parts);
      samples.push_back({ring[i] + t * (ring[next] - ring[i]), ((1 - t) * from + t * to).normalized()});
      if (k == 0 && turn[i] > kWedge) samples.back().half_width_mm = 0;
    }
    if (std::abs(turn[next]) < kSmoothTurn) continue;
    samples.push_back({ring[next], to});  // both normals of a corner
    if (turn[next] > kWedge) samples.back().half_width_mm = 0;
  }
  for (std::size_t i = first; i < samples.size(); ++i) {
    const std::size_t next = i + 1 < samples.size() ? i + 1 : first;
    const double half = (samples[next].at - samples[i].at).norm() / 2;
    samples[i].length_mm += half, samples[next].length_mm += half;
  }
}

// Samples in square buckets as wide as the discs that are looked for.
class Buckets {
 public:
  Buckets(const std::vector<WallSample>& samples, double side_mm) : samples_(samples), per_mm_(1 / side_mm) {
    Point low = samples[0].at, high = low;
    for (const WallSample& s : samples) low = low.cwiseMin(s.at), high = high.cwiseMax(s.at);
    low_ = low;
    nx_ = static_cast<int>((high.x() - low.x()) * per_mm_) + 1,
    ny_ = static_cast<int>((high.y() - low.y()) * per_mm_) + 1;
    start_.assign(static_cast<std::size_t>(nx_) * ny_ + 1, 0);
    for (const WallSample& s : samples) ++start_[cell(s.at) + 1];
    for (std::size_t c = 1; c < start_.size(); ++c) start_[c] += start_[c - 1];
    items_.resize(samples.size());
    std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
    for (std::uint32_t s = 0; s < samples.size(); ++s) items_[next[cell(samples[s].at)]++] = s;
  }

  template <class Visit>
  void around(const Point& centre, double reach_mm, const Visit& visit) const {
    const int x0 = std::max(0, column(centre.x() - reach_mm)), x1 = std::min(nx_ - 1, column(centre.x() + reach_mm));
    const int y0 = std::max(0, row(centre.y() - reach_mm)), y1 = std::min(ny_ - 1, row(centre.y() + reach_mm));
    for (int y = y0; y <= y1; ++y) {
      const std::size_t line = static_cast<std::size_t>(y) * nx_;
      if (x0 > x1) continue;
      for (std::uint32_t n = start_[line + x0]; n < start_[line + x1 + 1]; ++n) visit(items_[n]);
    }
  }

 private:
  int column(double x) const { return static_cast<int>(std::floor((x - low_.x()) * per_mm_)); }
  int row(double y) const { return static_cast<int>(std::floor((y - low_.y()) * per_mm_)); }
  std::size_t cell(const Point& p) const {
    return static_cast<std::size_t>(std::min(row(p.y()), ny_ - 1)) * nx_ + std::min(column(p.x()), nx_ - 1);
  }

  const std::vector<WallSample>& samples_;
  double per_mm_;
  Point low_;
  int nx_ = 1, ny_ = 1;
  std::vector<std::uint32_t> start_, items_;
};

// Discs that touch sample i at its normal lie within reach of the point that is `reach` inwards.
void measure(std::vector<WallSample>& samples, std::uint32_t i, const Buckets& buckets, double reach_mm) {
  WallSample& s = samples[i];
  buckets.around(s.at + reach_mm * s.inward, reach_mm, [&](std::uint32_t j) {
    const WallSample& other = samples[j];
    const Point d = other.at - s.at;
    const double ahead = s.inward.dot(d);
    if (ahead <= 1e-9) return;
    const double radius = d.squaredNorm() / (2 * ahead), cosine = s.inward.dot(other.inward);
    if (cosine < kFacing) {
      if (radius < s.half_width_mm && radius <= reach_mm) s.half_width_mm = radius, s.facing = j;
    } else if (cosine < kOtherSide && radius < s.corner_mm) {
      s.corner_mm = radius;
    }
  });
}

// On the end of a wall nothing faces the samples but what lies far beyond the corners, if anything: the discs there are
// wider than at the nearest samples whose disc lies free, and no disc of that size would fit.
void forgetBlocked(WallSample* ring, std::size_t n) {
  constexpr double kFree = 0.98, kWider = 1.15;
  const auto isFree = [&](const WallSample& s) { return s.corner_mm >= kFree * s.half_width_mm; };
  std::size_t start = 0;
  while (start < n && !(isFree(ring[start]) && std::isfinite(ring[start].half_width_mm))) ++start;
  if (start == n) return;
  std::size_t before = 0;
  for (std::size_t k = 1; k <= n; ++k) {
    const WallSample& s = ring[(start + k) % n];
    if (!isFree(s) || !std::isfinite(s.half_width_mm)) continue;
    const double most = kWider * std::max(ring[(start + before) % n].half_width_mm, s.half_width_mm);
    for (std::size_t j = before + 1; j < k; ++j) {
      WallSample& blocked = ring[(start + j) % n];
      if (blocked.half_width_mm > most)
        blocked.half_width_mm = std::numeric_limits<double>::infinity(), blocked.facing = UINT32_MAX;
    }
    before = k;
  }
}

// Where a wall ends, nothing faces the few samples on its end: they take the width of the sides beside them.
void bridgeCaps(WallSample* ring, std::size_t n) {
  std::size_t start = 0;
  while (start < n && !std::isfinite(ring[start].half_width_mm)) ++start;
  if (start == n) return;
  for (std::size_t k = 0; k < n;) {
    const std::size_t before = (start + k) % n;
    std::size_t run = 0;
    double length = ring[before].length_mm / 2;
    while (run < n && !std::isfinite(ring[(before + 1 + run) % n].half_width_mm)) {
      length += ring[(before + 1 + run) % n].length_mm;
      ++run;
    }
    const double a = ring[before].half_width_mm, b = ring[(before + 1 + run) % n].half_width_mm;
    if (run > 0 && length <= kCapReach * M_PI * std::max(a, b)) {
      for (std::size_t r = 0; r < run; ++r) {
        WallSample& s = ring[(before + 1 + r) % n];
        s.half_width_mm = a + (b - a) * (r + 1.0) / (run + 1.0);
        s.cap = true;
      }
    }
    k += run + 1;
  }
}

}  // namespace

WallSamples sampleWalls(const Rings& rings, double step_mm, double reach_mm) {
  WallSamples result;
  for (const Ring& ring : rings) {
    result.ring_start.push_back(static_cast<std::uint32_t>(result.samples.size()));
    if (ring.size() >= 3) sampleRing(ring, step_mm, result.samples);
  }
  result.ring_start.push_back(static_cast<std::uint32_t>(result.samples.size()));
  if (result.samples.empty()) return result;
  const Buckets buckets(result.samples, reach_mm / 2);
  for (std::uint32_t i = 0; i < result.samples.size(); ++i) measure(result.samples, i, buckets, reach_mm);
  for (std::size_t r = 0; r + 1 < result.ring_start.size(); ++r) {
    forgetBlocked(result.samples.data() + result.ring_start[r], result.ring_start[r + 1] - result.ring_start[r]);
    bridgeCaps(result.samples.data() + result.ring_start[r], result.ring_start[r + 1] - result.ring_start[r]);
  }
  return result;
}

}  // namespace osteo::slice_print
