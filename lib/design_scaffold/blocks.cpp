#include "design_scaffold/blocks.h"

#include <openvdb/tools/ChangeBackground.h>
#include <openvdb/tools/FastSweeping.h>
#include <openvdb/tools/Morphology.h>
#include <openvdb/tools/ValueTransformer.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "core/parallel.h"
#include "levelset/grid.h"

namespace osteo::design_scaffold {
namespace {

using openvdb::Coord;
using Leaf = openvdb::FloatTree::LeafNodeType;

/// One leaf out of a block; nullptr when all of it lies beyond the band, and then `tile` is its value.
std::unique_ptr<Leaf> leafOf(const BlockValues& values, const Coord& block, const Coord& lowest, float band,
                             float& tile) {
  auto leaf = std::make_unique<Leaf>(lowest, band, false);
  const Coord at = lowest - block;
  bool any = false;
  for (int x = 0; x < 8; ++x)
    for (int y = 0; y < 8; ++y)
      for (int z = 0; z < 8; ++z) {
        const float value =
            values[static_cast<std::size_t>(((at.x() + x) * kBlock + at.y() + y) * kBlock + at.z() + z)];
        const auto offset = static_cast<openvdb::Index>((x * 8 + y) * 8 + z);
        if (std::abs(value) < band) {
          leaf->setValueOn(offset, value);
          any = true;
        } else {
          leaf->setValueOff(offset, value < 0 ? -band : band);
        }
      }
  tile = leaf->getFirstValue();
  const bool uniform = !any && std::all_of(leaf->buffer().data(), leaf->buffer().data() + Leaf::SIZE,
                                           [tile](float value) { return value == tile; });
  return uniform ? nullptr : std::move(leaf);
}

int layersOf(const openvdb::FloatGrid& grid, double band_mm) {
  return static_cast<int>(std::ceil(band_mm / grid.voxelSize()[0]));
}

}  // namespace

BlockRange blocksOver(const openvdb::CoordBBox& box) {
  BlockRange range;
  for (int axis = 0; axis < 3; ++axis) {
    range.first[axis] = (box.min()[axis] >> 4) * kBlock;
    range.count[axis] = (box.max()[axis] >> 4) - (box.min()[axis] >> 4) + 1;
  }
  return range;
}

openvdb::FloatGrid::Ptr gridFromBlocks(const BlockRange& range, double voxel_mm, double band_mm,
                                       const EvaluateBlock& evaluate) {
  struct Part {
    std::array<std::unique_ptr<Leaf>, 8> leaves;
    std::array<float, 8> tiles{};
    bool any = false;
  };
  std::vector<Part> parts(static_cast<std::size_t>(range.size()));
  const auto band = static_cast<float>(band_mm);
  const auto lowestLeaf = [](const Coord& block, int n) {
    return block.offsetBy(8 * (n >> 2), 8 * (n >> 1 & 1), 8 * (n & 1));
  };
  core::parallelFor(range.size(), [&](std::int64_t block) {
    BlockValues values;
    const Coord lowest = range.lowest(block);
    Part& part = parts[static_cast<std::size_t>(block)];
    part.any = evaluate(lowest, block, values);
    for (int n = 0; part.any && n < 8; ++n)
      part.leaves[n] = leafOf(values, lowest, lowestLeaf(lowest, n), band, part.tiles[n]);
  });
  auto grid = openvdb::FloatGrid::create(band);
  grid->setGridClass(openvdb::GRID_LEVEL_SET);
  grid->setTransform(openvdb::math::Transform::createLinearTransform(voxel_mm));
  for (std::int64_t block = 0; block < range.size(); ++block) {
    Part& part = parts[static_cast<std::size_t>(block)];
    for (int n = 0; part.any && n < 8; ++n) {
      if (part.leaves[n])
        grid->tree().addLeaf(part.leaves[n].release());
      else if (part.tiles[n] < 0)
        grid->tree().addTile(1, lowestLeaf(range.lowest(block), n), part.tiles[n], false);
    }
  }
  return grid;
}

openvdb::FloatGrid::Ptr gridFromFunction(const openvdb::CoordBBox& box, double voxel_mm, double band_mm,
                                         const MakeVoxelFunction& make) {
  return gridFromBlocks(
      blocksOver(box), voxel_mm, band_mm, [&](const Coord& lowest, std::int64_t, BlockValues& values) {
        const Eigen::Vector3d low = Eigen::Vector3d(lowest.x(), lowest.y(), lowest.z()) * voxel_mm;
        const VoxelFunction function = make({low, low + Eigen::Vector3d::Constant((kBlock - 1) * voxel_mm)});
        std::size_t n = 0;
        for (int x = 0; x < kBlock; ++x)
          for (int y = 0; y < kBlock; ++y)
            for (int z = 0; z < kBlock; ++z) values[n++] = static_cast<float>(function(lowest.offsetBy(x, y, z)));
        return true;
      });
}

void clampToBand(openvdb::FloatGrid& grid, double band_mm) {
  const auto band = static_cast<float>(band_mm);
  openvdb::tools::foreach (grid.beginValueAll(), [band](const openvdb::FloatGrid::ValueAllIter& value) {
    if (std::abs(*value) < band) return;
    value.setValue(*value < 0 ? -band : band);
    value.setValueOff();
  });
  openvdb::tools::changeLevelSetBackground(grid.tree(), band);
}

openvdb::FloatGrid::Ptr widen(const openvdb::FloatGrid& grid, double band_mm) {
  auto wide = openvdb::tools::dilateSdf(grid, layersOf(grid, std::max(0.0, band_mm - grid.background())),
                                        openvdb::tools::NN_FACE_EDGE, 1,
                                        openvdb::tools::FastSweepingDomain::SWEEP_GREATER_THAN_ISOVALUE);
  clampToBand(*wide, band_mm);
  return wide;
}

openvdb::FloatGrid::Ptr sweep(const openvdb::FloatGrid& grid, double band_mm, double known_mm) {
  auto copy = grid.deepCopy();
  const int layers = layersOf(grid, std::max(0.0, band_mm - known_mm));
  openvdb::tools::dilateActiveValues(copy->tree(), layers, openvdb::tools::NN_FACE_EDGE, openvdb::tools::IGNORE_TILES);
  auto swept = openvdb::tools::sdfToSdf(*copy);
  clampToBand(*swept, band_mm);
  return swept;
}

levelset::LevelSet moved(const levelset::LevelSet& level_set, double outward_mm, double band_mm) {
  auto copy = level_set.grid().vdb->deepCopy();
  const auto shift = static_cast<float>(outward_mm);
  openvdb::tools::foreach (copy->beginValueAll(),
                           [shift](const openvdb::FloatGrid::ValueAllIter& value) { value.setValue(*value - shift); });
  return levelset::wrap(sweep(*copy, band_mm, level_set.grid().vdb->background() - std::abs(outward_mm)));
}

std::vector<Eigen::Vector3d> directionsAround(int count) {
  std::vector<Eigen::Vector3d> out;
  for (int n = 0; n < count; ++n) {
    const double z = 1 - (2 * n + 1.0) / count, turn = std::numbers::pi * (3 - std::sqrt(5.0)) * n;
    const double r = std::sqrt(1 - z * z);
    out.emplace_back(r * std::cos(turn), r * std::sin(turn), z);
  }
  return out;
}

levelset::LevelSet around(const levelset::LevelSet& level_set, const Span& span, double band_mm) {
  const auto corner = [](const Eigen::Vector3d& p) { return openvdb::Vec3d(p.x(), p.y(), p.z()); };
  auto part = level_set.grid().vdb->deepCopy();
  part->clip(part->transform().worldToIndexNodeCentered(openvdb::BBoxd(corner(span.low_mm), corner(span.high_mm))));
  return levelset::wrap(widen(*part, band_mm));
}

Sampler::Sampler(const levelset::LevelSet& level_set, const Span& span)
    : voxel_mm_(level_set.voxel_mm()), per_mm_(1 / level_set.voxel_mm()) {
  // One voxel of margin for the upper corner of a cell, one more on both sides for gradients.
  base_ = (span.low_mm / voxel_mm_).array().floor().cast<int>() - 1;
  size_ = (span.high_mm / voxel_mm_).array().floor().cast<int>() + 3 - base_;
  values_.resize(static_cast<std::size_t>(size_[0]) * size_[1] * size_[2]);
  const auto grid = level_set.grid().vdb->getConstAccessor();
  std::size_t n = 0;
  for (int x = 0; x < size_[0]; ++x)
    for (int y = 0; y < size_[1]; ++y)
      for (int z = 0; z < size_[2]; ++z) values_[n++] = grid.getValue(Coord(base_[0] + x, base_[1] + y, base_[2] + z));
}

double Sampler::operator()(const Eigen::Vector3d& point_mm) const {
  std::array<int, 3> low{};
  std::array<float, 3> f{};
  for (int axis = 0; axis < 3; ++axis) {
    const double at = std::clamp(point_mm[axis] * per_mm_ - base_[axis], 0.0, static_cast<double>(size_[axis] - 1));
    low[axis] = std::min(static_cast<int>(at), size_[axis] - 2);
    f[axis] = static_cast<float>(at - low[axis]);
  }
  const int row = size_[2], slice = row * size_[1];
  const float* corner = values_.data() + low[0] * slice + low[1] * row + low[2];
  const auto alongZ = [&](int offset) { return corner[offset] + f[2] * (corner[offset + 1] - corner[offset]); };
  const float a = alongZ(0), b = alongZ(row), c = alongZ(slice), d = alongZ(slice + row);
  const float near = a + f[1] * (b - a), far = c + f[1] * (d - c);
  return near + f[0] * (far - near);
}

Eigen::Vector3d Sampler::gradient(const Eigen::Vector3d& point_mm) const {
  Eigen::Vector3d out;
  for (int axis = 0; axis < 3; ++axis) {
    const Eigen::Vector3d step = Eigen::Vector3d::Unit(axis) * voxel_mm_;
    out[axis] = ((*this)(point_mm + step) - (*this)(point_mm - step)) / (2 * voxel_mm_);
  }
  return out;
}

}  // namespace osteo::design_scaffold
