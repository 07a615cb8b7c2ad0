#include "simulate/aggregation.h"

#include <Eigen/Dense>
#include <algorithm>
#include <numeric>

namespace osteo::simulate {
namespace {

using Index = std::int64_t;

/// Number of the aggregate of each node.
struct Aggregates {
  std::vector<std::int32_t> of;
  std::int32_t count = 0;
};

/// Order of the nodes by the box that they lie in, and the boxes' keys.
std::vector<std::int32_t> sortByBox(const std::vector<Eigen::Vector3f>& position, double width,
                                    std::vector<std::uint64_t>& key) {
  key.resize(position.size());
  for (std::size_t n = 0; n < position.size(); ++n) {
    std::uint64_t k = 0;
    for (int c = 2; c >= 0; --c)
      k = k << 21 | static_cast<std::uint64_t>(std::max(0.0, std::floor((double(position[n][c]) + 0.5) / width)));
    key[n] = k;
  }
  std::vector<std::int32_t> order(position.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return key[a] < key[b]; });
  return order;
}

/// Boxes split into what hangs together in the matrix; pieces too small to move like a rigid body join a neighbour.
template <int B>
Aggregates gather(const BlockMatrix<B, B>& A, const std::vector<Eigen::Vector3f>& position, double width) {
  std::vector<std::uint64_t> key;
  const auto order = sortByBox(position, width, key);
  Aggregates aggregates;
  aggregates.of.assign(position.size(), -1);
  std::vector<std::int32_t> stack, size;
  for (const auto seed : order) {
    if (aggregates.of[seed] >= 0) continue;
    const auto number = aggregates.count++;
    stack.assign(1, seed);
    aggregates.of[seed] = number;
    size.push_back(0);
    while (!stack.empty()) {
      const auto n = stack.back();
      stack.pop_back();
      ++size.back();
      for (auto b = A.start[n]; b < A.start[n + 1]; ++b) {
        const auto m = A.column[b];
        if (aggregates.of[m] >= 0 || key[m] != key[n]) continue;
        aggregates.of[m] = number;
        stack.push_back(m);
      }
    }
  }
  constexpr int kLeast = B == 3 ? 4 : 2;  // nodes; three points in a line turn freely
  for (std::size_t n = 0; n < position.size(); ++n) {
    const auto own = aggregates.of[n];
    if (size[own] >= kLeast) continue;
    float best = 0;
    std::int32_t to = own;
    for (auto b = A.start[n]; b < A.start[n + 1]; ++b) {
      const auto other = aggregates.of[A.column[b]];
      if (size[other] < kLeast) continue;
      const float strength = A.block(b).squaredNorm();
      if (strength > best) best = strength, to = other;
    }
    if (to != own) --size[own], ++size[to], aggregates.of[n] = to;
  }
  std::vector<std::int32_t> renumbered(size.size(), -1);
  aggregates.count = 0;
  for (const auto n : order) {
    auto& r = renumbered[aggregates.of[n]];
    if (r < 0) r = aggregates.count++;
  }
  for (auto& a : aggregates.of) a = renumbered[a];
  return aggregates;
}

/// Nodes of each aggregate, rising.
struct Members {
  std::vector<std::int32_t> start, node;
  explicit Members(const Aggregates& aggregates) : start(aggregates.count + 1, 0), node(aggregates.of.size()) {
    for (auto a : aggregates.of) ++start[a + 1];
    std::partial_sum(start.begin(), start.end(), start.begin());
    auto next = start;
    for (std::size_t n = 0; n < aggregates.of.size(); ++n)
      node[next[aggregates.of[n]]++] = static_cast<std::int32_t>(n);
  }
};

/// Orthonormal rigid motions of each aggregate (B×6 blocks of the nodes) and what the old modes are in them. Motions
/// that an aggregate can't tell apart are dropped: their columns are zero.
template <int B>
std::vector<float> orthonormalise(const Members& members, std::int32_t count, const std::vector<float>& modes,
                                  std::vector<float>& coarse_modes) {
  std::vector<float> tentative(modes.size());
  coarse_modes.assign(static_cast<std::size_t>(count) * 36, 0.0F);
  core::parallelChunks(count, 256, [&](Index first, Index last, Index) {
    Eigen::MatrixXd Q;
    for (Index a = first; a < last; ++a) {
      const auto begin = members.start[a], size = members.start[a + 1] - begin;
      Q.resize(B * size, 6);
      for (int n = 0; n < size; ++n)
        Q.middleRows<B>(B * n) = Eigen::Map<const Block<B, 6>>(modes.data() + 6 * B * Index{members.node[begin + n]})
                                     .template cast<double>();
      Eigen::Matrix<double, 6, 6> R = Eigen::Matrix<double, 6, 6>::Zero();
      for (int c = 0; c < 6; ++c) {
        const double before = Q.col(c).norm();
        for (int pass = 0; pass < 2; ++pass)
          for (int d = 0; d < c; ++d) {
            const double r = Q.col(d).dot(Q.col(c));
            R(d, c) += r;
            Q.col(c) -= r * Q.col(d);
          }
        const double norm = Q.col(c).norm();
        if (norm > 1e-4 * before && norm > 0) {
          R(c, c) = norm;
          Q.col(c) /= norm;
        } else {
          Q.col(c).setZero();
        }
      }
      for (int n = 0; n < size; ++n)
        Eigen::Map<Block<B, 6>>(tentative.data() + 6 * B * Index{members.node[begin + n]}) =
            Q.middleRows<B>(B * n).template cast<float>();
      Eigen::Map<Block<6, 6>>(coarse_modes.data() + 36 * a) = R.cast<float>();
    }
  });
  return tentative;
}

/// Sparse accumulator of one row of blocks: columns in order of their first touch, sorted at the end.
template <int R, int C>
class RowBuilder {
 public:
  explicit RowBuilder(Index columns) : slot_(static_cast<std::size_t>(columns), -1) {}
  Eigen::Map<Block<R, C>> at(std::int32_t column) {
    auto& slot = slot_[column];
    if (slot < 0) {
      slot = static_cast<std::int32_t>(columns_.size());
      columns_.push_back(column);
      values_.resize(columns_.size() * R * C, 0.0F);
      std::fill(values_.end() - R * C, values_.end(), 0.0F);
    }
    return Eigen::Map<Block<R, C>>(values_.data() + std::size_t(slot) * R * C);
  }
  template <class Body>
  void forEach(const Body& body) {
    for (std::size_t s = 0; s < columns_.size(); ++s) body(Eigen::Map<Block<R, C>>(values_.data() + s * R * C));
  }
  std::size_t size() const { return columns_.size(); }
  /// Appends the row and forgets it.
  void flush(std::vector<std::int32_t>& column, std::vector<float>& value) {
    order_ = columns_;
    std::sort(order_.begin(), order_.end());
    for (const auto c : order_) {
      const float* from = values_.data() + std::size_t(slot_[c]) * R * C;
      column.push_back(c);
      value.insert(value.end(), from, from + R * C);
    }
    for (const auto c : columns_) slot_[c] = -1;
    columns_.clear(), values_.clear();
  }

