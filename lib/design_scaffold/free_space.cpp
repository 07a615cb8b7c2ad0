#include "design_scaffold/free_space.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "design_scaffold/blocks.h"
#include "image/distance.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

constexpr double kAround_mm = 6.0;  // the fine field reaches this far beyond the body
constexpr double kFine_mm = 0.3;    // its voxels, or larger ones for large bodies
constexpr double kCoarse_mm = 1.0;  // those of the coarse field
constexpr double kFineVoxels = 1.6e7, kCoarseVoxels = 4e6;
constexpr double kLeastStep_mm = 0.2;

Span boxOf(const LevelSet& level_set, double margin_mm) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  return {min.cast<double>() * level_set.voxel_mm() - Vector3d::Constant(margin_mm),
          max.cast<double>() * level_set.voxel_mm() + Vector3d::Constant(margin_mm)};
}

double voxelFor(const Span& span, double wanted_mm, double most_voxels) {
  return std::max(wanted_mm, std::cbrt((span.high_mm - span.low_mm).prod() / most_voxels));
}

}  // namespace

FreeSpace::Field::Field(const Span& span, double voxel) : low_mm(span.low_mm), voxel_mm(voxel) {
  size = ((span.high_mm - span.low_mm) / voxel_mm).array().ceil().cast<int>() + 1;
  values.assign(static_cast<std::size_t>(size[0]) * size[1] * size[2], static_cast<float>(kFar_mm));
}

bool FreeSpace::Field::contains(const Vector3d& p) const {
  const Eigen::Array3d at = (p - low_mm).array() / voxel_mm;
  return at.minCoeff() >= 0 && (at < (size - 1).cast<double>()).all();
}

double FreeSpace::Field::linear(const Vector3d& p) const {
  const Eigen::Array3d at = ((p - low_mm).array() / voxel_mm).max(0.0).min((size - 1).cast<double>());
  const Eigen::Array3i low = at.cast<int>().min(size - 2);
  const Eigen::Array3d f = at - low.cast<double>();
  const std::int64_t row = size[2], slice = row * size[1];
  const float* corner = values.data() + low[0] * slice + low[1] * row + low[2];
  const auto alongZ = [&](std::int64_t o) { return corner[o] + f[2] * (corner[o + 1] - corner[o]); };
  const auto alongY = [&](std::int64_t o) { return alongZ(o) + f[1] * (alongZ(o + row) - alongZ(o)); };
  return alongY(0) + f[0] * (alongY(slice) - alongY(0));
}

double FreeSpace::Field::nearest(const Vector3d& p) const {
  const Eigen::Array3i at = ((p - low_mm).array() / voxel_mm).round().cast<int>().max(0).min(size - 1);
  return values[(static_cast<std::size_t>(at[0]) * size[1] + at[1]) * size[2] + at[2]];
}

FreeSpace::FreeSpace(const LevelSet& body, const std::vector<KeepOut>& obstacles) {
  const Span around = boxOf(body, kAround_mm);
  Span all = boxOf(body, 2 * kCoarse_mm);
  for (const KeepOut& obstacle : obstacles) {
    const Span box = boxOf(obstacle.shape, 2 * kCoarse_mm);
    all = {all.low_mm.cwiseMin(box.low_mm), all.high_mm.cwiseMax(box.high_mm)};
  }
  near_ = Field(around, voxelFor(around, kFine_mm, kFineVoxels));
  far_ = Field(all, voxelFor(all, kCoarse_mm, kCoarseVoxels));
  fillNear(obstacles);
  fillFar(obstacles);
}

void FreeSpace::fillNear(const std::vector<KeepOut>& obstacles) {
  const Span span{near_.low_mm, near_.point(near_.size[0] - 1, near_.size[1] - 1, near_.size[2] - 1)};
  for (const KeepOut& obstacle : obstacles) {
    const LevelSet shape = around(obstacle.shape, span, obstacle.distance_mm + kFar_mm + near_.voxel_mm);
    core::parallelFor(near_.size[0], [&](std::int64_t plane) {
      const int x = static_cast<int>(plane);
      const Sampler to_shape(shape, {near_.point(x, 0, 0), near_.point(x, near_.size[1] - 1, near_.size[2] - 1)});
      for (int y = 0; y < near_.size[1]; ++y)
        for (int z = 0; z < near_.size[2]; ++z) {
          float& value = near_.row(x, y)[z];
          value = std::min(value, static_cast<float>(to_shape(near_.point(x, y, z)) - obstacle.distance_mm));
        }
    });
  }
}

void FreeSpace::fillFar(const std::vector<KeepOut>& obstacles) {
  image::Frame frame;  // the field's z runs along the frame's x, which is fastest there
  frame.size = {far_.size[2], far_.size[1], far_.size[0]};
  frame.spacing_mm = Vector3d::Constant(far_.voxel_mm);
  image::LabelVolume mask(frame);
  for (const KeepOut& obstacle : obstacles) {
    // Half a voxel more, so that thin walls don't fall between the points.
    const double grown = std::min(0.5 * far_.voxel_mm, 2.9 * obstacle.shape.voxel_mm());
    core::parallelFor(far_.size[0], [&](std::int64_t plane) {
      const int x = static_cast<int>(plane);
      const auto shape = obstacle.shape.grid().vdb->getConstAccessor();
      for (int y = 0; y < far_.size[1]; ++y)
        for (int z = 0; z < far_.size[2]; ++z) {
          const Vector3d at = far_.point(x, y, z) / obstacle.shape.voxel_mm();
          if (shape.getValue(openvdb::Coord::round(openvdb::Vec3d(at.x(), at.y(), at.z()))) < grown)
            mask.at(z, y, x) = 1;
        }
    });
  }
  const image::CtVolume distances = image::distanceMm(mask);
  std::copy(distances.voxels.begin(), distances.voxels.end(), far_.values.begin());
}

FreeSpace::Ray FreeSpace::trace(const Vector3d& from_mm, const Vector3d& along) const {
  Ray ray;
  Vector3d p = from_mm;
  while (true) {
    double step = 0;
    if (near_.contains(p)) {
      const double free = near_.linear(p);
      if (free < ray.least_mm) ray = {free, p};
      if (free <= -kFar_mm) return ray;
      step = std::max(free, kLeastStep_mm);
    } else if (far_.contains(p)) {
      const double free = far_.nearest(p);
      if (free == 0) return {-kFar_mm, p};
      step = std::max(free - far_.voxel_mm, 0.5 * far_.voxel_mm);
    } else {
      return ray;
    }
    p += step * along;
  }
}

}  // namespace osteo::design_scaffold
