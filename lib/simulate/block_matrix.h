#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "core/parallel.h"

namespace osteo::simulate {

/// Rows of a block matrix or vector that one task takes; fixed, so that sums never depend on the thread count.
constexpr std::int64_t kRowChunk = 2048;

template <int R, int C>
using Block = Eigen::Matrix<float, R, C>;  // column by column, as it is stored

/// A sparse matrix of R×C blocks in float, row by row, blocks stored column by column. Vectors are plain arrays, one
/// block of values after the other.
template <int R, int C>
struct BlockMatrix {
  std::int64_t columns = 0;
  std::vector<std::int64_t> start;   ///< first block of each row, and the end
  std::vector<std::int32_t> column;  ///< of each block, rising within a row
  std::vector<float> value;

  std::int64_t rows() const { return static_cast<std::int64_t>(start.size()) - 1; }
  Eigen::Map<Block<R, C>> block(std::int64_t b) { return Eigen::Map<Block<R, C>>(value.data() + b * R * C); }
  Eigen::Map<const Block<R, C>> block(std::int64_t b) const {
    return Eigen::Map<const Block<R, C>>(value.data() + b * R * C);
  }
  /// Value of row r of A x.
  Eigen::Matrix<float, R, 1> rowTimes(std::int64_t r, const float* x) const {
    Eigen::Matrix<float, R, 1> sum = Eigen::Matrix<float, R, 1>::Zero();
    for (auto b = start[r]; b < start[r + 1]; ++b)
      sum.noalias() +=
          block(b).lazyProduct(Eigen::Map<const Eigen::Matrix<float, C, 1>>(x + std::int64_t{column[b]} * C));
    return sum;
  }
  double bytes() const {
    return double(start.size() * sizeof(std::int64_t) + column.size() * sizeof(std::int32_t) +
                  value.size() * sizeof(float));
  }
};

/// 3×3 blocks: four values a step; reads one value past the last block, which `value` must hold.
template <>
inline Eigen::Matrix<float, 3, 1> BlockMatrix<3, 3>::rowTimes(std::int64_t r, const float* x) const {
  using Quad = float __attribute__((vector_size(16), aligned(4), may_alias));
  Quad sum = {0, 0, 0, 0};
  for (auto b = start[r]; b < start[r + 1]; ++b) {
    const float *m = value.data() + 9 * b, *at = x + 3 * std::int64_t{column[b]};
    sum += *reinterpret_cast<const Quad*>(m) * at[0] + *reinterpret_cast<const Quad*>(m + 3) * at[1] +
           *reinterpret_cast<const Quad*>(m + 6) * at[2];
  }
  return {sum[0], sum[1], sum[2]};
}

/// Where the blocks of each column are.
struct ColumnIndex {
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> row;
  std::vector<std::int64_t> block;
  double bytes() const { return double(start.size() * 8 + row.size() * 4 + block.size() * 8); }
};

template <int R, int C>
ColumnIndex columnIndex(const BlockMatrix<R, C>& A) {
  ColumnIndex index;
  index.start.assign(static_cast<std::size_t>(A.columns + 1), 0);
  for (auto c : A.column) ++index.start[c + 1];
  for (std::int64_t c = 0; c < A.columns; ++c) index.start[c + 1] += index.start[c];
  index.row.resize(A.column.size()), index.block.resize(A.column.size());
  auto next = index.start;
  for (std::int64_t r = 0; r < A.rows(); ++r)
    for (auto b = A.start[r]; b < A.start[r + 1]; ++b) {
      const auto at = next[A.column[b]]++;
      index.row[at] = static_cast<std::int32_t>(r);
      index.block[at] = b;
    }
  return index;
}

/// Inverses of the diagonal blocks. A block that is all but singular loses its softest motions: they stay where they
/// are.
template <int B>
std::vector<float> invertDiagonal(const BlockMatrix<B, B>& A);

}  // namespace osteo::simulate