 private:
  std::vector<std::int32_t> slot_, columns_, order_;
  std::vector<float> values_;
};

/// Builds a matrix row by row in fixed chunks; fill(row, builder).
template <int R, int C, class Fill>
BlockMatrix<R, C> buildRows(Index rows, Index columns, Index chunk, const Fill& fill) {
  struct Part {
    std::vector<std::int32_t> column, count;
    std::vector<float> value;
  };
  std::vector<Part> parts(static_cast<std::size_t>((rows + chunk - 1) / chunk));
  core::parallelChunks(rows, chunk, [&](Index first, Index last, Index p) {
    RowBuilder<R, C> builder(columns);
    for (Index r = first; r < last; ++r) {
      fill(r, builder);
      parts[p].count.push_back(static_cast<std::int32_t>(builder.size()));
      builder.flush(parts[p].column, parts[p].value);
    }
  });
  BlockMatrix<R, C> A;
  A.columns = columns;
  A.start.reserve(static_cast<std::size_t>(rows + 1));
  A.start.push_back(0);
  std::size_t blocks = 0;
  for (const auto& part : parts) blocks += part.column.size();
  A.column.reserve(blocks), A.value.reserve(blocks * R * C + 1);
  for (auto& part : parts) {
    for (const auto n : part.count) A.start.push_back(A.start.back() + n);
    A.column.insert(A.column.end(), part.column.begin(), part.column.end());
    A.value.insert(A.value.end(), part.value.begin(), part.value.end());
    part = {};
  }
  A.value.push_back(0);
  return A;
}

/// P = (1 − ω D⁻¹ A) T.
template <int B>
BlockMatrix<B, 6> smoothed(const BlockMatrix<B, B>& A, const std::vector<float>& inverse_diagonal, float omega,
                           const std::vector<float>& tentative, const Aggregates& aggregates) {
  return buildRows<B, 6>(
      A.rows(), aggregates.count, std::max<Index>(kRowChunk, A.rows() / 64), [&](Index r, auto& row) {
        for (auto b = A.start[r]; b < A.start[r + 1]; ++b) {
          const Index n = A.column[b];
          row.at(aggregates.of[n]).noalias() +=
              A.block(b).lazyProduct(Eigen::Map<const Block<B, 6>>(tentative.data() + 6 * B * n));
        }
        const Block<B, B> D = -omega * Eigen::Map<const Block<B, B>>(inverse_diagonal.data() + B * B * r);
        row.forEach([&](auto block) { block = (D * block).eval(); });
        row.at(aggregates.of[r]) += Eigen::Map<const Block<B, 6>>(tentative.data() + 6 * B * r);
      });
}

/// Drops motions whose energy is but rounding, as of pieces that touch held nodes only: their columns in P and their
/// rows and columns in A become zero.
template <int B>
void dropFloating(const BlockMatrix<B, B>& fine, const std::vector<float>& tentative, const Aggregates& aggregates,
                  BlockMatrix<B, 6>& P, BlockMatrix<6, 6>& A) {
  constexpr float kRounding = 1e-5F;  // of the energy that the nodes would have each alone
  std::vector<float> alone(static_cast<std::size_t>(aggregates.count) * 6, 0.0F);
  for (Index r = 0; r < fine.rows(); ++r)
    for (auto b = fine.start[r]; b < fine.start[r + 1]; ++b) {
      if (fine.column[b] != r) continue;
      const Eigen::Map<const Block<B, 6>> T(tentative.data() + 6 * B * r);
      for (int c = 0; c < 6; ++c)
        alone[6 * aggregates.of[r] + c] += (fine.block(b).diagonal().array() * T.col(c).array().square()).sum();
    }
  std::vector<std::uint8_t> is_kept(alone.size(), 0);
  for (Index a = 0; a < A.rows(); ++a)
    for (auto b = A.start[a]; b < A.start[a + 1]; ++b)
      if (A.column[b] == a)
        for (int c = 0; c < 6; ++c) is_kept[6 * a + c] = A.block(b)(c, c) > kRounding * alone[6 * a + c];
  const auto clearColumns = [&](auto& M) {
    for (std::size_t b = 0; b < M.column.size(); ++b)
      for (int c = 0; c < 6; ++c)
        if (!is_kept[6 * std::size_t(M.column[b]) + c]) M.block(static_cast<Index>(b)).col(c).setZero();
  };
  clearColumns(P);
  clearColumns(A);
  for (Index a = 0; a < A.rows(); ++a)
    for (auto b = A.start[a]; b < A.start[a + 1]; ++b)
      for (int c = 0; c < 6; ++c)
        if (!is_kept[6 * a + c]) A.block(b).row(c).setZero();
}

}  // namespace

