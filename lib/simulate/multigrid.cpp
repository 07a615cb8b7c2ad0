#include "simulate/multigrid.h"

#include <Eigen/Dense>
#include <cmath>
#include <cstring>

#include "core/random.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;
constexpr Index kDirect = 1200;        // unknowns that a dense factor takes
constexpr double kWidth = 3;           // nodes of a level along the edge of an aggregate
constexpr int kPowerSteps = 10;        // towards the largest eigenvalue; the cycle bears 10 % too little
constexpr int kStoredPowerSteps = 25;  // of stored levels, where a step costs less and a mode may be local
constexpr double kMargin = 1.08;       // over what they find
constexpr Index kNodeChunk = 4096;

/// The upper 16 bits of a float: smoothing needs no more of the inverses of diagonal blocks.
using Half = std::uint16_t;
Half toHalf(float v) {
  std::uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return static_cast<Half>((bits + 0x8000U) >> 16);
}
inline float fromHalf(Half v) {
  const std::uint32_t bits = std::uint32_t{v} << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

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
  using Vector = Eigen::Matrix<float, B, 1>;
  SymmetricMatrix<B> A;
  std::vector<float> inverse_diagonal;
  Smoothing smoothing;
  int width = 0;                     ///< vectors that are worked on at once, side by side in each row
  std::vector<float> x, b, p, y, q;  ///< B values for each vector of each row

  void prepare() {
    inverse_diagonal = invertDiagonal(A);
    setWidth(1);
    smoothing.largest = kMargin * largestEigenvalue();
  }
  void setWidth(int vectors) {
    if (vectors == width) return;
    width = vectors;
    for (auto* v : {&x, &b, &p, &y, &q}) v->assign(static_cast<std::size_t>(A.rows() * B * width), 0.0F);
  }

  Vector scaled(Index r, const Vector& v) const {
    return Eigen::Map<const Block<B, B>>(inverse_diagonal.data() + B * B * r).lazyProduct(v);
  }
  /// Place i of a vector: row · width + number.
  static Eigen::Map<Vector> at(std::vector<float>& v, Index i) { return Eigen::Map<Vector>(v.data() + B * i); }
  static Eigen::Map<const Vector> at(const std::vector<float>& v, Index i) {
    return Eigen::Map<const Vector>(v.data() + B * i);
  }
  /// Calls body(row, place) for all vectors.
  template <class Body>
  void forEachRow(const Body& body) const {
    core::parallelChunks(A.rows(), kRowChunk, [&](Index first, Index last, Index) {
      for (Index r = first; r < last; ++r)
        for (Index i = r * width; i < (r + 1) * width; ++i) body(r, i);
    });
  }
  void multiply(const std::vector<float>& from, std::vector<float>& to) const {
    A.multiply(from.data(), to.data(), width);
  }

  double largestEigenvalue() {
    const core::Random random(1);
    for (Index n = 0; n < A.rows() * B; ++n) x[n] = static_cast<float>(random.uniform(n) - 0.5);
    double value = 0;
    for (int step = 0; step < kStoredPowerSteps; ++step) {
      multiply(x, y);
      const double sum = core::parallelSum(A.rows(), kRowChunk, [&](Index first, Index last) {
        double part = 0;
        for (Index r = first; r < last; ++r) {
          at(p, r) = scaled(r, at(y, r));
          part += double(at(p, r).squaredNorm());
        }
        return part;
      });
      value = std::sqrt(sum);
      const float factor = value > 0 ? static_cast<float>(1 / value) : 0.0F;
      forEachRow([&](Index, Index i) { at(x, i) = factor * at(p, i); });
    }
    return value;
  }

  void smooth(bool from_zero) {
    Steps steps(smoothing);
    for (int step = 0; step < smoothing.degree; ++step) {
      const auto [old, fresh] = step == 0 ? std::array<float, 2>{0, static_cast<float>(1 / steps.theta)} : steps.next();
      if (from_zero && step == 0) {
        forEachRow([&, fresh = fresh](Index r, Index i) { at(x, i) = at(p, i) = fresh * scaled(r, at(b, i)); });
        continue;
      }
      multiply(x, y);
      forEachRow([&, old = old, fresh = fresh](Index r, Index i) {
        Vector z = fresh * scaled(r, at(b, i) - at(y, i));
        if (step > 0) z += old * at(p, i);
        at(p, i) = z;
        at(x, i) += z;
      });
    }
  }

  double bytes() const { return A.bytes() + double((inverse_diagonal.size() + 5 * x.size()) * sizeof(float)); }
};

