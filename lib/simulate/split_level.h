#pragma once
#include <memory>

#include "simulate/block_matrix.h"
#include "simulate/solver.h"
#include "simulate/ties.h"

namespace osteo::simulate {

/// The first coarse grid: cells of 2×2×2 voxels, trilinear, where a corner that cells share is doubled when the bone in
/// them does not hang together there, so that a coarse grid never glues trabeculae across a gap (composite elements
/// after Nesme et al., ACM Trans Graph 28 (2009) 52).
struct SplitLevel {
  std::int32_t nodes = 0;
  bool is_tied = false;                              ///< the last plane is the first one again
  std::vector<std::array<std::int32_t, 8>> corners;  ///< coarse nodes of each cell
  std::vector<std::uint32_t> owner;                  ///< of each fine node: a cell that it belongs to
  std::vector<std::uint8_t> local;                   ///< and its place there, x + 3 y + 9 z
  std::vector<std::int64_t> plane;                   ///< first fine node of each plane z, and the end
  std::vector<Eigen::Vector3f> position;             ///< of the coarse nodes, in cells
  double bytes() const;
};

/// With ties, coarse nodes of tied fine nodes are one, except across an odd number of voxels.
SplitLevel splitLevel(const VoxelModel& model, const Ties& ties = {});

/// The rows of Pᵀ K P, made when they are asked for; rows of P of held components are left out.
class GalerkinRows {
 public:
  static constexpr int kBlock = 3;
  /// `held` has a bit a component for each fine node.
  GalerkinRows(const VoxelModel& model, const SplitLevel& level, const std::vector<std::uint8_t>& held);
  ~GalerkinRows();
  GalerkinRows(const GalerkinRows&) = delete;
  GalerkinRows& operator=(const GalerkinRows&) = delete;
  std::int64_t rows() const;
  /// The columns of row r in any order, some more than once.
  void touched(std::int64_t r, std::vector<std::int32_t>& columns) const;
  /// As BlockMatrix.
  void neighbours(std::int64_t r, std::vector<std::int32_t>& columns) const;
  void row(std::int64_t r, std::vector<std::int32_t>& columns, std::vector<float>& blocks) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// One of several coarse vectors, whose values of a node stand side by side.
struct CoarseVector {
  std::vector<float>& values;
  int number, width;
  float* at(std::int64_t node) const { return values.data() + 3 * (width * node + number); }
};

/// coarse = Pᵀ fine.
void restrictTo(const SplitLevel& level, const FloatField& fine, std::int64_t stride,
                const std::vector<std::uint8_t>& held, const CoarseVector& coarse);
/// fine += P coarse.
void prolongAdd(const SplitLevel& level, const CoarseVector& coarse, std::int64_t stride,
                const std::vector<std::uint8_t>& held, FloatField& fine);

}  // namespace osteo::simulate