std::vector<float> rigidModes(const std::vector<Eigen::Vector3f>& position, const Eigen::Vector3f& scale) {
  Eigen::Vector3d middle = Eigen::Vector3d::Zero();
  for (const auto& p : position) middle += p.cast<double>();
  middle /= double(position.size());
  float size = 1e-30F;
  for (const auto& p : position) size = std::max(size, (p - middle.cast<float>()).cwiseProduct(scale).norm());
  std::vector<float> modes(position.size() * 18, 0.0F);
  for (std::size_t n = 0; n < position.size(); ++n) {
    const Eigen::Vector3f p = (position[n] - middle.cast<float>()).cwiseProduct(scale) / size;
    Eigen::Map<Block<3, 6>> m(modes.data() + 18 * n);
    m.leftCols<3>().setIdentity();
    for (int c = 0; c < 3; ++c) {  // ω × p
      m((c + 1) % 3, 3 + c) = -p[(c + 2) % 3];
      m((c + 2) % 3, 3 + c) = p[(c + 1) % 3];
    }
  }
  return modes;
}

template <int B>
CoarseLevel coarsen(const BlockMatrix<B, B>& A, const std::vector<float>& inverse_diagonal, double largest,
                    const std::vector<Eigen::Vector3f>& position, const std::vector<float>& modes, double width,
                    BlockMatrix<B, 6>& P) {
  const Aggregates aggregates = gather(A, position, width);
  const Members members(aggregates);
  CoarseLevel coarse;
  const auto tentative = orthonormalise<B>(members, aggregates.count, modes, coarse.modes);
  P = smoothed(A, inverse_diagonal, static_cast<float>(4.0 / 3 / largest), tentative, aggregates);
  const BlockMatrix<B, 6> AP =
      buildRows<B, 6>(A.rows(), aggregates.count, std::max<Index>(kRowChunk, A.rows() / 64), [&](Index r, auto& row) {
        for (auto b = A.start[r]; b < A.start[r + 1]; ++b)
          for (auto p = P.start[A.column[b]]; p < P.start[A.column[b] + 1]; ++p)
            row.at(P.column[p]).noalias() += A.block(b).lazyProduct(P.block(p));
      });
  const ColumnIndex index = columnIndex(P);
  coarse.A = buildRows<6, 6>(
      aggregates.count, aggregates.count, std::max<Index>(64, aggregates.count / 64), [&](Index a, auto& row) {
        for (auto q = index.start[a]; q < index.start[a + 1]; ++q)
          for (auto b = AP.start[index.row[q]]; b < AP.start[index.row[q] + 1]; ++b)
            row.at(AP.column[b]).noalias() += P.block(index.block[q]).transpose().lazyProduct(AP.block(b));
      });
  dropFloating(A, tentative, aggregates, P, coarse.A);
  coarse.position.assign(static_cast<std::size_t>(aggregates.count), Eigen::Vector3f::Zero());
  for (std::size_t n = 0; n < position.size(); ++n) coarse.position[aggregates.of[n]] += position[n];
  for (std::int32_t a = 0; a < aggregates.count; ++a)
    coarse.position[a] /= static_cast<float>(members.start[a + 1] - members.start[a]);
  return coarse;
}