/// to.b = Pᵀ (b − A x), with Pᵀ = Tᵀ (1 − ω A D⁻¹).
template <int B>
void restrictResidual(const Interpolation<B>& T, StoredLevel<B>& from, StoredLevel<6>& to) {
  from.multiply(from.x, from.y);
  from.forEachRow([&](Index r, Index i) {
    from.at(from.y, i) = from.at(from.b, i) - from.at(from.y, i);
    from.at(from.p, i) = from.scaled(r, from.at(from.y, i));
  });
  from.multiply(from.p, from.q);
  const int width = from.width;
  core::parallelChunks(T.members.count(), kRowChunk / 8, [&](Index first, Index last, Index) {
    for (Index a = first; a < last; ++a)
      for (int k = 0; k < width; ++k) {
        Eigen::Matrix<float, 6, 1> sum = Eigen::Matrix<float, 6, 1>::Zero();
        for (auto m = T.members.start[a]; m < T.members.start[a + 1]; ++m) {
          const Index r = T.members.node[m], i = r * width + k;
          const typename StoredLevel<B>::Vector v = from.at(from.y, i) - T.omega * from.at(from.q, i);
          sum.noalias() += T.block(r).transpose().lazyProduct(v);
        }
        to.at(to.b, a * width + k) = sum;
      }
  });
}

/// to.x += P from.x
template <int B>
void prolong(const Interpolation<B>& T, const StoredLevel<6>& from, StoredLevel<B>& to) {
  const int width = to.width;
  to.forEachRow([&](Index r, Index i) {
    to.at(to.p, i) = T.block(r).lazyProduct(from.at(from.x, T.members.of[r] * Index{width} + i - r * width));
  });
  to.multiply(to.p, to.y);
  to.forEachRow([&](Index r, Index i) { to.at(to.x, i) += to.at(to.p, i) - T.omega * to.scaled(r, to.at(to.y, i)); });
}

/// Dense factor of the last level.
struct Direct {
  Eigen::LDLT<Eigen::MatrixXd> factor;
  std::vector<bool> is_void;

  template <int B>
  explicit Direct(const SymmetricMatrix<B>& A) {
    Eigen::MatrixXd D = Eigen::MatrixXd::Zero(A.rows() * B, A.rows() * B);
    for (Index r = 0; r < A.rows(); ++r)
      for (auto b = A.start[r]; b < A.start[r + 1]; ++b) {
        const Index c = A.column[b];
        D.block<B, B>(B * r, B * c) = A.block(b).template cast<double>();
        if (c != r) D.block<B, B>(B * c, B * r) = D.block<B, B>(B * r, B * c).transpose();
      }
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
  template <int B>
  void solve(StoredLevel<B>& level) const {
    Eigen::VectorXd v(factor.rows());
    for (int k = 0; k < level.width; ++k) {
      const auto place = [&](Index n) { return (n / B * level.width + k) * B + n % B; };
      for (Index n = 0; n < v.size(); ++n) v[n] = is_void[n] ? 0.0 : double(level.b[place(n)]);
      v = factor.solve(v);
      for (Index n = 0; n < v.size(); ++n) level.x[place(n)] = is_void[n] ? 0.0F : static_cast<float>(v[n]);
    }
  }
};

}  // namespace

struct Multigrid::Parts {
  const Operator& K;
  const std::vector<std::uint8_t>& held;
  const Ties& ties;
  std::vector<Half> inverse;  // 3×3 blocks of the voxels' nodes: xx yy zz yz xz xy, six arrays
  Smoothing smoothing;
  int damped = 0;
  FloatField p, t;
  SplitLevel split;
  StoredLevel<3> first;
  Interpolation<3> to_first;
  std::vector<std::unique_ptr<StoredLevel<6>>> rest;
  std::vector<Interpolation<6>> between;
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
  inverse.assign(static_cast<std::size_t>(6 * s), 0);
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
      for (int c = 0; c < 6; ++c) inverse[c * s + n] = toHalf(static_cast<float>(adjoint[c] / d));
      for (int c = 0; c < 3; ++c)
        if (held[n] >> c & 1) inverse[c * s + n] = 0;
    }
  });
}

