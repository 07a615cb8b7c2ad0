#include "simulate/solver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "simulate/multigrid.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;
constexpr Index kChunk = 3 * 4096;   // values per partial sum
constexpr double kSmallest = 1e-13;  // relative residual below which rounding is all that is left

[[noreturn]] void notConverged(int iterations, double residual, double tolerance) {
  throw core::Error(core::Exit::DataError,
                    {.what = "the solver did not converge",
                     .file = {},
                     .expected = fmt::format("relative residual {:.1e}", tolerance),
                     .got = fmt::format("{:.2e} after {} iterations", residual, iterations),
                     .hint = "raise --max-iterations; loosely hanging parts or extreme contrast slow it down"});
}

std::vector<std::uint8_t> heldMask(const Operator& K, const std::vector<FixedDof>& fixed) {
  std::vector<std::uint8_t> held(static_cast<std::size_t>(K.stride()), 0);
  for (const auto& f : fixed) held[f.dof % K.stride()] |= static_cast<std::uint8_t>(1 << f.dof / K.stride());
  return held;
}

/// Several sums at once over fixed chunks, added in order.
template <std::size_t N, class Body>
std::array<double, N> sums(Index n, const Body& body) {
  std::vector<std::array<double, N>> parts(static_cast<std::size_t>((n + kChunk - 1) / kChunk));
  core::parallelChunks(n, kChunk, [&](Index first, Index last, Index c) { parts[c] = body(first, last); });
  std::array<double, N> total = {};
  for (const auto& part : parts)
    for (std::size_t i = 0; i < N; ++i) total[i] += part[i];
  return total;
}

}  // namespace

/// The squared error in the energy norm that is left, from the steps by which it fell: each step takes α (r, z) from
/// it.
class EnergyError {
 public:
  /// `scale` is twice the energy functional at the start.
  explicit EnergyError(double scale) : scale_(scale) {}
  void add(double step) {
    steps_.push_back(step);
    scale_ -= step;
  }
  /// Relative to the energy; infinity as long as too little is known.
  double estimate() const {
    constexpr std::size_t kWindow = 4;
    if (steps_.size() <= kWindow || scale_ == 0) return std::numeric_limits<double>::infinity();
    // The slowest fall among the last steps: early ones promise more than the later keep.
    double rate = 0;
    for (std::size_t k = steps_.size() - kWindow; k < steps_.size(); ++k)
      rate = std::max(rate, steps_[k - 1] > 0 ? steps_[k] / steps_[k - 1] : 0.0);
    rate = std::min(rate, 0.99);
    const double last = steps_.back();
    return last * rate / (1 - rate) / std::abs(scale_);
  }

 private:
  double scale_;
  std::vector<double> steps_;
};

struct Solver::Parts {
  const Operator& K;
  std::vector<std::uint8_t> held;
  Ties ties;
  Multigrid multigrid;
  Field r, p, q;
  FloatField scaled, z;
  bool is_plain = false;  ///< the cycle broke down: go on with the diagonal alone

  Parts(const Operator& op, const std::vector<FixedDof>& fixed, const Ties& tied)
      : K(op), held(heldMask(op, fixed)), ties(tied), multigrid(op, held, ties) {}

  Index size() const { return 3 * K.stride(); }
  void hold(Field& field) const {
    const Index s = K.stride();
    core::parallelChunks(K.nodes(), kChunk, [&](Index first, Index last, Index) {
      for (Index n = first; n < last; ++n)
        if (held[n])
          for (int c = 0; c < 3; ++c)
            if (held[n] >> c & 1) field[c * s + n] = 0;
    });
  }
  /// q = K x, folded.
  void multiply(const Field& x) {
    K.apply(x, q);
    ties.fold(q, K.stride());
  }
  /// r = f − K u on the free components; returns its norm.
  double residual(const Field& force, const Field& u) {
    multiply(u);
    core::parallelChunks(size(), kChunk, [&](Index first, Index last, Index) {
      if (force.empty())
        for (Index n = first; n < last; ++n) r[n] = -q[n];
      else
        for (Index n = first; n < last; ++n) r[n] = force[n] - q[n];
    });
    hold(r);
    return std::sqrt(dot(K, r, r));
  }
  /// z = M⁻¹ r / |r|; returns {r·z, q·z}.
  std::array<double, 2> precondition(double norm) {
    const double factor = 1 / norm;  // floats would lose a small residual
    core::parallelChunks(size(), kChunk, [&](Index first, Index last, Index) {
      for (Index n = first; n < last; ++n) scaled[n] = static_cast<float>(factor * r[n]);
    });
    is_plain ? multigrid.applyDiagonal(scaled, z) : multigrid.apply(scaled, z);
    return sums<2>(size(), [&](Index first, Index last) {
      std::array<double, 2> sum = {0, 0};
      for (Index n = first; n < last; ++n) sum[0] += r[n] * double(z[n]), sum[1] += q[n] * double(z[n]);
      return sum;
    });
  }
  void turn(double beta, double norm) {
    core::parallelChunks(size(), kChunk, [&](Index first, Index last, Index) {
      for (Index n = first; n < last; ++n) p[n] = norm * double(z[n]) + beta * p[n];
    });
  }
  /// u += α p, r −= α q; returns |r|.
  double step(double alpha, Field& u) {
    return std::sqrt(sums<1>(size(), [&](Index first, Index last) {
      std::array<double, 1> sum = {0};
      for (Index n = first; n < last; ++n) {
        u[n] += alpha * p[n];
        r[n] -= alpha * q[n];
        sum[0] += r[n] * r[n];
      }
      return sum;
    })[0]);
  }
};

