#include <Eigen/Eigenvalues>
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "image/distance.h"
#include "image/morphology.h"
#include "segment/defect_candidates.h"

namespace osteo::segment {

using Eigen::Vector3d;
using image::LabelVolume;

namespace {

constexpr double kLeast_mm3 = 250, kMost_mm3 = 1.5e5, kLeastScore = 0.05;
constexpr int kLevel_hu = 20, kLowest_hu = -160, kLevels = 45, kAround = 2;  ///< levels each way that say how stable

/// Connected dark places inside bone at rising levels (a component tree as of Matas et al.'s extremal regions): each
/// is known by its darkest voxel, and has a size at every level until it joins one that is darker.
class DarkPlaces {
 public:
  DarkPlaces(const image::CtVolume& ct, const LabelVolume& where, std::int64_t least)
      : ct_(ct), order_(), up_(ct.voxels.size(), -1), size_(ct.voxels.size(), 0) {
    constexpr double kTop_hu = kLowest_hu + kLevels * kLevel_hu;
    for (std::size_t v = 0; v < ct.voxels.size(); ++v) {
      if (where.voxels[v] && ct.voxels[v] < kTop_hu) order_.push_back(static_cast<std::int32_t>(v));
    }
    std::sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
      const float x = ct.voxels[static_cast<std::size_t>(a)], y = ct.voxels[static_cast<std::size_t>(b)];
      return x < y || (x == y && a < b);
    });
    rank_.assign(ct.voxels.size(), -1);
    for (std::size_t n = 0; n < order_.size(); ++n)
      rank_[static_cast<std::size_t>(order_[n])] = static_cast<std::int32_t>(n);
    std::size_t next = 0;
    for (int level = 0; level < kLevels; ++level) {
      const double hu = kLowest_hu + (level + 1) * kLevel_hu;
      for (; next < order_.size() && ct.voxels[static_cast<std::size_t>(order_[next])] < hu; ++next) add(order_[next]);
      for (std::size_t n = 0; n < next; ++n) {
        const std::int32_t v = order_[n];
        if (up_[static_cast<std::size_t>(v)] != v || size_[static_cast<std::size_t>(v)] < least) continue;
        sizes_[v][level] = size_[static_cast<std::size_t>(v)];
      }
      for (auto& [root, sizes] : sizes_) {
        if (sizes[level] == 0) joined_.try_emplace({root, level}, find(root));
      }
    }
  }

  struct Place {
    std::int32_t root;
    int level;
    double unstable;  ///< share by which it grows about the level
    double voxels;
  };
  /// For each root the levels at which it grows least.
  std::vector<Place> stable(double most) const {
    std::vector<Place> out;
    for (const auto& [root, sizes] : sizes_) {
      std::vector<Place> run;
      for (int l = kAround; l + kAround < kLevels; ++l) {
        const double here = sizes[static_cast<std::size_t>(l)];
        if (here == 0 || here > most) continue;
        const double below = sizes[static_cast<std::size_t>(l - kAround)], above = sizeAt(root, l + kAround);
        run.push_back({root, l, (above - below) / here, here});
      }
      for (std::size_t i = 0; i < run.size(); ++i) {
        const bool left = i == 0 || run[i].unstable < run[i - 1].unstable;
        const bool right = i + 1 == run.size() || run[i].unstable <= run[i + 1].unstable;
        if (left && right && run[i].unstable < 1.2) out.push_back(run[i]);
      }
    }
    return out;
  }
  static double hu(int level) { return kLowest_hu + (level + 1) * kLevel_hu; }

