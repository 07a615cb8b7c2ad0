#include "segment/marrow.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "image/filters.h"
#include "image/morphology.h"
#include "image/resample.h"
#include "segment/graph_cut.h"
#include "segment/holes.h"
#include "segment/sheetness.h"
#include "segment/steps.h"

namespace osteo::segment {

using Eigen::Vector3i;
using image::CtVolume;
using image::LabelVolume;

namespace {

constexpr double kAir_hu = -250, kRay_mm = 30, kBand_mm = 4;
constexpr double kNoisy_hu = 70, kSmooth = 0.75;  ///< smoothed beyond this noise, by a Gaussian of this many voxels
// Points, chosen on real scans of pelvis, spine and chest together, on which the figures of apps/segment.md are taken
// too.
constexpr double kClosed = 0.6;     ///< for an axis along which a slice closes, of two at most, at each bridging
constexpr double kBridged = 0.7;    ///< for lying in a bridged gap, at each bridging
constexpr double kWidest = 0.2;     ///< the same at the widest
constexpr double kDirection = 0.2;  ///< for each direction with bone beyond kDirections, or less than that
constexpr double kDirections = 20;
constexpr double kPer100_hu = 0.55;  ///< for HU above soft tissue, up to 150 HU either way
constexpr double kPlate = 1;         ///< for lying on a bright plate
constexpr double kStart = -2.1;
constexpr double kSure = 3,
                 kMost = 6;  ///< beyond the first, all around too, nothing is cut; more than the last counts as that
constexpr double kLink = 2, kLeast = 0.05;  ///< points that a border of a voxel costs in flat HU, and at any jump
constexpr int kPart = 20;                   ///< parts of a point, so that points fit a byte

/// In how many of 26 directions dense bone, or the image's border, lies within reach, on a coarse grid.
class Surrounded {
 public:
  Surrounded(const LabelVolume& dense, const LabelVolume& wanted) : stride_(Vector3i::Ones()) {
    const image::Frame coarse = coarseFrame(dense.frame, kCoarse_mm);
    stride_ = coarse.spacing_mm.cwiseQuotient(dense.frame.spacing_mm).array().round().cast<int>();
    const LabelVolume walls = thin(dense, coarse), asked = thin(wanted, coarse);
    count_ = image::Volume<std::uint8_t>(coarse);
    core::parallelFor(coarse.size[2], [&](std::int64_t k) {
      for (int j = 0; j < coarse.size[1]; ++j) {
        for (int i = 0; i < coarse.size[0]; ++i) {
          if (!asked.at(i, j, static_cast<int>(k))) continue;
          int hits = 0, rays = 0;
          for (int n = 0; n < 27; ++n) {
            if (n == 13) continue;
            const Ray ray = cast(walls, {i, j, static_cast<int>(k)}, n);
            rays += ray != Ray::Leaves ? 1 : 0;
            hits += ray == Ray::Meets ? 1 : 0;
          }
          count_.at(i, j, static_cast<int>(k)) = static_cast<std::uint8_t>(26 * hits / std::max(rays, 1));
        }
      }
    });
  }
  int at(int i, int j, int k) const { return count_.at(i / stride_[0], j / stride_[1], k / stride_[2]); }

 private:
  LabelVolume thin(const LabelVolume& mask, const image::Frame& coarse) const {
    LabelVolume out(coarse);
    std::size_t v = 0;
    for (int k = 0; k < mask.frame.size[2]; ++k) {
      for (int j = 0; j < mask.frame.size[1]; ++j) {
        for (int i = 0; i < mask.frame.size[0]; ++i, ++v) {
          if (mask.voxels[v]) out.at(i / stride_[0], j / stride_[1], k / stride_[2]) = 1;
        }
      }
    }
    return out;
  }
  enum class Ray { Meets, Misses, Leaves };
  static Ray cast(const LabelVolume& walls, Vector3i at, int n) {
    const Vector3i step(n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1);
    const double length_mm = step.cast<double>().cwiseProduct(walls.frame.spacing_mm).norm();
    for (int s = static_cast<int>(kRay_mm / length_mm); s > 0; --s) {
      at += step;
      if (!walls.contains(at[0], at[1], at[2])) return Ray::Leaves;
      if (walls.at(at[0], at[1], at[2])) return Ray::Meets;
    }
    return Ray::Misses;
  }

