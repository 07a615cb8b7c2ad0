#include "design_scaffold/insertion.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/blocks.h"
#include "design_scaffold/free_space.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

constexpr double kOnTheWay = 1.0 / 3;  // of the clearance is kept while the implant moves
constexpr double kField_mm = 0.4;      // voxels on which the body is looked at, or larger ones for large bodies
constexpr double kFieldVoxels = 1e7;
constexpr int kDirections = 600;  // about 8 degrees apart
constexpr int kFewPoints = 800, kManyPoints = 6000;
constexpr double kTolerance = 0.01;  // of goodness, within which directions are as good as one another
constexpr double kFree = 1e-3;       // below what is best, and yet as free
constexpr double kRadian = std::numbers::pi / 180;

double voxelFor(const LevelSet& body) {
  Eigen::Vector3i min, max;
  body.activeBox(min, max);
  const double box_mm3 = (max - min).cast<double>().prod() * std::pow(body.voxel_mm(), 3);
  return std::max({kField_mm, body.voxel_mm(), std::cbrt(box_mm3 / kFieldVoxels)});
}

openvdb::CoordBBox boxOf(const LevelSet& body, double voxel_mm) {
  Eigen::Vector3i min, max;
  body.activeBox(min, max);
  const double ratio = body.voxel_mm() / voxel_mm;
  openvdb::CoordBBox box;
  for (int axis = 0; axis < 3; ++axis) {
    box.min()[axis] = static_cast<int>(std::floor(min[axis] * ratio)) - 4;
    box.max()[axis] = static_cast<int>(std::ceil(max[axis] * ratio)) + 4;
  }
  return box;
}

/// The body where host and keep-outs leave it at rest.
LevelSet atRest(const Path& path, double voxel_mm) {
  const openvdb::CoordBBox box = boxOf(path.body, voxel_mm);
  const auto point = [voxel_mm](const openvdb::Coord& c) -> Vector3d {
    return Vector3d(c.x(), c.y(), c.z()) * voxel_mm;
  };
  const double band = 3 * voxel_mm;
  std::vector<KeepOut> all = path.keep_outs;
  all.push_back({"host", path.host, path.clearance_mm});
  for (KeepOut& one : all) one.shape = around(one.shape, {point(box.min()), point(box.max())}, one.distance_mm + band);
  return levelset::wrap(gridFromFunction(box, voxel_mm, band, [&](const Span& span) -> VoxelFunction {
    auto in_body = std::make_shared<Sampler>(path.body, span);
    auto to = std::make_shared<std::vector<Sampler>>();
    for (const KeepOut& one : all) to->emplace_back(one.shape, span);
    return [=, &all](const openvdb::Coord& ijk) {
      const Vector3d p = point(ijk);
      double value = (*in_body)(p);
      for (std::size_t n = 0; n < all.size(); ++n) value = std::max(value, all[n].distance_mm - (*to)[n](p));
      return value;
    };
  }));
}

/// Points of a level set's surface, in a fixed order, at most so many.
std::vector<Vector3d> surfacePoints(const LevelSet& level_set, std::size_t most) {
  std::vector<Vector3d> all;
  const double voxel = level_set.voxel_mm();
  for (auto value = level_set.grid().vdb->cbeginValueOn(); value; ++value)
    if (value.isVoxelValue() && *value <= 0 && *value > -voxel) {
      const openvdb::Coord c = value.getCoord();
      all.push_back(voxel * Vector3d(c.x(), c.y(), c.z()));
    }
  if (all.size() <= most) return all;
  std::vector<Vector3d> some(most);
  for (std::size_t n = 0; n < most; ++n) some[n] = all[n * all.size() / most];
  return some;
}

Vector3d turned(const Vector3d& direction, double by_rad, double around_rad) {
  const Vector3d side = direction.unitOrthogonal(), other = direction.cross(side);
  return (std::cos(by_rad) * direction +
          std::sin(by_rad) * (std::cos(around_rad) * side + std::sin(around_rad) * other))
      .normalized();
}

/// Looks for the way out of the body's points.
class Search {
 public:
  Search(const FreeSpace& space, const LevelSet& rest, double spare_mm, const Vector3d& outward)
      : space_(space), spare_(spare_mm), outward_(outward) {
    few_ = surfacePoints(rest, kFewPoints);
    many_ = surfacePoints(rest, kManyPoints);
  }

  Vector3d best() const {
    const std::vector<Vector3d> all = directionsAround(kDirections);
    std::vector<double> good(kDirections);
    core::parallelFor(kDirections, [&](std::int64_t n) { good[n] = goodness(few_, all[n]); });
    const double most = *std::max_element(good.begin(), good.end());
    std::vector<Vector3d> free;
    for (int n = 0; n < kDirections; ++n)
      if (good[n] > most - kFree) free.push_back(all[n]);
    const Vector3d chosen = middle(free);
    return most > 1 - kFree && goodness(few_, chosen) > 1 - kFree ? chosen : improved(all, good);
  }

