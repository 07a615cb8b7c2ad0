#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "image/filters.h"
#include "segment/defect_candidates.h"
#include "segment/geodesic.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;
using image::LabelVolume;

namespace {

constexpr double kLeast_mm = 2.2, kMost_mm = 22;    ///< radius of a cavity
constexpr double kBelow_hu = 150, kAbove_hu = 350;  ///< of soft tissue: what lies beyond tells no more
constexpr double kStep_mm = 0.5, kLeastScore = 0.05;

/// The middle of a dark place and about how wide it is.
struct Seed {
  Vector3d centre_mm;
  double radius_mm, response_hu;
};

/// Means over the bone near each voxel: what is no bone has no say.
image::CtVolume meanOver(const image::CtVolume& hu, const LabelVolume& bone, double sigma_mm) {
  image::CtVolume weight(hu.frame), value(hu.frame);
  for (std::size_t v = 0; v < hu.voxels.size(); ++v)
    weight.voxels[v] = bone.voxels[v] ? 1.f : 0.f, value.voxels[v] = bone.voxels[v] ? hu.voxels[v] : 0.f;
  value = image::gaussian(value, sigma_mm), weight = image::gaussian(weight, sigma_mm);
  for (std::size_t v = 0; v < hu.voxels.size(); ++v) value.voxels[v] /= std::max(weight.voxels[v], 1e-3f);
  return value;
}

/// Places that are darker than the bone around them, at several widths, the clearest first.
std::vector<Seed> seedsOf(const BoneScan& scan) {
  constexpr double kGrid_mm = 1.7, kLarge_mm = 2.6, kLarge = 4e6;  // of many voxels: for time's and memory's sake
  WorkGrid grid(scan, static_cast<double>(scan.ct.frame.voxelCount()) > kLarge ? kLarge_mm : kGrid_mm);
  const LabelVolume& inside = grid.inside;
  constexpr std::size_t kMostSeeds = 150;
  grid.bone = {};
  image::CtVolume hu = std::move(grid.ct);
  for (float& value : hu.voxels)
    value = std::clamp<float>(value, static_cast<float>(scan.soft_hu - kBelow_hu),
                              static_cast<float>(scan.soft_hu + kAbove_hu));
  std::vector<Seed> out;
  image::CtVolume narrow = meanOver(hu, inside, 1.5);
  for (double sigma_mm = 1.5; sigma_mm < 10; sigma_mm *= 1.5) {
    image::CtVolume wide = meanOver(hu, inside, 1.5 * sigma_mm);
    const auto response = [&](std::int64_t v) {
      return wide.voxels[static_cast<std::size_t>(v)] - narrow.voxels[static_cast<std::size_t>(v)];
    };
    for (std::int64_t v = 0; v < hu.frame.voxelCount(); ++v) {
      if (!inside.voxels[static_cast<std::size_t>(v)] || response(v) < 10) continue;
      bool top = true;
      image::forFaceNeighbours(hu.frame, v, [&](std::int64_t to) {
        top = top && (response(to) < response(v) || (response(to) == response(v) && to > v));
      });
      if (top) out.push_back({hu.frame.centre(v), 1.6 * sigma_mm, response(v)});
    }
    narrow = std::move(wide);
  }
  std::stable_sort(out.begin(), out.end(), [](const Seed& a, const Seed& b) { return a.response_hu > b.response_hu; });
  if (out.size() > kMostSeeds) out.resize(kMostSeeds);
  return out;
}

/// A place whose wall lies once in each direction.
struct Star {
  Vector3d centre_mm;
  std::vector<double> radius_mm;  ///< by direction
  double edge_hu = 0;             ///< of the wall, in the weakest quarter of directions
  double mean_mm = 0;
};

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

/// Finds walls about seeds.
class Walls {
 public:
  Walls(const BoneScan& scan, const LabelVolume& inside, int fineness)
      : scan_(scan), inside_(inside), all_(geodesic(fineness)) {}

  const Geodesic& all() const { return all_; }

