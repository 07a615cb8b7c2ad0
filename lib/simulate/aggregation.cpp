#include "simulate/aggregation.h"

#include <Eigen/Dense>
#include <algorithm>
#include <numeric>

#include "simulate/split_level.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;

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

/// The nodes of each box that hang together: its aggregate's number; returns the sizes.
template <class Rows>
std::vector<std::int32_t> flood(const Rows& A, const std::vector<std::int32_t>& order,
                                const std::vector<std::uint64_t>& key, std::vector<std::int32_t>& of) {
  of.assign(order.size(), -1);
  std::vector<std::int32_t> stack, size, columns;
  for (const auto seed : order) {
    if (of[seed] >= 0) continue;
    const auto number = static_cast<std::int32_t>(size.size());
    stack.assign(1, seed);
    of[seed] = number;
    size.push_back(0);
    while (!stack.empty()) {
      const auto n = stack.back();
      stack.pop_back();
      ++size.back();
      A.touched(n, columns);
      for (const auto m : columns) {
        if (of[m] >= 0 || key[m] != key[n]) continue;
        of[m] = number;
        stack.push_back(m);
      }
    }
  }
  return size;
}

Members membersOf(std::vector<std::int32_t> of, std::int32_t count) {
  Members members;
  members.start.assign(static_cast<std::size_t>(count + 1), 0);
  members.node.resize(of.size());
  for (auto a : of) ++members.start[a + 1];
  std::partial_sum(members.start.begin(), members.start.end(), members.start.begin());
  auto next = members.start;
  for (std::size_t n = 0; n < of.size(); ++n) members.node[next[of[n]]++] = static_cast<std::int32_t>(n);
  members.of = std::move(of);
  return members;
}

/// Boxes split into what hangs together in the matrix; pieces too small to move like a rigid body join a neighbour.
template <class Rows>
Members gather(const Rows& A, const std::vector<Eigen::Vector3f>& position, double width) {
  constexpr int B = Rows::kBlock;
  std::vector<std::uint64_t> key;
  const auto order = sortByBox(position, width, key);
  std::vector<std::int32_t> of;
  auto size = flood(A, order, key, of);
  constexpr int kLeast = B == 3 ? 4 : 2;  // nodes; three points in a line turn freely
  std::vector<std::int32_t> columns;
  std::vector<float> blocks;
  for (std::size_t n = 0; n < position.size(); ++n) {
    const auto own = of[n];
    if (size[own] >= kLeast) continue;
    float best = 0;
    std::int32_t to = own;
    A.row(static_cast<Index>(n), columns, blocks);
    for (std::size_t b = 0; b < columns.size(); ++b) {
      const auto other = of[columns[b]];
      if (size[other] < kLeast) continue;
      const float strength = Eigen::Map<const Block<B, B>>(blocks.data() + B * B * b).squaredNorm();
      if (strength > best) best = strength, to = other;
    }
    if (to != own) --size[own], ++size[to], of[n] = to;
  }
  std::vector<std::int32_t> renumbered(size.size(), -1);
  std::int32_t count = 0;
  for (const auto n : order) {
    auto& r = renumbered[of[n]];
    if (r < 0) r = count++;
  }
  for (auto& a : of) a = renumbered[a];
  return membersOf(std::move(of), count);
}

