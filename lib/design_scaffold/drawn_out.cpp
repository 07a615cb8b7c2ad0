#include "design_scaffold/drawn_out.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>

#include "core/parallel.h"
#include "design_scaffold/blocks.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

constexpr double kCoarse_mm = 1.5;  // voxels of the bone that ways out are compared in
constexpr double kRayStep_mm = 1.0;
constexpr int kDirections = 600, kPoints = 600;
constexpr double kOutside = 0.05;  // of bone that looking inwards counts for

Span spanOf(const LevelSet& level_set, double margin_mm) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  const Vector3d margin = Vector3d::Constant(margin_mm);
  return {min.cast<double>() * level_set.voxel_mm() - margin, max.cast<double>() * level_set.voxel_mm() + margin};
}

bool contains(const Span& span, const Vector3d& p) {
  return (p.array() >= span.low_mm.array()).all() && (p.array() <= span.high_mm.array()).all();
}

/// A patch of a surface: its area stands along its normal.
struct Patch {
  Vector3d at_mm, area_mm2;
};

/// Some triangles of the lesion's surface, moved out by the margin; each stands for all of those it was taken from.
std::vector<Patch> patchesOf(const Lesion& lesion, double margin_mm) {
  const std::vector<Vector3d>& vertices = lesion.surface.vertices;
  const std::vector<mesh::Triangle>& triangles = lesion.surface.triangles;
  std::vector<Patch> patches;
  const std::size_t step = std::max<std::size_t>(1, triangles.size() / kPoints);
  for (std::size_t n = 0; n < triangles.size(); n += step) {
    const Vector3d &a = vertices[triangles[n][0]], &b = vertices[triangles[n][1]], &c = vertices[triangles[n][2]];
    const Vector3d area = 0.5 * static_cast<double>(step) * (b - a).cross(c - a);
    patches.push_back({(a + b + c) / 3 + margin_mm * area.normalized(), area});
  }
  return patches;
}

/// How much bone lies beyond the patches along a direction, mm³.
double boneBeyond(const std::vector<Patch>& patches, const Sampler& bone, const Span& box, const Vector3d& way) {
  double sum = 0;
  for (const Patch& patch : patches) {
    const double facing = patch.area_mm2.dot(way);
    if (facing <= 0) continue;
    double length = 0;
    for (Vector3d p = patch.at_mm; contains(box, p); p += kRayStep_mm * way) length += bone(p) < 0 ? kRayStep_mm : 0;
    sum += facing * length;
  }
  return sum;
}

/// How far a point's way along a direction goes until it has left a box for good.
double wayOutOf(const Span& box, const Vector3d& from, const Vector3d& way) {
  double least = std::numeric_limits<double>::infinity();
  for (int axis = 0; axis < 3; ++axis) {
    if (std::abs(way[axis]) < 1e-9) continue;
    const double face = way[axis] > 0 ? box.high_mm[axis] : box.low_mm[axis];
    least = std::min(least, std::max(0.0, (face - from[axis]) / way[axis]));
  }
  return std::isfinite(least) ? least : 0;
}

/// All places that a solid passes when it is moved along a unit vector by `by_mm`: the union of its places has the
/// least of their distances.
LevelSet drawn(const LevelSet& solid, const Vector3d& along, double by_mm) {
  const double voxel = solid.voxel_mm(), band = levelset::kHalfWidth_voxels * voxel;
  const Span own = spanOf(solid, band);
  const Sampler in_solid(solid, own);
  const Vector3d low = own.low_mm.cwiseMin(own.low_mm + by_mm * along),
                 high = own.high_mm.cwiseMax(own.high_mm + by_mm * along);
  openvdb::CoordBBox box;
  for (int axis = 0; axis < 3; ++axis) {
    box.min()[axis] = static_cast<int>(std::floor(low[axis] / voxel));
    box.max()[axis] = static_cast<int>(std::ceil(high[axis] / voxel));
  }
  const auto grid = gridFromFunction(box, voxel, band, [&](const Span&) -> VoxelFunction {
    return [&](const openvdb::Coord& ijk) {
      const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
      double least = band;
      for (double back = 0; back <= by_mm && least > -band;) {
        const Vector3d q = p - back * along;
        const double here = contains(own, q) ? in_solid(q) : band;
        least = std::min(least, here);
        back += std::max(here - least, 0.25 * voxel);
      }
      return least;
    };
  });
  LevelSet out = levelset::wrap(sweep(*grid, band, band));
  if (!solid.frameId().empty()) out.setMeta("frame_id", solid.frameId());
  return out;
}

}  // namespace

Vector3d leastBoneWayOut(const Lesion& lesion, double margin_mm, const LevelSet& bone) {
  const LevelSet coarse = levelset::resample(bone, std::max(kCoarse_mm, bone.voxel_mm()));
  const Span box = spanOf(coarse, 0);
  const Sampler in_bone(coarse, box);
  const std::vector<Patch> patches = patchesOf(lesion, margin_mm);
  Vector3d middle = Vector3d::Zero();
  for (const Patch& patch : patches) middle += patch.at_mm / static_cast<double>(patches.size());
  const Vector3d outside = (middle - 0.5 * (box.low_mm + box.high_mm)).normalized();
  double whole = 0;
  for (const Patch& patch : patches) whole += patch.area_mm2.norm() * margin_mm / 6;
  const auto cost = [&](const Vector3d& way) {
    return boneBeyond(patches, in_bone, box, way) + kOutside * whole * (1 - way.dot(outside));
  };
  const auto bestOf = [&](const std::vector<Vector3d>& ways) {
    std::vector<double> costs(ways.size());
    core::parallelFor(static_cast<std::int64_t>(ways.size()), [&](std::int64_t n) { costs[n] = cost(ways[n]); });
    return ways[std::min_element(costs.begin(), costs.end()) - costs.begin()];
  };
  Vector3d best = bestOf(directionsAround(kDirections));
  for (const double step : {0.07, 0.035, 0.017}) {
    const Vector3d x = best.unitOrthogonal(), y = best.cross(x);
    std::vector<Vector3d> ways{best};
    for (int n = 0; n < 8; ++n) {
      const double turn = n * std::numbers::pi / 4;
      ways.emplace_back((best + step * (std::cos(turn) * x + std::sin(turn) * y)).normalized());
    }
    best = bestOf(ways);
  }
  return best;
}

Region regionDrawnOut(const Lesion& lesion, double margin_mm, const LevelSet& bone, const Vector3d& access) {
  const Span box = spanOf(bone, 0), own = spanOf(lesion.solid, margin_mm);
  double out_mm = 0;  // every corner of what is taken out has to be beyond the bone
  for (int corner = 0; corner < 8; ++corner) {
    Vector3d p;
    for (int axis = 0; axis < 3; ++axis) p[axis] = corner >> axis & 1 ? own.high_mm[axis] : own.low_mm[axis];
    out_mm = std::max(out_mm, wayOutOf(box, p, access));
  }
  auto grown = std::make_shared<Lesion>();
  grown->solid = drawn(lesion.solid, access, out_mm);
  grown->surface = levelset::toMesh(grown->solid);
  Region region = regionAround(*grown, margin_mm);
  region.distance_mm = [grown, distance = std::move(region.distance_mm)](const Vector3d& p) { return distance(p); };
  region.access = access;
  return region;
}

}  // namespace osteo::design_scaffold