  /// HU along a ray from its start, one value a step; it ends where bone does.
  std::vector<double> ray(const Vector3d& from_mm, const Vector3d& direction, double length_mm) const {
    std::vector<double> out;
    const image::Frame &fine = scan_.ct.frame, &coarse = inside_.frame;
    Vector3d at = fine.toIndex(from_mm), cell = coarse.toIndex(from_mm) + Vector3d::Constant(0.5);
    const Vector3d turned = kStep_mm * (fine.direction.transpose() * direction);
    const Vector3d step = turned.cwiseQuotient(fine.spacing_mm), cell_step = turned.cwiseQuotient(coarse.spacing_mm);
    for (double r = 0; r <= length_mm; r += kStep_mm, at += step, cell += cell_step) {
      const Vector3i v = cell.array().floor().cast<int>();
      if (!inside_.contains(v[0], v[1], v[2]) || !inside_.at(v[0], v[1], v[2])) break;
      const double hu = image::sampleLinear(scan_.ct, at, -1000);
      out.push_back(std::clamp(hu, scan_.soft_hu - kBelow_hu, scan_.soft_hu + kAbove_hu));
    }
    return out;
  }

  /// The wall about a place: the nearest radius that most directions agree on, then each direction's own near it.
  Star about(const Vector3d& centre_mm, double low, double high, int turns) const {
    Star out;
    out.centre_mm = centre_mm;
    for (int turn = 0; turn < turns; ++turn) {
      const double wall_mm = std::clamp(0.3 * low, 1.0, 2.5);
      low = std::max(kLeast_mm, low), high = std::min(kMost_mm, high);
      const std::vector<std::vector<double>> edges = edgesAbout(out.centre_mm, high * 1.25, wall_mm);
      if (edges.empty() || !agreed(edges, low, high, out)) return {};
      place(edges, out);
      if (turn + 1 == turns) break;
      Vector3d shift = Vector3d::Zero();
      for (std::size_t n = 0; n < all_.directions.size(); ++n)
        shift += out.radius_mm[n] * all_.directions[n] / static_cast<double>(all_.directions.size());
      out.centre_mm += 1.5 * shift;
      low = 0.7 * out.mean_mm, high = 1.3 * out.mean_mm;
    }
    return out;
  }

 private:
  bool agreed(const std::vector<std::vector<double>>& edges, double low, double high, Star& out) const {
    constexpr double kEnough = 0.6;  // of the clearest wall: the dense shell of a bone is clearer than what lies in it
    std::vector<double> clear;
    for (double r = low; r <= high; r += kStep_mm) {
      std::vector<double> here;
      here.reserve(edges.size());
      for (const auto& e : edges) here.push_back(best(e, 0.85 * r, 1.15 * r).first);
      clear.push_back(quantile(std::move(here), 0.25));
    }
    if (clear.empty()) return false;
    const double most = *std::max_element(clear.begin(), clear.end());
    if (most <= 0) return false;
    std::size_t n = 0;
    while (clear[n] < kEnough * most || (n + 1 < clear.size() && clear[n + 1] > clear[n])) ++n;
    out.edge_hu = clear[n], out.mean_mm = low + static_cast<double>(n) * kStep_mm;
    return true;
  }

  /// By direction and step, how much denser it is beyond than before.
  std::vector<std::vector<double>> edgesAbout(const Vector3d& centre, double length_mm, double wall_mm) const {
    const int w = std::max(1, static_cast<int>(std::lround(wall_mm / kStep_mm)));
    std::vector<std::vector<double>> out;
    for (const Vector3d& d : all_.directions) {
      const std::vector<double> hu = ray(centre, d, length_mm + wall_mm);
      if (hu.empty()) return {};
      std::vector<double> sum(1, 0.0), edge;
      for (const double h : hu) sum.push_back(sum.back() + h);
      const int n = static_cast<int>(hu.size());
      for (int r = 0; r < n; ++r) {
        const int a = std::max(0, r - w), b = std::min(n, r + w);
        const auto mean = [&](int from, int to) {
          return (sum[static_cast<std::size_t>(to)] - sum[static_cast<std::size_t>(from)]) / std::max(1, to - from);
        };
        edge.push_back(r < w || b <= r ? 0 : mean(r, b) - mean(a, r));
      }
      out.push_back(std::move(edge));
    }
    return out;
  }