  /// The voxels of a place, ascending.
  std::vector<std::int64_t> voxelsOf(const Place& place) const {
    std::vector<std::int64_t> out{place.root};
    std::vector<char>& seen = seen_;
    seen.resize(ct_.voxels.size(), 0);
    seen[static_cast<std::size_t>(place.root)] = 1;
    for (std::size_t next = 0; next < out.size(); ++next) {
      image::forFaceNeighbours(ct_.frame, out[next], [&](std::int64_t to) {
        const auto at = static_cast<std::size_t>(to);
        if (!seen[at] && rank_[at] >= 0 && ct_.voxels[at] < hu(place.level)) seen[at] = 1, out.push_back(to);
      });
    }
    for (const std::int64_t v : out) seen[static_cast<std::size_t>(v)] = 0;
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  double sizeAt(std::int32_t root, int level) const {
    const auto at = static_cast<std::size_t>(level);
    const double own = sizes_.at(root)[at];
    if (own > 0) return own;
    const auto into = joined_.find({root, level});
    if (into == joined_.end()) return 1e18;
    const auto other = sizes_.find(into->second);
    return other == sizes_.end() ? 1e18 : other->second[at];
  }
  std::int32_t find(std::int32_t v) {
    while (up_[static_cast<std::size_t>(v)] != v) {
      auto& up = up_[static_cast<std::size_t>(v)];
      up = up_[static_cast<std::size_t>(up)];
      v = up;
    }
    return v;
  }
  void add(std::int32_t v) {
    up_[static_cast<std::size_t>(v)] = v;
    size_[static_cast<std::size_t>(v)] = 1;
    image::forFaceNeighbours(ct_.frame, v, [&](std::int64_t to) {
      if (up_[static_cast<std::size_t>(to)] < 0) return;
      std::int32_t a = find(v), b = find(static_cast<std::int32_t>(to));
      if (a == b) return;
      if (rank_[static_cast<std::size_t>(b)] < rank_[static_cast<std::size_t>(a)]) std::swap(a, b);
      up_[static_cast<std::size_t>(b)] = a;
      size_[static_cast<std::size_t>(a)] += size_[static_cast<std::size_t>(b)];
    });
  }

  const image::CtVolume& ct_;
  std::vector<std::int32_t> order_, rank_, up_, size_;
  std::map<std::int32_t, std::array<double, kLevels>> sizes_;
  std::map<std::pair<std::int32_t, int>, std::int32_t> joined_;
  mutable std::vector<char> seen_;
};

/// How much a dark place looks like a cavity: round, of one level, in denser bone all around.
double scoreOf(const BoneScan& scan, const WorkGrid& grid, const LabelVolume& inside, const DarkPlaces::Place& place,
               const std::vector<std::int64_t>& voxels) {
  const image::Frame& frame = grid.ct.frame;
  Vector3d centre = Vector3d::Zero();
  double mean = 0, square = 0;
  const auto n = static_cast<double>(voxels.size());
  for (const std::int64_t v : voxels) {
    centre += frame.centre(v) / n;
    const double hu = grid.ct.voxels[static_cast<std::size_t>(v)];
    mean += hu / n, square += hu * hu / n;
  }
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const std::int64_t v : voxels) {
    const Vector3d d = frame.centre(v) - centre;
    spread += d * d.transpose() / n;
  }
  const Vector3d axes = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread, Eigen::EigenvaluesOnly)
                            .eigenvalues()
                            .cwiseMax(0.05)
                            .cwiseSqrt();
  // Shells about it: the first holds the outline's partial volume.
  std::vector<char> seen(grid.ct.voxels.size(), 0);
  std::vector<std::int64_t> front = voxels;
  for (const std::int64_t v : front) seen[static_cast<std::size_t>(v)] = 1;
  double ring = 0, ring_count = 0, jump = 0, jumps = 0, ring_square = 0;
  const int rings = std::max(3, static_cast<int>(std::lround(4 / std::cbrt(frame.voxelVolume_mm3()))));
  for (int r = 1; r <= rings; ++r) {
    std::vector<std::int64_t> next;
    for (const std::int64_t v : front) {
      image::forFaceNeighbours(frame, v, [&](std::int64_t to) {
        const auto at = static_cast<std::size_t>(to);
        if (r == 1 && !seen[at]) {
          jump += grid.ct.voxels[at] - grid.ct.voxels[static_cast<std::size_t>(v)], jumps += 1;
        }
        if (seen[at]) return;
        seen[at] = 1;
        next.push_back(to);
        if (inside.voxels[at] && r > 1) {
          const double hu = std::min(grid.ct.voxels[at], 900.0f);
          ring += hu, ring_square += hu * hu, ring_count += 1;
        }
      });
    }
    front = std::move(next);
  }
  ring /= std::max(ring_count, 1.0);
  const double ring_sd = std::sqrt(std::max(0.0, ring_square / std::max(ring_count, 1.0) - ring * ring));
  const double volume = n * frame.voxelVolume_mm3(), ball = std::cbrt(volume * 3 / (4 * M_PI));
  const double contrast = ring - mean, sd = std::sqrt(std::max(0.0, square - mean * mean));
  if (contrast < 60) return 0;
  const double level = std::clamp((mean - scan.soft_hu) / 100, -1.0, 2.0);
  // Logistic regression on 210 phantom scenes (phantom cases, seeds 101 and 303) and nine real scans without lesions.
  const double sum = -1.658 - 0.248 * std::log(volume) + 0.160 * std::log(place.unstable + 0.03) -
                     0.464 * level * level + 0.407 * std::min(contrast, 500.0) / 100 -
                     0.333 * std::log(contrast / std::max(10.0, scan.noise_hu)) + 0.579 * std::log(sd + 5) -
                     2.557 * std::log(axes[2] / axes[0]) -
                     4.978 * std::log(std::max(std::sqrt(5.0) * axes[2] / ball, 0.9)) +
                     0.393 * jump / std::max(jumps, 1.0) / contrast - 0.954 * ring_sd / contrast -
                     0.647 * std::log((sd + 5) / contrast);
  return beyond(sum, 0, 1);
}

}  // namespace

std::vector<DefectCandidate> cavities(const BoneScan& scan, const WorkGrid& grid) {
  const LabelVolume inside = image::fillHoles(grid.bone);
  // Half a voxel under the surface and less is partial volume.
  const LabelVolume deep = image::erode(inside, 1.01 * grid.ct.frame.spacing_mm.maxCoeff());
  const double voxel_mm3 = grid.ct.frame.voxelVolume_mm3();
  const DarkPlaces places(grid.ct, deep, static_cast<std::int64_t>(std::max(4.0, kLeast_mm3 / voxel_mm3)));
  std::vector<DefectCandidate> out;
  for (const DarkPlaces::Place& place : places.stable(kMost_mm3 / voxel_mm3)) {
    const std::vector<std::int64_t> voxels = places.voxelsOf(place);
    const double score = scoreOf(scan, grid, inside, place, voxels);
    if (score > kLeastScore) out.push_back({score, grid.fine(voxels, scan.ct.frame)});
  }
  return out;
}

}  // namespace osteo::segment