/// Orthonormal rigid motions of each aggregate (B×6 blocks of the nodes) and what the old modes are in them. Motions
/// that an aggregate can't tell apart are dropped: their columns are zero.
template <int B>
std::vector<float> orthonormalise(const Members& members, const std::vector<float>& modes,
                                  std::vector<float>& coarse_modes) {
  const Index count = members.count();
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

/// Rows of R×C blocks, one after the other.
template <int R, int C>
struct RowList {
  std::vector<Index> start = {0};
  std::vector<std::int32_t> column;
  std::vector<float> value;
  Eigen::Map<const Block<R, C>> block(Index b) const { return Eigen::Map<const Block<R, C>>(value.data() + b * R * C); }
};

/// Builds rows in fixed chunks; fill(row, builder).
template <int R, int C, class Fill>
RowList<R, C> buildRows(Index rows, Index columns, Index chunk, const Fill& fill) {
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
  RowList<R, C> A;
  std::size_t blocks = 0;
  for (const auto& part : parts) blocks += part.column.size();
  A.start.reserve(static_cast<std::size_t>(rows + 1)), A.column.reserve(blocks), A.value.reserve(blocks * R * C);
  for (auto& part : parts) {
    for (const auto n : part.count) A.start.push_back(A.start.back() + n);
    A.column.insert(A.column.end(), part.column.begin(), part.column.end());
    A.value.insert(A.value.end(), part.value.begin(), part.value.end());
    part = {};
  }
  return A;
}

/// A sorted list of rows, each once, and where they stand in it.
class RowSet {
 public:
  explicit RowSet(Index rows) : slot_(static_cast<std::size_t>(rows), -1) {}
  void clear() {
    for (const auto r : list_) slot_[r] = -1;
    list_.clear();
  }
  void add(std::int32_t r) {
    if (slot_[r] >= 0) return;
    slot_[r] = 0;
    list_.push_back(r);
  }
  void sort() {
    std::sort(list_.begin(), list_.end());
    for (std::size_t s = 0; s < list_.size(); ++s) slot_[list_[s]] = static_cast<std::int32_t>(s);
  }
  /// Adds the neighbours of all its rows.
  template <class Rows>
  void grow(const Rows& A) {
    std::vector<std::int32_t> columns;
    const std::size_t before = list_.size();
    for (std::size_t s = 0; s < before; ++s) {
      A.touched(list_[s], columns);
      for (const auto c : columns) add(c);
    }
    sort();
  }
  Index size() const { return static_cast<Index>(list_.size()); }
  std::int32_t operator[](Index s) const { return list_[s]; }
  std::int32_t find(std::int32_t r) const { return slot_[r]; }

 private:
  std::vector<std::int32_t> slot_, list_;
};

constexpr Index kLeastRows = 30000, kMostPieces = 6;  // of the finer level, whose products wait in memory

/// PᵀA P, some aggregates at a time: their rows of P and of A P are made, used and forgotten.
template <class Rows>
class TripleProduct {
 public:
  static constexpr int B = Rows::kBlock;
  TripleProduct(const Rows& A, const std::vector<float>& inverse_diagonal, const Interpolation<B>& T)
      : A_(A), inverse_(inverse_diagonal), T_(T), reached_(A.rows()), needed_(A.rows()) {}

  BlockMatrix<6> compute() {
    const Index count = T_.members.count(), pieces = std::clamp<Index>(A_.rows() / kLeastRows, 1, kMostPieces);
    BlockMatrix<6> out;
    out.start.assign(1, 0);
    for (Index p = 0; p < pieces; ++p) {
      const auto part = piece(count * p / pieces, count * (p + 1) / pieces);
      for (std::size_t r = 1; r < part.start.size(); ++r)
        out.start.push_back(out.start.back() + part.start[r] - part.start[r - 1]);
      out.column.insert(out.column.end(), part.column.begin(), part.column.end());
      out.value.insert(out.value.end(), part.value.begin(), part.value.end());
    }
    return out;
  }

 private:
  const Rows& A_;
  const std::vector<float>& inverse_;
  const Interpolation<B>& T_;
  RowSet reached_, needed_;  ///< rows where the piece's columns of P are not zero, and those that A takes them to

  /// Rows of P for all of needed_.
  RowList<B, 6> interpolationRows() const {
    return buildRows<B, 6>(needed_.size(), T_.members.count(), kRowChunk, [&](Index s, auto& row) {
      const Index r = needed_[s];
      thread_local std::vector<std::int32_t> c;
      thread_local std::vector<float> v;
      A_.row(r, c, v);
      for (std::size_t b = 0; b < c.size(); ++b)
        row.at(T_.members.of[c[b]]).noalias() +=
            Eigen::Map<const Block<B, B>>(v.data() + B * B * b).lazyProduct(T_.block(c[b]));
      const Block<B, B> D = -T_.omega * Eigen::Map<const Block<B, B>>(inverse_.data() + B * B * r);
      row.forEach([&](auto block) { block = (D * block).eval(); });
      row.at(T_.members.of[r]) += T_.block(r);
    });
  }

  RowList<6, 6> piece(Index first, Index last) {
    reached_.clear();
    for (Index a = first; a < last; ++a)
      for (auto m = T_.members.start[a]; m < T_.members.start[a + 1]; ++m) reached_.add(T_.members.node[m]);
    reached_.grow(A_);
    needed_.clear();
    for (Index s = 0; s < reached_.size(); ++s) needed_.add(reached_[s]);
    needed_.grow(A_);
    const auto P = interpolationRows();
    const auto AP = buildRows<B, 6>(reached_.size(), T_.members.count(), kRowChunk, [&](Index s, auto& row) {
      thread_local std::vector<std::int32_t> c;
      thread_local std::vector<float> v;
      A_.row(reached_[s], c, v);
      for (std::size_t b = 0; b < c.size(); ++b) {
        const Eigen::Map<const Block<B, B>> M(v.data() + B * B * b);
        const auto at = needed_.find(c[b]);
        for (auto p = P.start[at]; p < P.start[at + 1]; ++p) row.at(P.column[p]).noalias() += M.lazyProduct(P.block(p));
      }
    });
    // Where the columns of P have their blocks: row of AP and block of P.
    std::vector<Index> start(static_cast<std::size_t>(last - first + 1), 0);
    const auto forEachBlock = [&](const auto& use) {
      for (Index s = 0; s < reached_.size(); ++s) {
        const auto at = needed_.find(reached_[s]);
        for (auto p = P.start[at]; p < P.start[at + 1]; ++p)
          if (P.column[p] >= first && P.column[p] < last) use(P.column[p] - first, s, p);
      }
    };
    forEachBlock([&](Index a, Index, Index) { ++start[a + 1]; });
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<std::pair<std::int32_t, Index>> of(static_cast<std::size_t>(start.back()));
    auto next = start;
    forEachBlock([&](Index a, Index s, Index p) { of[next[a]++] = {static_cast<std::int32_t>(s), p}; });
    return buildRows<6, 6>(last - first, T_.members.count(), 64, [&](Index a, auto& row) {
      for (auto q = start[a]; q < start[a + 1]; ++q)
        for (auto b = AP.start[of[q].first]; b < AP.start[of[q].first + 1]; ++b)
          row.at(AP.column[b]).noalias() += P.block(of[q].second).transpose().lazyProduct(AP.block(b));
    });
  }
};

/// Drops motions whose energy is but rounding, as of pieces that touch held nodes only: their columns in T and their
/// rows and columns in A become zero.
template <int B>
void dropFloating(const SymmetricMatrix<B>& fine, Interpolation<B>& T, BlockMatrix<6>& A) {
  constexpr float kRounding = 1e-5F;  // of the energy that the nodes would have each alone
  std::vector<float> alone(static_cast<std::size_t>(A.rows()) * 6, 0.0F);
  for (Index r = 0; r < fine.rows(); ++r)
    for (int c = 0; c < 6; ++c)
      alone[6 * T.members.of[r] + c] +=
          (fine.diagonal(r).diagonal().array() * T.block(r).col(c).array().square()).sum();
  std::vector<std::uint8_t> is_kept(alone.size(), 0);
  for (Index a = 0; a < A.rows(); ++a)
    for (auto b = A.start[a]; b < A.start[a + 1]; ++b)
      if (A.column[b] == a)
        for (int c = 0; c < 6; ++c) is_kept[6 * a + c] = A.block(b)(c, c) > kRounding * alone[6 * a + c];
  for (Index r = 0; r < fine.rows(); ++r)
    for (int c = 0; c < 6; ++c)
      if (!is_kept[6 * T.members.of[r] + c]) Eigen::Map<Block<B, 6>>(T.tentative.data() + 6 * B * r).col(c).setZero();
  for (Index a = 0; a < A.rows(); ++a)
    for (auto b = A.start[a]; b < A.start[a + 1]; ++b)
      for (int c = 0; c < 6; ++c) {
        if (!is_kept[6 * a + c]) A.block(b).row(c).setZero();
        if (!is_kept[6 * std::size_t(A.column[b]) + c]) A.block(b).col(c).setZero();
      }
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

template <class Rows>
CoarseLevel<Rows::kBlock> coarsen(const Rows& rows, const SymmetricMatrix<Rows::kBlock>& half,
                                  const std::vector<float>& inverse_diagonal, const Gathering& gathering) {
  constexpr int B = Rows::kBlock;
  CoarseLevel<B> coarse;
  auto& T = coarse.interpolation;
  T.members = gather(rows, gathering.position, gathering.width);
  T.tentative = orthonormalise<B>(T.members, gathering.modes, coarse.modes);
  T.omega = static_cast<float>(4.0 / 3 / gathering.largest);
  coarse.A = TripleProduct<Rows>(rows, inverse_diagonal, T).compute();
  dropFloating<B>(half, T, coarse.A);
  coarse.position.assign(static_cast<std::size_t>(T.members.count()), Eigen::Vector3f::Zero());
  for (std::size_t n = 0; n < gathering.position.size(); ++n) coarse.position[T.members.of[n]] += gathering.position[n];
  for (std::int32_t a = 0; a < T.members.count(); ++a)
    coarse.position[a] /= static_cast<float>(T.members.start[a + 1] - T.members.start[a]);
  return coarse;
}

template CoarseLevel<3> coarsen<GalerkinRows>(const GalerkinRows&, const SymmetricMatrix<3>&, const std::vector<float>&,
                                              const Gathering&);
template CoarseLevel<6> coarsen<BlockMatrix<6>>(const BlockMatrix<6>&, const SymmetricMatrix<6>&,
                                                const std::vector<float>&, const Gathering&);

template <int B>
std::vector<float> invertDiagonal(const SymmetricMatrix<B>& A) {
  std::vector<float> inverse(static_cast<std::size_t>(A.rows()) * B * B, 0.0F);
  core::parallelChunks(A.rows(), kRowChunk, [&](Index first, Index last, Index) {
    for (Index r = first; r < last; ++r) {
      const Eigen::Matrix<double, B, B> D = A.diagonal(r).template cast<double>();
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
template std::vector<float> invertDiagonal<3>(const SymmetricMatrix<3>&);
template std::vector<float> invertDiagonal<6>(const SymmetricMatrix<6>&);

}  // namespace osteo::simulate