  /// The strongest edge in a range of radii, and where.
  static std::pair<double, double> best(const std::vector<double>& edge, double from_mm, double to_mm) {
    std::pair<double, double> out{0, 0.5 * (from_mm + to_mm)};
    const int last = std::min(static_cast<int>(edge.size()) - 1, static_cast<int>(to_mm / kStep_mm));
    for (int r = static_cast<int>(from_mm / kStep_mm); r <= last; ++r) {
      if (edge[static_cast<std::size_t>(r)] > out.first) out = {edge[static_cast<std::size_t>(r)], r * kStep_mm};
    }
    return out;
  }

  void place(const std::vector<std::vector<double>>& edges, Star& star) const {
    std::vector<double> radius;
    for (const auto& e : edges) radius.push_back(best(e, 0.7 * star.mean_mm, 1.35 * star.mean_mm).second);
    for (int pass = 0; pass < 2; ++pass) {
      star.radius_mm = radius;
      for (std::size_t n = 0; n < radius.size(); ++n) {
        std::vector<double> near{radius[n]};
        for (const int m : all_.neighbours[n]) near.push_back(radius[static_cast<std::size_t>(m)]);
        star.radius_mm[n] = quantile(near, 0.5);
      }
      radius = star.radius_mm;
    }
    star.mean_mm = std::accumulate(radius.begin(), radius.end(), 0.0) / static_cast<double>(radius.size());
  }

  const BoneScan& scan_;
  const LabelVolume& inside_;
  Geodesic all_;
};

/// HU on either side of a star's wall, one value a direction, and within it.
struct Sides {
  std::vector<double> within, before, wall, beyond;  ///< fewer beyond where bone ends near the wall

  Sides(const BoneScan& scan, const Walls& walls, const Star& star) {
    for (std::size_t n = 0; n < star.radius_mm.size(); ++n) {
      const double r = star.radius_mm[n];
      const std::vector<double> hu = walls.ray(star.centre_mm, walls.all().directions[n], r + 5);
      const auto step = [](double mm) { return static_cast<std::size_t>(std::max(0.0, mm) / kStep_mm); };
      const auto mean = [&](double from_mm, double to_mm) {
        double sum = 0, count = 0;
        for (std::size_t i = step(from_mm); i < std::min(hu.size(), step(to_mm)); ++i) sum += hu[i], count += 1;
        return count > 0 ? sum / count : NAN;
      };
      for (std::size_t i = 0; i < std::min(hu.size(), step(r - 1)); ++i) within.push_back(hu[i]);
      const double low = mean(r - 2.5, r - 0.5), high = mean(r + 0.5, r + 2), far = mean(r + 3, r + 5);
      before.push_back(low == low ? low : scan.soft_hu), wall.push_back(high == high ? high : scan.soft_hu);
      if (far == far) beyond.push_back(far);
    }
  }
};

/// How much a star looks like a cavity: a wall of one height all around, round, soft inside (neither fatty marrow,
/// which reaches up to the cortex, nor sparse bone nor air), with bone beyond the wall that is no darker. Limits set by
/// hand on 126 phantom scenes (phantom cases, seeds 310 and 333) and eight real scans without lesions.
double scoreOf(const BoneScan& scan, const Walls& walls, const Star& star) {
  const Sides sides(scan, walls, star);
  if (sides.beyond.empty() || sides.within.empty()) return 0;
  const double soft =
      std::accumulate(sides.within.begin(), sides.within.end(), 0.0) / static_cast<double>(sides.within.size()) -
      scan.soft_hu;
  std::vector<double> rise;
  for (std::size_t n = 0; n < sides.wall.size(); ++n) rise.push_back(sides.wall[n] - sides.before[n]);
  const double contrast = quantile(rise, 0.5), weakest = quantile(rise, 0.05) / std::max(contrast, 20.0);
  const double clear = star.edge_hu / std::max(8.0, scan.noise_hu);
  return beyond(weakest, 0.62, 0.03) * beyond(clear + 4 * (weakest - 0.62), 3.2, 0.2) * beyond(soft, 80, -6) *
         beyond(soft, -95, 4) * beyond(contrast, 150, 10) *
         beyond(quantile(star.radius_mm, 0.95) / std::max(quantile(star.radius_mm, 0.05), 1.0), 1.65, -0.05) *
         beyond(static_cast<double>(sides.beyond.size()) / static_cast<double>(sides.wall.size()), 0.45, 0.03) *
         beyond(quantile(sides.beyond, 0.5) - quantile(sides.wall, 0.5), -50, 5);
}

/// The scan's voxels inside a star.
std::vector<std::int64_t> voxelsOf(const image::Frame& frame, const Geodesic& all, const Star& star) {
  const double reach = *std::max_element(star.radius_mm.begin(), star.radius_mm.end());
  const Vector3d middle = frame.toIndex(star.centre_mm), half = frame.spacing_mm.cwiseInverse() * reach;
  const Vector3i low = (middle - half).array().floor().cast<int>().max(0),
                 high = (middle + half).array().ceil().cast<int>().min(frame.size.array() - 1);
  std::vector<std::int64_t> out;
  int near = 0;
  for (int k = low[2]; k <= high[2]; ++k) {
    for (int j = low[1]; j <= high[1]; ++j) {
      for (int i = low[0]; i <= high[0]; ++i) {
        const Vector3d way = frame.toWorld(Vector3d(i, j, k)) - star.centre_mm;
        const double r = way.norm();
        if (r > reach) continue;
        if (r > 1e-9) near = all.nearest(way / r, near);
        // Between directions: the mean of the nearest and its neighbours by how near they are.
        double sum = 0, weight = 0;
        const auto take = [&](int n) {
          const double c = r > 1e-9 ? all.directions[static_cast<std::size_t>(n)].dot(way / r) : 1;
          const double w = std::max(0.0, c - 0.9) + 1e-6;
          sum += w * star.radius_mm[static_cast<std::size_t>(n)], weight += w;
        };
        take(near);
        for (const int n : all.neighbours[static_cast<std::size_t>(near)]) take(n);
        if (r <= sum / weight) out.push_back(i + std::int64_t{frame.size[0]} * (j + std::int64_t{frame.size[1]} * k));
      }
    }
  }
  return out;
}

}  // namespace