/// p = old·p + fresh·D⁻¹ (b − t), x += p for the nodes of a chunk.
template <bool kFirst, bool kZero>
void step(const Half* m, const float* b, const float* t, float* p, float* x, Index s, Index begin, Index end, float old,
          float fresh) {
  for (Index n = begin; n < end; ++n) {
    float r0 = b[n], r1 = b[s + n], r2 = b[2 * s + n];
    if (!kZero) r0 -= t[n], r1 -= t[s + n], r2 -= t[2 * s + n];
    const float xx = fromHalf(m[n]), yy = fromHalf(m[s + n]), zz = fromHalf(m[2 * s + n]);
    const float yz = fromHalf(m[3 * s + n]), xz = fromHalf(m[4 * s + n]), xy = fromHalf(m[5 * s + n]);
    float z0 = fresh * (xx * r0 + xy * r1 + xz * r2);
    float z1 = fresh * (xy * r0 + yy * r1 + yz * r2);
    float z2 = fresh * (xz * r0 + yz * r1 + zz * r2);
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
  CoarseLevel<3> gathered;
  {
    const GalerkinRows rows(K.model(), split, held);
    first.A = upperHalf(rows);
    first.prepare();
    if (first.A.rows() * 3 <= kDirect) {
      direct = std::make_unique<Direct>(first.A);
      return;
    }
    const auto modes = rigidModes(split.position, K.model().frame.spacing_mm.cast<float>());
    gathered = coarsen(rows, first.A, first.inverse_diagonal, {split.position, modes, kWidth, first.smoothing.largest});
    to_first = std::move(gathered.interpolation);
  }
  CoarseLevel<6> coarse{{}, std::move(gathered.A), std::move(gathered.position), std::move(gathered.modes)};
  for (double width = kWidth * kWidth;; width *= kWidth) {
    rest.push_back(std::make_unique<StoredLevel<6>>());
    auto& level = *rest.back();
    level.A = upperHalf(coarse.A);
    level.prepare();
    if (level.A.rows() * 6 <= kDirect) break;
    auto next = coarsen(coarse.A, level.A, level.inverse_diagonal,
                        {coarse.position, coarse.modes, width, level.smoothing.largest});
    if (next.A.rows() == level.A.rows()) return;  // pieces that nothing joins: smoothing has to do
    between.push_back(std::move(next.interpolation));
    coarse = std::move(next);
  }
  direct = std::make_unique<Direct>(rest.back()->A);
}

void Multigrid::Parts::cycleRest(std::size_t level) {
  auto& own = *rest[level];
  if (level + 1 == rest.size() && direct) {
    direct->solve(own);
    return;
  }
  own.smooth(true);
  if (level + 1 < rest.size()) {
    restrictResidual(between[level], own, *rest[level + 1]);
    cycleRest(level + 1);
    prolong(between[level], *rest[level + 1], own);
  }
  own.smooth(false);
}

void Multigrid::Parts::cycleFirst() {
  if (rest.empty()) {
    direct->solve(first);
    return;
  }
  first.smooth(true);
  restrictResidual(to_first, first, *rest[0]);
  cycleRest(0);
  prolong(to_first, *rest[0], first);
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

void Multigrid::apply(const std::vector<const FloatField*>& r, const std::vector<FloatField*>& z) {
  auto& m = *parts_;
  const int width = static_cast<int>(r.size());
  m.first.setWidth(width);
  for (auto& level : m.rest) level->setWidth(width);
  for (int k = 0; k < width; ++k) {
    m.smooth(*r[k], *z[k], true);
    m.multiply(*z[k], m.t);
    core::parallelChunks(static_cast<Index>(m.t.size()), kNodeChunk, [&](Index begin, Index end, Index) {
      for (Index n = begin; n < end; ++n) m.t[n] = (*r[k])[n] - m.t[n];
    });
    restrictTo(m.split, m.t, m.K.stride(), m.held, {m.first.b, k, width});
  }
  m.cycleFirst();
  for (int k = 0; k < width; ++k) {
    prolongAdd(m.split, {m.first.x, k, width}, m.K.stride(), m.held, *z[k]);
    m.ties.spread(*z[k], m.K.stride());
    m.smooth(*r[k], *z[k], false);
  }
}

void Multigrid::applyDiagonal(const FloatField& r, FloatField& z) const {
  auto& m = *parts_;
  const Index s = m.K.stride();
  core::parallelChunks(m.K.nodes(), kNodeChunk, [&](Index begin, Index end, Index) {
    step<true, true>(m.inverse.data(), r.data(), r.data(), m.p.data(), z.data(), s, begin, end, 0, 1);
  });
  m.ties.spread(z, s);
}

bool Multigrid::damp() {
  constexpr int kOften = 4;
  constexpr double kMore = 1.3;
  auto& m = *parts_;
  if (m.damped == kOften) return false;
  ++m.damped;
  m.smoothing.largest *= kMore;
  m.first.smoothing.largest *= kMore;
  for (auto& level : m.rest) level->smoothing.largest *= kMore;
  return true;
}

double Multigrid::bytes() const {
  const auto& m = *parts_;
  double sum = double(m.inverse.size() * sizeof(Half) + (m.p.size() + m.t.size()) * sizeof(float)) + m.split.bytes() +
               m.first.bytes();
  sum += m.to_first.bytes();
  for (const auto& level : m.rest) sum += level->bytes();
  for (const auto& transfer : m.between) sum += transfer.bytes();
  return m.direct ? sum + double(m.direct->factor.rows() * m.direct->factor.rows()) * sizeof(double) : sum;
}

std::vector<std::int64_t> Multigrid::levels() const {
  std::vector<std::int64_t> out = {3 * parts_->K.nodes(), 3 * parts_->first.A.rows()};
  for (const auto& level : parts_->rest) out.push_back(6 * level->A.rows());
  return out;
}

}  // namespace osteo::simulate