  /// The same where the way of a similar body is known.
  Vector3d from(const Vector3d& out) const {
    const double good = goodness(few_, out);
    return good > 1 - kFree ? out : climbed(out, good).second;
  }

  double coneDegrees(const Vector3d& out) const {
    const double here = goodness(few_, out);
    double cone = 0;
    for (const double degrees : {0.5, 1., 2., 3., 5., 7., 10., 15., 20., 30., 45.}) {
      std::array<double, 8> around{};
      core::parallelFor(8, [&](std::int64_t n) {
        around[n] = goodness(few_, turned(out, degrees * kRadian, n * std::numbers::pi / 4));
      });
      if (*std::min_element(around.begin(), around.end()) < here - kTolerance) break;
      cone = degrees;
    }
    return cone;
  }

  /// Where the way is barred: means over cells of 10 mm, the one that bars most first.
  std::vector<Vector3d> barred(const Vector3d& out) const {
    constexpr double kCell_mm = 10;
    constexpr std::size_t kPlaces = 3;
    std::map<std::array<int, 3>, std::pair<int, Vector3d>> cells;
    for (const Vector3d& p : many_) {
      const FreeSpace::Ray ray = space_.trace(p, out);
      if (ray.least_mm >= 0) continue;
      const Eigen::Array3i at = (ray.at_mm.array() / kCell_mm).floor().cast<int>();
      auto& [count, sum] = cells.try_emplace({at[0], at[1], at[2]}, 0, Vector3d::Zero()).first->second;
      ++count;
      sum += ray.at_mm;
    }
    std::vector<std::pair<int, Vector3d>> places;
    for (const auto& [cell, place] : cells) places.push_back(place);
    std::stable_sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<Vector3d> middles;
    for (std::size_t n = 0; n < std::min(kPlaces, places.size()); ++n)
      middles.emplace_back(places[n].second / places[n].first);
    return middles;
  }

 private:
  /// 1 when every point keeps what is spared at rest all along the way; less the deeper obstacles are met.
  double goodness(const std::vector<Vector3d>& points, const Vector3d& out) const {
    double sum = 0;
    for (const Vector3d& p : points) {
      const double start = space_(p), least = space_.trace(p, out).least_mm;
      // Points that already stand closer aren't the direction's fault.
      const double kept = std::max(0.0, std::min(spare_, start));
      sum += std::clamp((least + FreeSpace::kFar_mm) / (kept + FreeSpace::kFar_mm), 0.0, 1.0);
    }
    return points.empty() ? 1 : sum / static_cast<double>(points.size());
  }

  /// The mean of free directions, or where they lie all around, the one with most others within 30 degrees.
  Vector3d middle(const std::vector<Vector3d>& free) const {
    Vector3d sum = Vector3d::Zero();
    for (const Vector3d& d : free) sum += d;
    if (sum.norm() > 0.5 * static_cast<double>(free.size())) return sum.normalized();
    double most = -1;
    Vector3d chosen = free.front();
    for (const Vector3d& d : free) {
      double near = 0.5 * d.dot(outward_);
      for (const Vector3d& other : free) near += d.dot(other) > std::cos(30 * kRadian) ? 1 : 0;
      if (near > most) most = near, chosen = d;
    }
    return chosen;
  }

  /// The best few directions, each turned by ever smaller angles while that helps.
  Vector3d improved(const std::vector<Vector3d>& all, const std::vector<double>& good) const {
    constexpr int kStarts = 6;
    std::vector<int> order(all.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return good[a] > good[b]; });
    std::array<std::pair<double, Vector3d>, kStarts> ends;
    core::parallelFor(kStarts, [&](std::int64_t n) { ends[n] = climbed(all[order[n]], good[order[n]]); });
    const auto best = std::max_element(ends.begin(), ends.end(), [&](const auto& a, const auto& b) {
      return a.first + 1e-3 * a.second.dot(outward_) < b.first + 1e-3 * b.second.dot(outward_);
    });
    return best->second;
  }

  std::pair<double, Vector3d> climbed(Vector3d out, double good) const {
    for (double degrees = 6; degrees > 0.3; degrees /= 2)
      for (bool better = true; better;) {
        better = false;
        const Vector3d from = out;
        for (int n = 0; n < 8; ++n) {
          const Vector3d way = turned(from, degrees * kRadian, n * std::numbers::pi / 4);
          const double there = goodness(few_, way);
          if (there > good + 1e-4) good = there, out = way, better = true;
        }
      }
    return {good, out};
  }

  const FreeSpace& space_;
  double spare_;
  Vector3d outward_;
  std::vector<Vector3d> few_, many_;
};

/// Places from which the way out is barred, around the body.
LevelSet barrierOf(const FreeSpace& space, const LevelSet& rest, const Vector3d& out) {
  const double voxel = rest.voxel_mm(), band = 3 * voxel;
  openvdb::CoordBBox box = rest.grid().vdb->evalActiveVoxelBoundingBox();
  box.expand(2);
  core::Progress progress("the way in", 1);
  const auto grid = gridFromFunction(box, voxel, band, [&](const Span& span) -> VoxelFunction {
    auto in_body = std::make_shared<Sampler>(rest, span);
    return [=, &space](const openvdb::Coord& ijk) {
      const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
      return (*in_body)(p) > 2 * voxel ? band : space.trace(p, out).least_mm;
    };
  });
  return levelset::wrap(sweep(*grid, band, band));
}

