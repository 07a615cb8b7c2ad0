#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/parallel.h"

namespace osteo::simulate {

/// Rows of a block matrix or vector that one task takes; fixed, so that sums never depend on the thread count.
constexpr std::int64_t kRowChunk = 2048;

template <int R, int C>
using Block = Eigen::Matrix<float, R, C>;  // column by column, as it is stored

/// A sparse matrix of B×B blocks in float, row by row, blocks stored column by column. Vectors are plain arrays, one
/// block of values after the other.
template <int B>
struct BlockMatrix {
  static constexpr int kBlock = B;
  std::vector<std::int64_t> start;   ///< first block of each row, and the end
  std::vector<std::int32_t> column;  ///< of each block, rising within a row
  std::vector<float> value;

  std::int64_t rows() const { return static_cast<std::int64_t>(start.size()) - 1; }
  Eigen::Map<Block<B, B>> block(std::int64_t b) { return Eigen::Map<Block<B, B>>(value.data() + b * B * B); }
  Eigen::Map<const Block<B, B>> block(std::int64_t b) const {
    return Eigen::Map<const Block<B, B>>(value.data() + b * B * B);
  }
  /// The columns of row r.
  void neighbours(std::int64_t r, std::vector<std::int32_t>& columns) const {
    columns.assign(column.begin() + start[r], column.begin() + start[r + 1]);
  }
  /// The same where order and repetition don't matter.
  void touched(std::int64_t r, std::vector<std::int32_t>& columns) const { neighbours(r, columns); }
  /// Columns and blocks of row r.
  void row(std::int64_t r, std::vector<std::int32_t>& columns, std::vector<float>& blocks) const {
    neighbours(r, columns);
    blocks.assign(value.begin() + B * B * start[r], value.begin() + B * B * start[r + 1]);
  }
};

/// The diagonal and upper half of a symmetric matrix of B×B blocks. Chunks of rows reach columns of the next chunk at
/// most, so that even and odd ones can be multiplied at the same time with sums in a fixed order.
template <int B>
struct SymmetricMatrix {
  std::vector<std::int64_t> start;   ///< first block of each row, which is its diagonal block, and the end
  std::vector<std::int32_t> column;  ///< of each block, rising within a row
  std::vector<float> value;          ///< ends in one value more, which the kernel reads
  std::vector<std::int64_t> chunk;   ///< first row of each chunk, and the end

  std::int64_t rows() const { return static_cast<std::int64_t>(start.size()) - 1; }
  Eigen::Map<const Block<B, B>> block(std::int64_t b) const {
    return Eigen::Map<const Block<B, B>>(value.data() + b * B * B);
  }
  Eigen::Map<const Block<B, B>> diagonal(std::int64_t r) const { return block(start[r]); }
  /// y = A x for `width` vectors, whose values of a row stand side by side.
  void multiply(const float* x, float* y, int width) const;
  /// Sets the chunks; to be called when the blocks are complete.
  void cutChunks();
  double bytes() const {
    return double((start.size() + chunk.size()) * sizeof(std::int64_t) + column.size() * sizeof(std::int32_t) +
                  value.size() * sizeof(float));
  }
};

/// The upper half of any source of rows: rows(), neighbours() and row() as BlockMatrix has them.
template <class Rows>
SymmetricMatrix<Rows::kBlock> upperHalf(const Rows& source) {
  constexpr int B = Rows::kBlock;
  SymmetricMatrix<B> half;
  const auto n = source.rows();
  half.start.assign(static_cast<std::size_t>(n + 1), 0);
  core::parallelChunks(n, kRowChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    std::vector<std::int32_t> columns;
    for (auto r = first; r < last; ++r) {
      source.neighbours(r, columns);
      half.start[r + 1] = columns.end() - std::lower_bound(columns.begin(), columns.end(), r);
    }
  });
  for (std::int64_t r = 0; r < n; ++r) half.start[r + 1] += half.start[r];
  half.column.resize(static_cast<std::size_t>(half.start.back()));
  half.value.resize(static_cast<std::size_t>(half.start.back() * B * B + 1));
  core::parallelChunks(n, kRowChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    std::vector<std::int32_t> columns;
    std::vector<float> blocks;
    for (auto r = first; r < last; ++r) {
      source.row(r, columns, blocks);
      const auto skip = std::lower_bound(columns.begin(), columns.end(), r) - columns.begin();
      std::copy(columns.begin() + skip, columns.end(), half.column.begin() + half.start[r]);
      std::copy(blocks.begin() + skip * B * B, blocks.end(), half.value.begin() + half.start[r] * B * B);
    }
  });
  half.cutChunks();
  return half;
}

