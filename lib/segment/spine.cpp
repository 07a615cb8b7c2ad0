#include "segment/spine.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"

namespace osteo::segment {

using Eigen::Vector3d;
using image::CtVolume;
using image::Frame;

namespace {

constexpr double kSmooth_mm = 26;    ///< along the body: bones are seen over the height of a vertebra
constexpr double kBone_hu = 150;     ///< above soft tissue counts as bone in full
constexpr double kCanal = 0.3;       ///< a slice's score from which on it shows a canal
constexpr double kLeast_mm = 30;     ///< shorter ways are no column
constexpr double kLeastScore = 0.5;  ///< mean over the column
constexpr double kBend = 0.025;      ///< score that a millimetre aside costs
constexpr double kBody_mm = 22;      ///< from the middle of the canal to that of the body

/// Mean over a window of kSmooth_mm along z.
void smoothAlong(CtVolume& v) {
  const Frame& f = v.frame;
  const int half = static_cast<int>(std::lround(kSmooth_mm / 2 / f.spacing_mm[2]));
  const std::int64_t slice = std::int64_t{f.size[0]} * f.size[1];
  core::parallelFor(f.size[1], [&](std::int64_t j) {
    std::vector<float> line(static_cast<std::size_t>(f.size[2]));
    for (int i = 0; i < f.size[0]; ++i) {
      float* at = v.voxels.data() + j * f.size[0] + i;
      for (int k = 0; k < f.size[2]; ++k) line[static_cast<std::size_t>(k)] = at[k * slice];
      for (int k = 0; k < f.size[2]; ++k) {
        const int low = std::max(0, k - half), high = std::min(f.size[2] - 1, k + half);
        double sum = 0;
        for (int s = low; s <= high; ++s) sum += static_cast<double>(line[static_cast<std::size_t>(s)]);
        at[k * slice] = static_cast<float>(sum / (high - low + 1));
      }
    }
  });
}

/// Sums over the rectangles of a slice.
class Sums {
 public:
  Sums(const CtVolume& v, int k) : nx_(v.frame.size[0]), ny_(v.frame.size[1]), mm_(v.frame.spacing_mm[0]) {
    sum_.assign(static_cast<std::size_t>(nx_ + 1) * static_cast<std::size_t>(ny_ + 1), 0);
    for (int j = 0; j < ny_; ++j) {
      double row = 0;
      for (int i = 0; i < nx_; ++i) {
        row += static_cast<double>(v.at(i, j, k));
        sum_[place(i + 1, j + 1)] = sum_[place(i + 1, j)] + row;
      }
    }
  }
  /// Mean over the rectangle from (x0, y0) to (x1, y1), mm from the voxel; nothing lies outside the image.
  double mean(int i, int j, const std::array<double, 4>& mm) const {
    const auto steps = [&](double at) { return static_cast<int>(std::lround(at / mm_)); };
    const int x0 = i + steps(mm[0]), y0 = j + steps(mm[1]), x1 = i + steps(mm[2]) + 1, y1 = j + steps(mm[3]) + 1;
    const int a = std::clamp(x0, 0, nx_), b = std::clamp(x1, 0, nx_), c = std::clamp(y0, 0, ny_),
              d = std::clamp(y1, 0, ny_);
    return (sum_[place(b, d)] - sum_[place(a, d)] - sum_[place(b, c)] + sum_[place(a, c)]) / ((x1 - x0) * (y1 - y0));
  }