std::vector<DefectCandidate> cavities(const BoneScan& scan, const WorkGrid& grid) {
  const Walls few(scan, grid.inside, 1), walls(scan, grid.inside, 2);
  const std::vector<Seed> seeds = seedsOf(scan);
  std::vector<Star> stars(seeds.size());
  core::parallelFor(static_cast<std::int64_t>(seeds.size()), [&](std::int64_t n) {
    const Seed& seed = seeds[static_cast<std::size_t>(n)];
    stars[static_cast<std::size_t>(n)] = few.about(seed.centre_mm, 0.5 * seed.radius_mm, 2.2 * seed.radius_mm, 3);
  });
  std::stable_sort(stars.begin(), stars.end(), [](const Star& a, const Star& b) { return a.edge_hu > b.edge_hu; });
  std::vector<Star> kept;
  for (Star& star : stars) {
    if (star.radius_mm.empty() || kept.size() >= 40) break;
    if (std::none_of(kept.begin(), kept.end(), [&](const Star& k) {
          return (k.centre_mm - star.centre_mm).norm() < 0.6 * std::max(k.mean_mm, star.mean_mm) &&
                 std::abs(std::log(k.mean_mm / star.mean_mm)) < 0.4;
        }))
      kept.push_back(std::move(star));
  }
  core::parallelFor(static_cast<std::int64_t>(kept.size()), [&](std::int64_t n) {
    Star& star = kept[static_cast<std::size_t>(n)];
    star = walls.about(star.centre_mm, 0.75 * star.mean_mm, 1.3 * star.mean_mm, 2);
  });
  std::vector<DefectCandidate> out;
  for (const Star& star : kept) {
    if (star.radius_mm.empty()) continue;
    const double score = scoreOf(scan, walls, star);
    if (score > kLeastScore) out.push_back({score, voxelsOf(scan.ct.frame, walls.all(), star)});
  }
  return out;
}

}  // namespace osteo::segment
