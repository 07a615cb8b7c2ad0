#include "simulate/multigrid.h"

#include <Eigen/Dense>
#include <cmath>

#include "core/random.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;
constexpr Index kDirect = 1200;   // unknowns that a dense factor takes
constexpr double kWidth = 3;      // nodes of a level along the edge of an aggregate
constexpr int kPowerSteps = 20;   // towards the largest eigenvalue
constexpr double kMargin = 1.05;  // over what they find
constexpr Index kNodeChunk = 4096;

/// The steps of Chebyshev's iteration: p = first·p + second·D⁻¹ r.
struct Steps {
  double theta, delta, sigma, rho;
  explicit Steps(const Smoothing& s)
      : theta(0.5 * (s.largest + s.largest / s.ratio)),
        delta(0.5 * (s.largest - s.largest / s.ratio)),
        sigma(theta / delta),
        rho(1 / sigma) {}
  std::array<float, 2> next() {
    const double n = 1 / (2 * sigma - rho);
    const std::array<float, 2> out = {static_cast<float>(n * rho), static_cast<float>(2 * n / delta)};
    rho = n;
    return out;
  }
};

/// A level with a stored matrix.
template <int B>
struct StoredLevel {
  BlockMatrix<B, B> A;
  std::vector<float> inverse_diagonal;
  Smoothing smoothing;
  std::vector<float> x, b, p;

  void prepare(double ratio, int degree) {
    inverse_diagonal = invertDiagonal(A);
    for (auto* v : {&x, &b, &p}) v->assign(static_cast<std::size_t>(A.rows() * B + 8), 0.0F);
    smoothing = {kMargin * largestEigenvalue(), ratio, degree};
  }

  Eigen::Matrix<float, B, 1> scaled(Index r, const Eigen::Matrix<float, B, 1>& v) const {
    return Eigen::Map<const Block<B, B>>(inverse_diagonal.data() + B * B * r).lazyProduct(v);
  }
  Eigen::Map<Eigen::Matrix<float, B, 1>> at(std::vector<float>& v, Index r) const {
    return Eigen::Map<Eigen::Matrix<float, B, 1>>(v.data() + B * r);
  }

  double largestEigenvalue() {
    const core::Random random(1);
    for (Index n = 0; n < A.rows() * B; ++n) x[n] = static_cast<float>(random.uniform(n) - 0.5);
    double value = 0;
    for (int step = 0; step < kPowerSteps; ++step) {
      const double sum = core::parallelSum(A.rows(), kRowChunk, [&](Index first, Index last) {
        double part = 0;
        for (Index r = first; r < last; ++r) {
          at(p, r) = scaled(r, A.rowTimes(r, x.data()));
          part += double(at(p, r).squaredNorm());
        }
        return part;
      });
      value = std::sqrt(sum);
      const float factor = value > 0 ? static_cast<float>(1 / value) : 0.0F;
      core::parallelChunks(A.rows() * B, kNodeChunk, [&](Index first, Index last, Index) {
        for (Index n = first; n < last; ++n) x[n] = factor * p[n];
      });
    }
    return value;
  }

  void smooth(bool from_zero) {
    Steps steps(smoothing);
    for (int step = 0; step < smoothing.degree; ++step) {
      const auto [old, fresh] = step == 0 ? std::array<float, 2>{0, static_cast<float>(1 / steps.theta)} : steps.next();
      const bool is_start = from_zero && step == 0;
      core::parallelChunks(A.rows(), kRowChunk, [&, old = old, fresh = fresh](Index first, Index last, Index) {
        for (Index r = first; r < last; ++r) {
          Eigen::Matrix<float, B, 1> residual = at(b, r);
          if (!is_start) residual -= A.rowTimes(r, x.data());
          const Eigen::Matrix<float, B, 1> z = fresh * scaled(r, residual);
          if (step == 0)
            at(p, r) = z;
          else
            at(p, r) = old * at(p, r) + z;
        }
      });
      core::parallelChunks(A.rows() * B, kNodeChunk, [&](Index first, Index last, Index) {
        if (is_start)
          for (Index n = first; n < last; ++n) x[n] = p[n];
        else
          for (Index n = first; n < last; ++n) x[n] += p[n];
      });
    }
  }

  double bytes() const {
    return A.bytes() + double((inverse_diagonal.size() + x.size() + b.size() + p.size()) * sizeof(float));
  }
};

/// Interpolation between two stored levels.
template <int B>
struct Transfer {
  BlockMatrix<B, 6> P;
  ColumnIndex index;