 private:
  std::size_t place(int i, int j) const {
    return static_cast<std::size_t>(j) * static_cast<std::size_t>(nx_ + 1) + static_cast<std::size_t>(i);
  }
  int nx_, ny_;
  double mm_;
  std::vector<double> sum_;
};

/// How much a slice looks like a canal about each of its voxels: bone in front (marrow included), behind and at both
/// sides, none within.
class CanalScore {
 public:
  explicit CanalScore(const Coarse& scan) : dense_(scan.hu.frame), filled_(scan.hu.frame) {
    for (std::size_t v = 0; v < dense_.voxels.size(); ++v) {
      dense_.voxels[v] = std::clamp(scan.hu.voxels[v] / static_cast<float>(kBone_hu), 0.0f, 1.0f);
      filled_.voxels[v] = scan.bone.voxels[v] ? 1.0f : dense_.voxels[v];
    }
    smoothAlong(dense_), smoothAlong(filled_);
  }
  CtVolume slice(int k) const {
    Frame frame = dense_.frame;
    frame.size[2] = 1;
    CtVolume out(frame);
    const Sums dense(dense_, k), filled(filled_, k);
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) out.at(i, j, 0) = static_cast<float>(score(dense, filled, i, j));
    }
    return out;
  }

 private:
  static double score(const Sums& dense, const Sums& filled, int i, int j) {
    const double front = filled.mean(i, j, {-10, -30, 10, -10});
    if (front < 0.2) return 0;
    const double within = dense.mean(i, j, {-4, -4, 4, 4});
    if (within > 0.5) return 0;
    const double behind = dense.mean(i, j, {-16, 7, 16, 22});
    const double side = std::min(dense.mean(i, j, {8, -10, 18, 10}), dense.mean(i, j, {-18, -10, -8, 10}));
    return front * std::sqrt(std::min(1.0, behind / 0.3) * std::min(1.0, side / 0.4)) * (1 - 2 * within);
  }
  CtVolume dense_, filled_;
};

struct Step {
  int i = 0, j = 0;
  double score = 0;
};

/// The best way through all slices, at most one voxel to a side and two to front or back per slice.
std::vector<Step> bestWay(const Frame& frame, const CanalScore& score) {
  const int nx = frame.size[0], ny = frame.size[1], nz = frame.size[2];
  image::Volume<std::int8_t> from(frame);
  CtVolume best = score.slice(0);
  for (int k = 1; k < nz; ++k) {
    CtVolume next = score.slice(k);
    core::parallelFor(ny, [&](std::int64_t row) {
      const int j = static_cast<int>(row);
      for (int i = 0; i < nx; ++i) {
        double top = -1e30;
        for (int d = 0; d < 15; ++d) {
          const int x = i + d % 3 - 1, y = j + d / 3 - 2;
          if (x < 0 || y < 0 || x >= nx || y >= ny) continue;
          const double way =
              static_cast<double>(best.at(x, y, 0)) - kBend * frame.spacing_mm[0] * std::hypot(x - i, y - j);
          if (way > top) top = way, from.at(i, j, k) = static_cast<std::int8_t>(d);
        }
        next.at(i, j, 0) += static_cast<float>(top);
      }
    });
    best = std::move(next);
  }
  const auto end = std::max_element(best.voxels.begin(), best.voxels.end()) - best.voxels.begin();
  std::vector<Step> way(static_cast<std::size_t>(nz));
  int i = static_cast<int>(end % nx), j = static_cast<int>(end / nx);
  for (int k = nz - 1; k >= 0; --k) {
    way[static_cast<std::size_t>(k)] = {i, j, static_cast<double>(score.slice(k).at(i, j, 0))};
    if (k == 0) break;
    const int d = from.at(i, j, k);
    i += d % 3 - 1, j += d / 3 - 2;
  }
  return way;
}

/// First and last slice of the longest run whose score, over 14 mm, shows a canal; none: {0, -1}.
std::pair<int, int> longestRun(const std::vector<Step>& way, double mm) {
  const int n = static_cast<int>(way.size()), half = static_cast<int>(std::lround(7 / mm));
  std::pair<int, int> best{0, -1};
  int first = 0;
  for (int k = 0; k <= n; ++k) {
    double sum = 0;
    int count = 0;
    for (int s = std::max(0, k - half); k < n && s <= std::min(n - 1, k + half); ++s, ++count)
      sum += way[static_cast<std::size_t>(s)].score;
    if (k < n && sum > kCanal * count) continue;
    if (k - first > best.second - best.first + 1) best = {first, k - 1};
    first = k + 1;
  }
  return best;
}