template CoarseLevel coarsen<3>(const BlockMatrix<3, 3>&, const std::vector<float>&, double,
                                const std::vector<Eigen::Vector3f>&, const std::vector<float>&, double,
                                BlockMatrix<3, 6>&);
template CoarseLevel coarsen<6>(const BlockMatrix<6, 6>&, const std::vector<float>&, double,
                                const std::vector<Eigen::Vector3f>&, const std::vector<float>&, double,
                                BlockMatrix<6, 6>&);

template <int B>
std::vector<float> invertDiagonal(const BlockMatrix<B, B>& A) {
  std::vector<float> inverse(static_cast<std::size_t>(A.rows()) * B * B, 0.0F);
  core::parallelChunks(A.rows(), kRowChunk, [&](Index first, Index last, Index) {
    for (Index r = first; r < last; ++r)
      for (auto b = A.start[r]; b < A.start[r + 1]; ++b) {
        if (A.column[b] != r) continue;
        const Eigen::Matrix<double, B, B> D = A.block(b).template cast<double>();
        // Values of different units are brought to one before small ones are cut off.
        Eigen::Matrix<double, B, 1> scale;
        for (int c = 0; c < B; ++c) scale[c] = D(c, c) > 0 ? 1 / std::sqrt(D(c, c)) : 0.0;
        const Eigen::SelfAdjointEigenSolver<Eigen::Matrix<double, B, B>> eigen(scale.asDiagonal() * D *
                                                                               scale.asDiagonal());
        Eigen::Matrix<double, B, 1> kept;
        for (int c = 0; c < B; ++c) kept[c] = eigen.eigenvalues()[c] > 1e-5 ? 1 / eigen.eigenvalues()[c] : 0.0;
        const Eigen::Matrix<double, B, B> M = scale.asDiagonal() * eigen.eigenvectors() * kept.asDiagonal() *
                                              eigen.eigenvectors().transpose() * scale.asDiagonal();
        Eigen::Map<Block<B, B>>(inverse.data() + B * B * r) = M.template cast<float>();
      }
  });
  return inverse;
}
template std::vector<float> invertDiagonal<3>(const BlockMatrix<3, 3>&);
template std::vector<float> invertDiagonal<6>(const BlockMatrix<6, 6>&);

}  // namespace osteo::simulate