Solver::Solver(const Operator& K, const std::vector<FixedDof>& fixed, const Ties& ties)
    : parts_(std::make_unique<Parts>(K, fixed, ties)) {}
Solver::~Solver() = default;

bool Solver::holds(const std::vector<FixedDof>& fixed) const { return heldMask(parts_->K, fixed) == parts_->held; }

SolveReport Solver::solve(const Field& force, const std::vector<FixedDof>& fixed, const SolveOptions& options,
                          Field& u) {
  auto& v = *parts_;
  for (auto* field : {&v.r, &v.p, &v.q}) field->assign(static_cast<std::size_t>(v.size()), 0.0);
  for (auto* field : {&v.scaled, &v.z}) field->assign(static_cast<std::size_t>(v.size()), 0.0F);
  SolveReport report;
  report.bytes = double(4 * v.size()) * sizeof(double) + double(2 * v.size()) * sizeof(float) + v.multigrid.bytes();
  report.levels = v.multigrid.levels();
  // The scale of the residual is that of a cold start, whatever the first guess is.
  Field cold = v.K.zeros();
  for (const auto& f : fixed) cold[f.dof] = f.value_mm;
  const double start = v.residual(force, cold);
  double norm = start;
  if (u.size() == cold.size()) {
    for (const auto& f : fixed) u[f.dof] = f.value_mm;
    norm = v.residual(force, u);
    if (!(norm < start)) u = std::move(cold), norm = v.residual(force, u);
  } else {
    u = std::move(cold);
  }
  cold = {};
  // The residual left K u in q: twice ½ u·K u − f·u.
  EnergyError energy(dot(v.K, u, v.q) - (force.empty() ? 0.0 : 2 * dot(v.K, force, u)));
  const bool by_energy = options.stop == StopBy::Energy;
  const double decades = -std::log10(options.tolerance);
  core::Progress progress("solve", 1000);
  double rz = 0, alpha = 0;
  bool is_fresh = true;  // no search direction yet
  while (start > 0) {
    if (by_energy && energy.estimate() <= options.tolerance) {
      norm = v.residual(force, u);
      break;
    }
    if (norm <= (by_energy ? kSmallest : options.tolerance) * start) {
      // The residual that is carried along drifts from the true one: the true one decides.
      norm = v.residual(force, u);
      if (norm <= (by_energy ? kSmallest : options.tolerance) * start) break;
      is_fresh = true;
    }
    if (report.iterations == options.max_iterations) notConverged(report.iterations, norm / start, options.tolerance);
    const auto [next, against] = v.precondition(norm);
    if (!(next > 0) && !v.is_plain) {
      v.is_plain = is_fresh = true;
      continue;
    }
    // (z, r − r_before) instead of (z, r): the cycle is symmetric but for rounding, and q holds the difference.
    const double beta = is_fresh ? 0 : norm * (-alpha * against) / rz;
    v.turn(beta, norm);
    rz = norm * next;
    v.multiply(v.p);
    v.hold(v.q);
    const double curvature = dot(v.K, v.p, v.q);
    if (!(curvature > 0)) notConverged(report.iterations, norm / start, options.tolerance);
    alpha = rz / curvature;
    energy.add(alpha * rz);
    norm = v.step(alpha, u);
    is_fresh = false;
    ++report.iterations;
    if (options.watch) options.watch(u, report.iterations);
    progress.set(static_cast<Index>(1000 * std::clamp(-std::log10(norm / start) / decades, 0.0, 1.0)));
  }
  report.residual = start > 0 ? norm / start : 0;
  report.energy_error = start > 0 && std::isfinite(energy.estimate()) ? energy.estimate() : 0;
  for (auto* field : {&v.r, &v.p, &v.q}) *field = {};
  for (auto* field : {&v.scaled, &v.z}) *field = {};
  return report;
}

SolveReport solve(const Operator& K, const Field& force, const std::vector<FixedDof>& fixed,
                  const SolveOptions& options, Field& u) {
  u.clear();
  return Solver(K, fixed).solve(force, fixed, options, u);
}

}  // namespace osteo::simulate
