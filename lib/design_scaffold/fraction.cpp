#include "design_scaffold/fraction.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/blocks.h"
#include "design_scaffold/solid.h"

namespace osteo::design_scaffold {
namespace {

using openvdb::Coord;

constexpr double kMaxShift_voxels = 0.5;
constexpr double kPoints = 3e6;
constexpr int kBins = 120;  // over ±1.5 steps of distance, more than shift and share together reach

/// Core samples by their distance to the lattice's surface.
struct Count {
  std::array<double, kBins> near{};
  double deep = 0, core = 0, wanted = 0;
  void add(const Count& other) {
    for (int n = 0; n < kBins; ++n) near[n] += other.near[n];
    deep += other.deep;
    core += other.core;
    wanted += other.wanted;
  }
  /// Solid samples once the surface is moved outwards, in steps.
  double solid(double shift) const {
    double sum = deep;
    for (int n = 0; n < kBins; ++n) sum += near[n] * std::clamp(0.5 + shift - ((n + 0.5) * 3 / kBins - 1.5), 0.0, 1.0);
    return sum;
  }
};

Count countBlock(const Envelope& envelope, const Infill& infill, double step, const Coord& lowest) {
  const auto point = [&](const Coord& ijk) -> Eigen::Vector3d {
    return Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()) * step;
  };
  const Body body(envelope, {point(lowest), point(lowest.offsetBy(kBlock - 1))});
  Count count;
  if (body.envelope_mm(point(lowest.offsetBy(kBlock / 2))) > 0.9 * kBlock * step) return count;
  for (int x = 0; x < kBlock; ++x)
    for (int y = 0; y < kBlock; ++y)
      for (int z = 0; z < kBlock; ++z) {
        const Eigen::Vector3d p = point(lowest.offsetBy(x, y, z));
        const double outside = std::max(body.envelope_mm(p), -body.skin_mm(p));
        const double weight = std::clamp(0.5 - outside / step, 0.0, 1.0);
        if (weight <= 0) continue;
        const double d = infill.distance_mm(p) / step;
        count.core += weight;
        count.wanted += weight * infill.fraction(p);
        if (d < -1.5)
          count.deep += weight;
        else if (d < 1.5)
          count.near[std::min(kBins - 1, static_cast<int>((d + 1.5) * kBins / 3))] += weight;
      }
  return count;
}

}  // namespace

double surfaceShift_mm(const Envelope& envelope, const Infill& infill, double voxel_mm) {
  Eigen::Vector3i min, max;
  envelope.defect.activeBox(min, max);
  const Eigen::Vector3d extent = (max - min + Eigen::Vector3i::Ones()).cast<double>() * envelope.defect.voxel_mm();
  const double step =
      std::clamp(std::cbrt(extent.prod() / kPoints), voxel_mm, std::max(voxel_mm, infill.smallestCell_mm() / 12));
  const double ratio = envelope.defect.voxel_mm() / step;
  const auto scaled = [&](const Eigen::Vector3i& ijk, int margin) {
    return Coord(static_cast<int>(std::floor(ijk.x() * ratio)) + margin,
                 static_cast<int>(std::floor(ijk.y() * ratio)) + margin,
                 static_cast<int>(std::floor(ijk.z() * ratio)) + margin);
  };
  const BlockRange range = blocksOver(openvdb::CoordBBox(scaled(min, -1), scaled(max, 1)));
  constexpr std::int64_t kChunk = 8;
  std::vector<Count> counts(static_cast<std::size_t>((range.size() + kChunk - 1) / kChunk));
  core::Progress progress("share of solid", range.size());
  core::parallelChunks(range.size(), kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t chunk) {
    for (std::int64_t block = first; block < last; ++block) {
      counts[static_cast<std::size_t>(chunk)].add(countBlock(envelope, infill, step, range.lowest(block)));
      progress.advance();
    }
  });
  Count total;
  for (const Count& count : counts) total.add(count);
  if (total.core <= 0) return 0;
  const double most = kMaxShift_voxels * voxel_mm / step;
  double low = -most, high = most;
  for (int round = 0; round < 40; ++round) {
    const double middle = 0.5 * (low + high);
    (total.solid(middle) < total.wanted ? low : high) = middle;
  }
  return 0.5 * (low + high) * step;
}

}  // namespace osteo::design_scaffold