template <int B>
void SymmetricMatrix<B>::cutChunks() {
  const std::int64_t least = std::max(kRowChunk / 2, rows() / 64);
  chunk.assign(1, 0);
  std::int64_t reach = 0, end = 0;  // columns below `reach` are met by rows below `end`
  while (end < rows()) {
    end = std::min(rows(), std::max(end + least, reach));
    for (auto r = chunk.back(); r < end; ++r)
      if (start[r] < start[r + 1]) reach = std::max<std::int64_t>(reach, column[start[r + 1] - 1] + 1);
    chunk.push_back(end);
  }
}

/// Most vectors that are multiplied at once.
constexpr int kWidest = 8;

/// Adds row r of the half: its own sum, and its transpose to the rows of its columns. The same bits for any width.
template <int B, int kFixedWidth>
inline void addRow(const SymmetricMatrix<B>& A, std::int64_t r, const float* x, float* y, int any_width) {
  using Vector = Eigen::Matrix<float, B, 1>;
  const int width = kFixedWidth > 0 ? kFixedWidth : any_width;
  std::array<Vector, kWidest> sum;
  for (int k = 0; k < width; ++k) sum[k].setZero();
  for (auto b = A.start[r]; b < A.start[r + 1]; ++b) {
    const auto M = A.block(b);
    const std::int64_t c = A.column[b];
    for (int k = 0; k < width; ++k) {
      sum[k] += M.lazyProduct(Eigen::Map<const Vector>(x + B * (width * c + k)));
      if (c != r)
        Eigen::Map<Vector>(y + B * (width * c + k)) +=
            M.transpose().lazyProduct(Eigen::Map<const Vector>(x + B * (width * r + k)));
    }
  }
  for (int k = 0; k < width; ++k) Eigen::Map<Vector>(y + B * (width * r + k)) += sum[k];
}

/// 3×3 blocks: four values a step.
template <int kFixedWidth>
inline void addRow(const SymmetricMatrix<3>& A, std::int64_t r, const float* x, float* y, int any_width) {
  using Quad = float __attribute__((vector_size(16), aligned(4), may_alias));
  const int width = kFixedWidth > 0 ? kFixedWidth : any_width;
  Quad sum[kWidest], own[kWidest];
  for (int k = 0; k < width; ++k) {
    const float* at = x + 3 * (width * r + k);
    own[k] = Quad{at[0], at[1], at[2], 0};
    sum[k] = Quad{0, 0, 0, 0};
  }
  for (auto b = A.start[r]; b < A.start[r + 1]; ++b) {
    const float* m = A.value.data() + 9 * b;
    const std::int64_t c = A.column[b];
    const Quad m0 = *reinterpret_cast<const Quad*>(m), m1 = *reinterpret_cast<const Quad*>(m + 3);
    const Quad m2 = *reinterpret_cast<const Quad*>(m + 6);
    for (int k = 0; k < width; ++k) {
      const float* at = x + 3 * (width * c + k);
      sum[k] += m0 * at[0] + m1 * at[1] + m2 * at[2];
      if (c == r) continue;
      const Quad t0 = m0 * own[k], t1 = m1 * own[k], t2 = m2 * own[k];
      const Quad pairs = __builtin_shufflevector(t0, t1, 0, 4, 1, 5);  // t0[0] t1[0] t0[1] t1[1]
      const Quad third = __builtin_shufflevector(t0, t1, 2, 6, 2, 6);
      const Quad second = __builtin_shufflevector(pairs, t2, 2, 3, 5, 5);
      float* to = y + 3 * (width * c + k);
      to[0] += pairs[0] + second[0] + third[0];
      to[1] += pairs[1] + second[1] + third[1];
      to[2] += t2[0] + t2[1] + t2[2];
    }
  }
  for (int k = 0; k < width; ++k)
    for (int c = 0; c < 3; ++c) y[3 * (width * r + k) + c] += sum[k][c];
}

template <int B>
void SymmetricMatrix<B>::multiply(const float* x, float* y, int width) const {
  core::parallelChunks(rows() * B * width, 1 << 16, [&](std::int64_t first, std::int64_t last, std::int64_t) {
    std::memset(y + first, 0, static_cast<std::size_t>(last - first) * sizeof(float));
  });
  const auto chunks = static_cast<std::int64_t>(chunk.size()) - 1;
  const auto add = [&](std::int64_t r) {
    if constexpr (B == 3)
      width == 1 ? addRow<1>(*this, r, x, y, 1) : addRow<0>(*this, r, x, y, width);
    else
      width == 1 ? addRow<B, 1>(*this, r, x, y, 1) : addRow<B, 0>(*this, r, x, y, width);
  };
  for (int parity = 0; parity < 2; ++parity)
    core::parallelFor((chunks + 1 - parity) / 2, [&](std::int64_t p) {
      for (auto r = chunk[2 * p + parity]; r < chunk[2 * p + parity + 1]; ++r) add(r);
    });
}

/// Inverses of the diagonal blocks. A block that is all but singular loses its softest motions: they stay where they
/// are.
template <int B>
std::vector<float> invertDiagonal(const SymmetricMatrix<B>& A);

}  // namespace osteo::simulate
