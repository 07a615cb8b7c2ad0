#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "levelset/grid.h"
#include "slice_print/level_set_slicer.h"

namespace osteo::slice_print {

namespace {

using Leaf = openvdb::FloatTree::LeafNodeType;

std::vector<const Leaf*> leavesOf(const openvdb::FloatGrid& grid) {
  std::vector<const Leaf*> leaves;
  for (auto leaf = grid.tree().cbeginLeaf(); leaf; ++leaf) leaves.push_back(&*leaf);
  return leaves;
}

constexpr double kOnPlate_voxels = 0.02;

// Position of the zero crossing between an inside voxel and its neighbour one step along the axis, in voxels.
double crossing(openvdb::FloatGrid::ConstAccessor& values, const openvdb::Coord& at, int axis, int step) {
  openvdb::Coord next = at;
  next[axis] += step;
  const double a = values.getValue(at), b = values.getValue(next);
  return at[axis] + step * (b > a ? a / (a - b) : 1.0);
}

}  // namespace

LevelSetSurface surfaceOf(const levelset::LevelSet& level_set) {
  const openvdb::FloatGrid& grid = *level_set.grid().vdb;
  openvdb::CoordBBox inside;
  for (const Leaf* leaf : leavesOf(grid)) {
    for (auto value = leaf->cbeginValueAll(); value; ++value) {
      if (*value < 0) inside.expand(value.getCoord());
    }
  }
  if (inside.empty()) {
    throw core::Error(core::Exit::DataError, {.what = "the level set is empty",
                                              .expected = "some voxels inside the surface (negative values)"});
  }
  // The extremes lie on grid edges that leave the outermost inside voxels.
  LevelSetSurface surface{Eigen::Vector3d::Constant(1e300), Eigen::Vector3d::Constant(-1e300)};
  auto values = grid.getConstAccessor();
  for (const Leaf* leaf : leavesOf(grid)) {
    const openvdb::CoordBBox box = leaf->getNodeBoundingBox();
    for (int axis = 0; axis < 3; ++axis) {
      if (box.min()[axis] > inside.min()[axis] && box.max()[axis] < inside.max()[axis]) continue;
      for (auto value = leaf->cbeginValueAll(); value; ++value) {
        if (!(*value < 0)) continue;
        const openvdb::Coord at = value.getCoord();
        if (at[axis] == inside.min()[axis]) {
          surface.min_mm[axis] = std::min(surface.min_mm[axis], crossing(values, at, axis, -1));
        }
        if (at[axis] == inside.max()[axis]) {
          surface.max_mm[axis] = std::max(surface.max_mm[axis], crossing(values, at, axis, 1));
        }
      }
    }
  }
  surface.min_mm *= level_set.voxel_mm();
  surface.max_mm *= level_set.voxel_mm();
  return surface;
}

double overhangArea_mm2(const levelset::LevelSet& level_set, double limit_deg, double plate_mm) {
  const openvdb::FloatGrid& grid = *level_set.grid().vdb;
  const double voxel = level_set.voxel_mm(), width = 1.5 * voxel, limit = std::cos(limit_deg * M_PI / 180);
  const std::vector<const Leaf*> leaves = leavesOf(grid);
  const auto partial = [&](std::int64_t first, std::int64_t last) {
    auto values = grid.getConstAccessor();
    double area = 0;
    for (std::int64_t n = first; n < last; ++n) {
      const Leaf& leaf = *leaves[n];
      for (openvdb::Index i = 0; i < Leaf::SIZE; ++i) {
        const double value = leaf.buffer().data()[i];
        if (std::abs(value) >= width || !leaf.isValueOn(i)) continue;
        const openvdb::Coord at = leaf.offsetToGlobalCoord(i);
        Eigen::Vector3d gradient;
        for (const int axis : {2, 0, 1}) {
          openvdb::Coord low = at, high = at;
          --low[axis], ++high[axis];
          gradient[axis] = (values.getValue(high) - values.getValue(low)) / (2 * voxel);
          if (axis == 2 && gradient.z() >= 0) break;  // faces up
        }
        if (gradient.z() >= 0) continue;
        const double length = gradient.norm();
        if (-gradient.z() <= limit * length) continue;
        const double surface_mm = at.z() * voxel - value * gradient.z() / (length * length);
        if (surface_mm < plate_mm + kOnPlate_voxels * voxel) continue;
        area += length * (1 + std::cos(M_PI * value / width)) / (2 * width) * voxel * voxel * voxel;
      }
    }
    return area;
  };
  return core::parallelSum(static_cast<std::int64_t>(leaves.size()), 256, partial);
}

void visitSlopes(const levelset::LevelSet& level_set, const std::function<void(double z_mm, double steepness)>& visit) {
  const openvdb::FloatGrid& grid = *level_set.grid().vdb;
  const double voxel = level_set.voxel_mm();
  auto values = grid.getConstAccessor();
  for (const Leaf* leaf : leavesOf(grid)) {
    for (openvdb::Index i = 0; i < Leaf::SIZE; ++i) {
      const double value = leaf->buffer().data()[i];
      if (std::abs(value) > voxel / 2 || !leaf->isValueOn(i)) continue;
      const openvdb::Coord at = leaf->offsetToGlobalCoord(i);
      Eigen::Vector3d gradient;
      for (int axis = 0; axis < 3; ++axis) {
        openvdb::Coord low = at, high = at;
        --low[axis], ++high[axis];
        gradient[axis] = values.getValue(high) - values.getValue(low);
      }
      const double length = gradient.norm();
      if (length > 0) visit(at.z() * voxel, std::abs(gradient.z()) / length);
    }
  }
}

}  // namespace osteo::slice_print