  /// to.b = Pᵀ (b − A x)
  void restrictResidual(StoredLevel<B>& from, StoredLevel<6>& to) const {
    core::parallelChunks(from.A.rows(), kRowChunk, [&](Index first, Index last, Index) {
      for (Index r = first; r < last; ++r) from.at(from.p, r) = from.at(from.b, r) - from.A.rowTimes(r, from.x.data());
    });
    core::parallelChunks(P.columns, kRowChunk / 8, [&](Index first, Index last, Index) {
      for (Index c = first; c < last; ++c) {
        Eigen::Matrix<float, 6, 1> sum = Eigen::Matrix<float, 6, 1>::Zero();
        for (auto q = index.start[c]; q < index.start[c + 1]; ++q)
          sum.noalias() += P.block(index.block[q]).transpose().lazyProduct(from.at(from.p, index.row[q]));
        to.at(to.b, c) = sum;
      }
    });
  }
  void prolong(const StoredLevel<6>& from, StoredLevel<B>& to) const {
    core::parallelChunks(P.rows(), kRowChunk, [&](Index first, Index last, Index) {
      for (Index r = first; r < last; ++r) to.at(to.x, r) += P.rowTimes(r, from.x.data());
    });
  }
  double bytes() const { return P.bytes() + index.bytes(); }
};

/// Dense factor of the last level.
struct Direct {
  Eigen::LDLT<Eigen::MatrixXd> factor;
  std::vector<bool> is_void;

  template <int B>
  explicit Direct(const BlockMatrix<B, B>& A) {
    Eigen::MatrixXd D = Eigen::MatrixXd::Zero(A.rows() * B, A.rows() * B);
    for (Index r = 0; r < A.rows(); ++r)
      for (auto b = A.start[r]; b < A.start[r + 1]; ++b)
        D.block<B, B>(B * r, B * Index{A.column[b]}) = A.block(b).template cast<double>();
    D = (0.5 * (D + D.transpose())).eval();
    const double most = D.diagonal().maxCoeff();
    is_void.resize(static_cast<std::size_t>(D.rows()));
    // Motions that hardly any material takes part in stay where they are; the rest gets a whiff of its diagonal.
    for (Index n = 0; n < D.rows(); ++n) {
      is_void[n] = !(D(n, n) > 1e-7 * most);
      if (is_void[n]) {
        D.row(n).setZero();
        D.col(n).setZero();
        D(n, n) = most;
      } else {
        D(n, n) *= 1 + 1e-6;
      }
    }
    factor.compute(D);
  }
  void solve(const std::vector<float>& b, std::vector<float>& x) const {
    Eigen::VectorXd v(factor.rows());
    for (Index n = 0; n < v.size(); ++n) v[n] = is_void[n] ? 0.0 : double(b[n]);
    v = factor.solve(v);
    for (Index n = 0; n < v.size(); ++n) x[n] = is_void[n] ? 0.0F : static_cast<float>(v[n]);
  }
};

}  // namespace

struct Multigrid::Parts {
  const Operator& K;
  const std::vector<std::uint8_t>& held;
  const Ties& ties;
  std::vector<float> inverse;  // 3×3 blocks of the voxels' nodes: xx yy zz yz xz xy, six arrays
  Smoothing smoothing;
  FloatField p, t;
  SplitLevel split;
  StoredLevel<3> first;
  std::unique_ptr<Transfer<3>> to_first;
  std::vector<std::unique_ptr<StoredLevel<6>>> rest;
  std::vector<std::unique_ptr<Transfer<6>>> between;
  std::unique_ptr<Direct> direct;

  Parts(const Operator& op, const std::vector<std::uint8_t>& is_held, const Ties& tied)
      : K(op), held(is_held), ties(tied) {}
  /// y = K x for spread x, folded.
  void multiply(const FloatField& x, FloatField& y) const {
    K.apply(x, y);
    ties.fold(y, K.stride());
  }
  void invertBlocks();
  void buildCoarse();
  double largestEigenvalue();
  void smooth(const FloatField& b, FloatField& x, bool from_zero);
  void cycleFirst();
  void cycleRest(std::size_t level);
};