/// Gaussian along a polyline of equal steps, its ends carried on by point reflection.
std::vector<Vector3d> smooth(const std::vector<Vector3d>& line, double sigma_steps) {
  const int n = static_cast<int>(line.size()), reach = static_cast<int>(std::ceil(3 * sigma_steps));
  const auto at = [&](int s) -> Vector3d {
    if (s < 0) return 2 * line.front() - line[static_cast<std::size_t>(std::min(n - 1, -s))];
    if (s >= n) return 2 * line.back() - line[static_cast<std::size_t>(std::max(0, 2 * n - 2 - s))];
    return line[static_cast<std::size_t>(s)];
  };
  std::vector<Vector3d> out(line.size());
  for (int s = 0; s < n; ++s) {
    Vector3d sum = Vector3d::Zero();
    double weights = 0;
    for (int d = -reach; d <= reach; ++d) {
      const double w = std::exp(-0.5 * d * d / (sigma_steps * sigma_steps));
      sum += w * at(s + d), weights += w;
    }
    out[static_cast<std::size_t>(s)] = sum / weights;
  }
  return out;
}

/// The same line in steps of 1 mm.
std::vector<Vector3d> byMillimetre(const std::vector<Vector3d>& line) {
  std::vector<Vector3d> out{line.front()};
  double left = 1;
  for (std::size_t s = 1; s < line.size(); ++s) {
    const Vector3d step = line[s] - line[s - 1];
    const double length = step.norm();
    double at = left;
    for (; at <= length; at += 1) out.emplace_back(line[s - 1] + step * (at / length));
    left = at - length;
  }
  return out;
}

}  // namespace

Vector3d Column::body(int at) const {
  const auto s = static_cast<std::size_t>(at);
  return canal_mm[s] + kBody_mm * front[s];
}

Vector3d Column::left(int at) const {
  const auto s = static_cast<std::size_t>(at);
  return up[s].cross(front[s]);
}

Vector3d Column::normal(const Disc& disc) const {
  const auto s = static_cast<std::size_t>(disc.at);
  return std::cos(disc.tilt) * up[s] - std::sin(disc.tilt) * front[s];
}

Column findCanal(const Coarse& scan) {
  const Frame& frame = scan.hu.frame;
  Column out;
  if (frame.size[2] * scan.mm() < kLeast_mm) return out;
  const std::vector<Step> way = bestWay(frame, CanalScore(scan));
  const auto [first, last] = longestRun(way, scan.mm());
  if ((last - first + 1) * scan.mm() < kLeast_mm) return out;
  std::vector<Vector3d> line;
  for (int k = first; k <= last; ++k) {
    const Step& step = way[static_cast<std::size_t>(k)];
    out.score += step.score / (last - first + 1);
    line.push_back(frame.toWorld(Vector3d(step.i, step.j, k)));
  }
  if (out.score < kLeastScore) return {};
  const std::vector<Vector3d> even_mm = smooth(line, 10 / scan.mm()), straight_mm = smooth(line, 25 / scan.mm());
  for (std::size_t s = 0; s < line.size(); ++s)  // the column bends little to the sides
    line[s] = {straight_mm[s][0], even_mm[s][1], even_mm[s][2]};
  out.canal_mm = byMillimetre(line);
  const std::vector<Vector3d> even = smooth(out.canal_mm, 6);
  const int n = static_cast<int>(even.size());
  for (int s = 0; s < n; ++s) {
    const Vector3d up =
        (even[static_cast<std::size_t>(std::min(n - 1, s + 2))] - even[static_cast<std::size_t>(std::max(0, s - 2))])
            .normalized();
    out.up.push_back(up);
    out.front.push_back((Vector3d(0, -1, 0) + up[1] * up).normalized());
  }
  return out;
}

}  // namespace osteo::segment