/// Where body and barrier overlap.
LevelSet overlapOf(const LevelSet& rest, const LevelSet& barrier) {
  const double voxel = rest.voxel_mm(), band = 3 * voxel;
  return levelset::wrap(gridFromFunction(boxOf(rest, voxel), voxel, band, [&](const Span& span) -> VoxelFunction {
    auto in_body = std::make_shared<Sampler>(rest, span), in_barrier = std::make_shared<Sampler>(barrier, span);
    return [=](const openvdb::Coord& ijk) {
      const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
      return std::max((*in_body)(p), (*in_barrier)(p));
    };
  }));
}

Vector3d centreOf(const LevelSet& level_set) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  return 0.5 * level_set.voxel_mm() * (min + max).cast<double>();
}

/// A body at rest and the space it moves through.
struct Scene {
  explicit Scene(const Path& path)
      : rest(restOf(path)),
        space(rest, passing(path)),
        search(space, rest, (1 - kOnTheWay) * path.clearance_mm, away(path)) {}
  LevelSet rest;
  FreeSpace space;
  Search search;

 private:
  static LevelSet restOf(const Path& path) {
    LevelSet rest = atRest(path, voxelFor(path.body));
    if (!rest.empty()) return rest;
    throw core::Error(core::Exit::DataError,
                      {.what = "nothing of the defect is left beside host and keep-outs",
                       .expected = fmt::format("room beyond a clearance of {} mm", path.clearance_mm),
                       .hint = "lower --clearance-mm or --keep-out-mm, or check that defect and host belong together"});
  }
  static std::vector<KeepOut> passing(const Path& path) {
    std::vector<KeepOut> all = path.keep_outs;
    all.push_back({"host", path.host, kOnTheWay * path.clearance_mm});
    return all;
  }
  static Vector3d away(const Path& path) {
    const Vector3d from = centreOf(path.body) - centreOf(path.host);
    return from.norm() > 1e-6 ? Vector3d(from.normalized()) : Vector3d::UnitZ();
  }
};

}  // namespace

Vector3d freestWayIn(const Path& path) { return path.wanted ? *path.wanted : Vector3d(-Scene(path).search.best()); }

Insertion findInsertion(const Path& path) {
  const Scene scene(path);
  const Vector3d out = path.wanted  ? Vector3d(-*path.wanted)
                       : path.start ? scene.search.from(-*path.start)
                                    : scene.search.best();
  Insertion insertion;
  insertion.direction = -out;
  insertion.cone_deg = scene.search.coneDegrees(out);
  insertion.barred_at_mm = scene.search.barred(out);
  insertion.barrier = barrierOf(scene.space, scene.rest, out);
  insertion.blocked = overlapOf(scene.rest, insertion.barrier);
  insertion.body_mm3 = levelset::measureSurface(scene.rest).volume_mm3;
  insertion.blocked_mm3 = levelset::measureSurface(insertion.blocked).volume_mm3;
  return insertion;
}

void requireWayIn(const Insertion& insertion, double most_percent) {
  if (100 * insertion.blockedShare() <= most_percent) return;
  std::string places;
  for (const Vector3d& p : insertion.barred_at_mm)
    places += fmt::format("{}({:.1f}, {:.1f}, {:.1f})", places.empty() ? "" : ", ", p.x(), p.y(), p.z());
  const Vector3d& way = insertion.direction;
  throw core::Error(
      core::Exit::DataError,
      {.what = "the implant can't be pushed in: no straight way is free",
       .expected = fmt::format("at most {:.3g} % of it to trim (--most-trimmed-percent)", most_percent),
       .got = fmt::format("{:.0f} % along ({:.2f}, {:.2f}, {:.2f}), barred at LPS {} mm",
                          100 * insertion.blockedShare(), way.x(), way.y(), way.z(), places.empty() ? "?" : places),
       .hint = "widen the opening in the host, design in two parts, or --insertion none; --most-trimmed-percent 100 "
               "--picture FILE.png shows what is barred"});
}

double leastGapOnTheWay_mm(const LevelSet& solid, const LevelSet& host, const Vector3d& direction) {
  constexpr std::size_t kPoints = 40000;
  const std::vector<Vector3d> points = surfacePoints(solid, kPoints);
  const FreeSpace space(solid, {{"host", host, 0.0}});
  std::vector<double> least(points.size());
  core::parallelFor(static_cast<std::int64_t>(points.size()),
                    [&](std::int64_t n) { least[n] = space.trace(points[n], -direction).least_mm; });
  return points.empty() ? FreeSpace::kFar_mm : *std::min_element(least.begin(), least.end());
}

}  // namespace osteo::design_scaffold