/// Inverses of the diagonal blocks over the free components.
void Multigrid::Parts::invertBlocks() {
  const Index s = K.stride();
  auto blocks = K.diagonalBlocks();
  ties.fold(blocks, s, 6);
  inverse.assign(static_cast<std::size_t>(6 * s), 0.0F);
  core::parallelChunks(K.nodes(), kNodeChunk, [&](Index begin, Index end, Index) {
    for (Index n = begin; n < end; ++n) {
      std::array<double, 6> m;  // xx yy zz yz xz xy
      for (int c = 0; c < 6; ++c) m[c] = blocks[c * s + n];
      for (int c = 0; c < 3; ++c)
        if (held[n] >> c & 1) {
          m[c] = 1;
          m[3 + (c + 1) % 3] = m[3 + (c + 2) % 3] = 0;
        }
      const double d =
          m[0] * m[1] * m[2] + 2 * m[3] * m[4] * m[5] - m[0] * m[3] * m[3] - m[1] * m[4] * m[4] - m[2] * m[5] * m[5];
      const std::array<double, 6> adjoint = {m[1] * m[2] - m[3] * m[3], m[0] * m[2] - m[4] * m[4],
                                             m[0] * m[1] - m[5] * m[5], m[4] * m[5] - m[0] * m[3],
                                             m[3] * m[5] - m[1] * m[4], m[3] * m[4] - m[2] * m[5]};
      if (!(d > 0)) continue;  // a copy of a tied node
      for (int c = 0; c < 6; ++c) inverse[c * s + n] = static_cast<float>(adjoint[c] / d);
      for (int c = 0; c < 3; ++c)
        if (held[n] >> c & 1) inverse[c * s + n] = 0;
    }
  });
}

/// p = old·p + fresh·D⁻¹ (b − t), x += p for the nodes of a chunk.
template <bool kFirst, bool kZero>
void step(const float* m, const float* b, const float* t, float* p, float* x, Index s, Index begin, Index end,
          float old, float fresh) {
  for (Index n = begin; n < end; ++n) {
    float r0 = b[n], r1 = b[s + n], r2 = b[2 * s + n];
    if (!kZero) r0 -= t[n], r1 -= t[s + n], r2 -= t[2 * s + n];
    float z0 = fresh * (m[n] * r0 + m[5 * s + n] * r1 + m[4 * s + n] * r2);
    float z1 = fresh * (m[5 * s + n] * r0 + m[s + n] * r1 + m[3 * s + n] * r2);
    float z2 = fresh * (m[4 * s + n] * r0 + m[3 * s + n] * r1 + m[2 * s + n] * r2);
    if (!kFirst) z0 += old * p[n], z1 += old * p[s + n], z2 += old * p[2 * s + n];
    p[n] = z0, p[s + n] = z1, p[2 * s + n] = z2;
    if (kZero)
      x[n] = z0, x[s + n] = z1, x[2 * s + n] = z2;
    else
      x[n] += z0, x[s + n] += z1, x[2 * s + n] += z2;
  }
}

void Multigrid::Parts::smooth(const FloatField& b, FloatField& x, bool from_zero) {
  Steps steps(smoothing);
  const Index s = K.stride();
  for (int k = 0; k < smoothing.degree; ++k) {
    const bool is_start = from_zero && k == 0;
    const auto [old, fresh] = k == 0 ? std::array<float, 2>{0, static_cast<float>(1 / steps.theta)} : steps.next();
    if (!is_start) multiply(x, t);
    core::parallelChunks(K.nodes(), kNodeChunk, [&, old = old, fresh = fresh](Index begin, Index end, Index) {
      const auto body = is_start ? step<true, true> : k == 0 ? step<true, false> : step<false, false>;
      body(inverse.data(), b.data(), t.data(), p.data(), x.data(), s, begin, end, old, fresh);
    });
    ties.spread(x, s);
  }
}

double Multigrid::Parts::largestEigenvalue() {
  const core::Random random(1);
  FloatField x(p.size(), 0.0F);
  const Index s = K.stride();
  for (Index n = 0; n < K.nodes(); ++n)
    for (int c = 0; c < 3; ++c) x[c * s + n] = static_cast<float>(random.uniform(3 * n + c) - 0.5);
  double value = 0;
  FloatField zero(p.size(), 0.0F);
  for (int k = 0; k < kPowerSteps; ++k) {
    ties.spread(x, s);
    multiply(x, t);
    core::parallelChunks(K.nodes(), kNodeChunk, [&](Index begin, Index end, Index) {
      step<true, false>(inverse.data(), zero.data(), t.data(), p.data(), x.data(), s, begin, end, 0, 1);
    });
    const double sum = core::parallelSum(static_cast<Index>(p.size()), 3 * kNodeChunk, [&](Index begin, Index end) {
      double part = 0;
      for (Index n = begin; n < end; ++n) part += double(p[n]) * double(p[n]);
      return part;
    });
    value = std::sqrt(sum);
    const float factor = static_cast<float>(-1 / value);
    core::parallelChunks(static_cast<Index>(p.size()), kNodeChunk, [&](Index begin, Index end, Index) {
      for (Index n = begin; n < end; ++n) x[n] = factor * p[n];
    });
  }
  return value;
}