  Vector3i stride_;
  image::Volume<std::uint8_t> count_;
};

/// Points in parts; what is certain from the start has none.
using Points = image::Volume<std::int8_t>;

void add(Points& points, std::size_t v, double more) {
  constexpr auto kEnd = static_cast<long>(kMost * kPart);
  points.voxels[v] = static_cast<std::int8_t>(std::clamp(points.voxels[v] + std::lround(kPart * more), -kEnd, kEnd));
}

/// Points for what closes; returns what the widest closing closes.
LabelVolume closures(const LabelVolume& dense, const CtVolume& ct, const MarrowSearch& how, Points& points) {
  const double voxel_mm = ct.frame.spacing_mm.maxCoeff(), widest_mm = how.closing_mm;
  const std::array<double, 4> radius_mm{0, std::min(std::max(0.4 * widest_mm, 1.01 * voxel_mm), widest_mm),
                                        std::min(std::max(0.7 * widest_mm, 1.45 * voxel_mm), widest_mm), widest_mm};
  LabelVolume closed;
  for (std::size_t r = 0; r < radius_mm.size(); ++r) {
    closed = radius_mm[r] > 0 ? image::close(dense, radius_mm[r]) : dense;
    const std::vector<std::uint8_t> votes = castVotes(closed, ct, how.fill_mm, how.noise_hu > kNoisy_hu);
    const bool widest = r + 1 == radius_mm.size();
    forVoxels(ct.frame, [&](int, int, int, std::size_t v) {
      const int axes = std::min(2, votes[v] / kClosedVote + votes[v] % kClosedVote);
      if (closed.voxels[v] && !dense.voxels[v]) add(points, v, widest ? kWidest : kBridged);
      if (widest)
        closed.voxels[v] = closed.voxels[v] || axes > 0 ? 1 : 0;
      else
        add(points, v, kClosed * axes);
    });
  }
  return closed;
}

/// Points for what surrounds a voxel, what it holds and whether it lies on a plate.
void scoreVoxels(const LabelVolume& dense, const LabelVolume& band, const CtVolume& ct, double soft_hu,
                 Points& points) {
  {
    const Surrounded surrounded(dense, band);
    forVoxels(ct.frame, [&](int i, int j, int k, std::size_t v) {
      if (!band.voxels[v] || dense.voxels[v]) return;
      const double rise = std::clamp((ct.voxels[v] - soft_hu) / 100, -1.5, 1.5);
      add(points, v, kStart + kDirection * (surrounded.at(i, j, k) - kDirections) + kPer100_hu * rise);
    });
  }
  const double voxel_mm = ct.frame.spacing_mm.maxCoeff();
  const image::Volume<std::uint8_t> plates = sheetness(ct, band, {.sigma_mm = {0.6 * voxel_mm, 1.2 * voxel_mm}});
  forVoxels(ct.frame, [&](int, int, int, std::size_t v) {
    if (plates.voxels[v] && ct.voxels[v] > soft_hu) add(points, v, kPlate * plates.voxels[v] / 255.0);
  });
}

/// 1 where dense, 2 where points don't settle it, else 0 or 1.
LabelVolume trimap(const LabelVolume& dense, const LabelVolume& band, const Points& points) {
  constexpr int kSureParts = static_cast<int>(kSure * kPart);
  LabelVolume out(dense.frame);
  const Vector3i size = dense.frame.size;
  core::parallelFor(size[2], [&](std::int64_t slice) {
    auto v = slice * size[0] * size[1];
    for (int n = 0; n < size[0] * size[1]; ++n, ++v) {
      const auto at = static_cast<std::size_t>(v);
      if (dense.voxels[at]) out.voxels[at] = 1;
      if (dense.voxels[at] || !band.voxels[at]) continue;
      const int mine = points.voxels[at];
      bool settled = std::abs(mine) >= kSureParts;
      if (settled) {
        image::forFaceNeighbours(dense.frame, v, [&](std::int64_t w) {
          const auto to = static_cast<std::size_t>(w);
          const int other = dense.voxels[to] ? 127 : !band.voxels[to] ? -127 : points.voxels[to];
          settled = settled && (mine > 0 ? other >= kSureParts : other <= -kSureParts);
        });
      }
      out.voxels[at] = !settled ? kUndecided : mine > 0 ? 1 : 0;
    }
  });
  return out;
}

LabelVolume wholeInBox(const LabelVolume& dense, const CtVolume& ct, const MarrowSearch& how) {
  Points points(ct.frame);
  LabelVolume band = image::dilate(closures(dense, ct, how, points), kBand_mm);
  forVoxels(ct.frame, [&](int, int, int, std::size_t v) {
    if (!dense.voxels[v] && ct.voxels[v] < kAir_hu) band.voxels[v] = 0;
  });
  scoreVoxels(dense, band, ct, how.soft_hu, points);
  LabelVolume out = trimap(dense, band, points);
  band = {};
  const image::Frame& frame = ct.frame;
  const double jump_hu = std::max(80.0, 1.5 * how.noise_hu), mean_mm = std::cbrt(frame.voxelVolume_mm3());
  const std::int64_t row = frame.size[0], slice = row * frame.size[1];
  constexpr int kFine = 5;  // the costs' parts of a part
  cutUndecided(out, {[&](std::int64_t v) { return kFine * int{points.voxels[static_cast<std::size_t>(v)]}; },
                     [&](std::int64_t a, std::int64_t b) {
                       const std::int64_t step = std::abs(a - b);
                       const double d =
                           (ct.voxels[static_cast<std::size_t>(a)] - ct.voxels[static_cast<std::size_t>(b)]) / jump_hu;
                       const double link = kLink * std::exp(-d * d / 2) + kLeast;
                       const double share = mean_mm / frame.spacing_mm[step == slice ? 2 : step == row ? 1 : 0];
                       return static_cast<int>(std::lround(kFine * kPart * share * link));
                     }});
  return out;
}

}  // namespace

LabelVolume wholeBone(const LabelVolume& dense, const CtVolume& ct, const MarrowSearch& how) {
  const image::Box box = image::boundingBox(dense);
  if (box.empty()) return dense;
  const double reach_mm = kBand_mm + how.closing_mm;
  const Vector3i margin = (reach_mm * ct.frame.spacing_mm.cwiseInverse()).array().ceil().cast<int>() + 2;
  const image::Box grown = box.grown(margin).within(ct.frame);
  CtVolume part = image::crop(ct, grown, -1000.0f);
  if (how.noise_hu > kNoisy_hu) part = image::gaussian(part, kSmooth * ct.frame.spacing_mm.minCoeff());
  const LabelVolume whole = wholeInBox(image::crop(dense, grown, std::uint16_t{0}), part, how);
  LabelVolume out(ct.frame);
  image::paste(whole, grown, out);
  return out;
}

}  // namespace osteo::segment
