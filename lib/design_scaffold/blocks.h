#pragma once
#include <array>
#include <functional>
#include <vector>

#include "design_scaffold/envelope.h"
#include "levelset/grid.h"

namespace osteo::design_scaffold {

/// Fields are evaluated in blocks of 16³ voxels; values run z fastest, as in OpenVDB.
constexpr int kBlock = 16;
using BlockValues = std::array<float, kBlock * kBlock * kBlock>;

/// Fills the values of the block whose lowest voxel is given; false: the whole block lies outside.
using EvaluateBlock = std::function<bool(const openvdb::Coord& lowest, std::int64_t block, BlockValues& values)>;

struct BlockRange {
  openvdb::Coord first;        ///< lowest voxel, a multiple of 16
  std::array<int, 3> count{};  ///< blocks along x, y, z
  std::int64_t size() const { return std::int64_t{count[0]} * count[1] * count[2]; }
  /// Lowest voxel of a block; z runs fastest.
  openvdb::Coord lowest(std::int64_t block) const {
    return first.offsetBy(static_cast<int>(block / count[2] / count[1]) * kBlock,
                          static_cast<int>(block / count[2] % count[1]) * kBlock,
                          static_cast<int>(block % count[2]) * kBlock);
  }
};

/// The blocks that cover an index box.
BlockRange blocksOver(const openvdb::CoordBBox& box);

/// A grid of clamped values, active within ± band_mm, from blocks evaluated in parallel and put together in a fixed
/// order.
openvdb::FloatGrid::Ptr gridFromBlocks(const BlockRange& range, double voxel_mm, double band_mm,
                                       const EvaluateBlock& evaluate);

/// The same from a function of the voxel, made once for each block with the block's span.
using VoxelFunction = std::function<double(const openvdb::Coord&)>;
using MakeVoxelFunction = std::function<VoxelFunction(const Span&)>;
openvdb::FloatGrid::Ptr gridFromFunction(const openvdb::CoordBBox& box, double voxel_mm, double band_mm,
                                         const MakeVoxelFunction& make);

/// True distances outside beyond those that a level set has, out to band_mm (fast sweeping, Zhao, Math Comp 74,
/// 2005, as in OpenVDB); those it has stay as they are.
openvdb::FloatGrid::Ptr widen(const openvdb::FloatGrid& grid, double band_mm);
/// The same on both sides when the values are no distances: all but those next to the zero level are made anew. Voxels
/// nearer to the zero level than known_mm are active already.
openvdb::FloatGrid::Ptr sweep(const openvdb::FloatGrid& grid, double band_mm, double known_mm);

/// The part of a level set within a span, with true distances outside out to band_mm.
levelset::LevelSet around(const levelset::LevelSet& level_set, const Span& span, double band_mm);

/// A level set moved outwards, with true distances to band_mm again.
levelset::LevelSet moved(const levelset::LevelSet& level_set, double outward_mm, double band_mm);

/// Directions spread evenly over the sphere (Fibonacci lattice).
std::vector<Eigen::Vector3d> directionsAround(int count);

/// Values beyond ± band_mm become ± band_mm and inactive.
void clampToBand(openvdb::FloatGrid& grid, double band_mm);

/// Trilinear samples of a level set within a span, from a dense copy of its values there; beyond the span, those at its
/// border.
class Sampler {
 public:
  Sampler(const levelset::LevelSet& level_set, const Span& span);
  double operator()(const Eigen::Vector3d& point_mm) const;
  /// Gradient by central differences over one voxel of the grid, without unit.
  Eigen::Vector3d gradient(const Eigen::Vector3d& point_mm) const;

 private:
  double voxel_mm_, per_mm_;
  Eigen::Array3i base_, size_;
  std::vector<float> values_;  ///< z fastest
};

}  // namespace osteo::design_scaffold