void Multigrid::Parts::buildCoarse() {
  split = splitLevel(K.model(), ties);
  first.A = galerkin(K.model(), split, held);
  first.prepare(10, 2);
  if (first.A.rows() * 3 <= kDirect) {
    direct = std::make_unique<Direct>(first.A);
    return;
  }
  const auto modes = rigidModes(split.position, K.model().frame.spacing_mm.cast<float>());
  to_first = std::make_unique<Transfer<3>>();
  CoarseLevel coarse =
      coarsen(first.A, first.inverse_diagonal, first.smoothing.largest, split.position, modes, kWidth, to_first->P);
  to_first->index = columnIndex(to_first->P);
  double width = kWidth;
  for (;;) {
    rest.push_back(std::make_unique<StoredLevel<6>>());
    auto& level = *rest.back();
    level.A = std::move(coarse.A);
    level.prepare(10, 2);
    if (level.A.rows() * 6 <= kDirect) break;
    width *= kWidth;
    between.push_back(std::make_unique<Transfer<6>>());
    coarse = coarsen(level.A, level.inverse_diagonal, level.smoothing.largest, coarse.position, coarse.modes, width,
                     between.back()->P);
    between.back()->index = columnIndex(between.back()->P);
  }
  direct = std::make_unique<Direct>(rest.back()->A);
}

void Multigrid::Parts::cycleRest(std::size_t level) {
  auto& own = *rest[level];
  if (level + 1 == rest.size()) {
    direct->solve(own.b, own.x);
    return;
  }
  own.smooth(true);
  between[level]->restrictResidual(own, *rest[level + 1]);
  cycleRest(level + 1);
  between[level]->prolong(*rest[level + 1], own);
  own.smooth(false);
}

void Multigrid::Parts::cycleFirst() {
  if (rest.empty()) {
    direct->solve(first.b, first.x);
    return;
  }
  first.smooth(true);
  to_first->restrictResidual(first, *rest[0]);
  cycleRest(0);
  to_first->prolong(*rest[0], first);
  first.smooth(false);
}

Multigrid::Multigrid(const Operator& K, const std::vector<std::uint8_t>& held, const Ties& ties)
    : parts_(std::make_unique<Parts>(K, held, ties)) {
  parts_->buildCoarse();  // takes most memory: the vectors of the voxels come after it
  parts_->invertBlocks();
  parts_->p.assign(static_cast<std::size_t>(3 * K.stride()), 0.0F);
  parts_->t.assign(static_cast<std::size_t>(3 * K.stride()), 0.0F);
  parts_->smoothing = {kMargin * parts_->largestEigenvalue(), 10, 2};
}
Multigrid::~Multigrid() = default;

void Multigrid::apply(const FloatField& r, FloatField& z) {
  auto& m = *parts_;
  m.smooth(r, z, true);
  m.multiply(z, m.t);
  core::parallelChunks(static_cast<Index>(m.t.size()), kNodeChunk, [&](Index begin, Index end, Index) {
    for (Index n = begin; n < end; ++n) m.t[n] = r[n] - m.t[n];
  });
  restrictTo(m.split, m.t, m.K.stride(), m.held, m.first.b);
  m.cycleFirst();
  prolongAdd(m.split, m.first.x, m.K.stride(), m.held, z);
  m.ties.spread(z, m.K.stride());
  m.smooth(r, z, false);
}

void Multigrid::applyDiagonal(const FloatField& r, FloatField& z) const {
  auto& m = *parts_;
  const Index s = m.K.stride();
  core::parallelChunks(m.K.nodes(), kNodeChunk, [&](Index begin, Index end, Index) {
    step<true, true>(m.inverse.data(), r.data(), r.data(), m.p.data(), z.data(), s, begin, end, 0, 1);
  });
  m.ties.spread(z, s);
}

double Multigrid::bytes() const {
  const auto& m = *parts_;
  double sum = double((m.inverse.size() + m.p.size() + m.t.size()) * sizeof(float)) + m.split.bytes() + m.first.bytes();
  if (m.to_first) sum += m.to_first->bytes();
  for (const auto& level : m.rest) sum += level->bytes();
  for (const auto& transfer : m.between) sum += transfer->bytes();
  return sum + double(m.direct->factor.rows() * m.direct->factor.rows()) * sizeof(double);
}

std::vector<std::int64_t> Multigrid::levels() const {
  std::vector<std::int64_t> out = {3 * parts_->K.nodes(), 3 * parts_->first.A.rows()};
  for (const auto& level : parts_->rest) out.push_back(6 * level->A.rows());
  return out;
}

}  // namespace osteo::simulate
