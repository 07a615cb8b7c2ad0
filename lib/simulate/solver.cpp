#include "simulate/solver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/memory.h"
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
  std::vector<SolveReport> solveBlock(const std::vector<Problem>& problems, const SolveOptions& options);
};

namespace {

/// Conjugate gradients of one problem, step by step, so that several can share a cycle.
template <class Parts>
class Iteration {
 public:
  Iteration(Parts& parts, const Solver::Problem& problem, const SolveOptions& options)
      : parts_(parts), K_(parts.K), force_(*problem.force), u_(*problem.u), options_(options) {
    for (auto* field : {&r_, &p_, &q_}) field->assign(static_cast<std::size_t>(parts.size()), 0.0);
    for (auto* field : {&scaled_, &z_}) field->assign(static_cast<std::size_t>(parts.size()), 0.0F);
    // The scale of the residual is that of a cold start, whatever the first guess is.
    Field cold = K_.zeros();
    for (const auto& f : *problem.fixed) cold[f.dof] = f.value_mm;
    start_ = norm_ = residual(cold);
    if (u_.size() == cold.size()) {
      for (const auto& f : *problem.fixed) u_[f.dof] = f.value_mm;
      norm_ = residual(u_);
      if (!(norm_ < start_)) u_ = std::move(cold), norm_ = residual(u_);
    } else {
      u_ = std::move(cold);
    }
    // The residual left K u in q: twice ½ u·K u − f·u.
    energy_ = EnergyError(dot(K_, u_, q_) - (force_.empty() ? 0.0 : 2 * dot(K_, force_, u_)));
  }

  /// Whether another step is wanted. Throws when there have been too many.
  bool isOpen() {
    const bool by_energy = options_.stop == StopBy::Energy;
    if (start_ == 0) return false;
    if (by_energy && energy_.estimate() <= options_.tolerance) {
      norm_ = residual(u_);
      return false;
    }
    const double wanted = (by_energy ? kSmallest : options_.tolerance) * start_;
    if (norm_ <= wanted) {
      // The residual that is carried along drifts from the true one: the true one decides.
      norm_ = residual(u_);
      if (norm_ <= wanted) return false;
      is_fresh_ = true;
    }
    if (report_.iterations == options_.max_iterations)
      notConverged(report_.iterations, norm_ / start_, options_.tolerance);
    return true;
  }
  bool isPlain() const { return is_plain_; }
  const FloatField& scaled() {
    const double factor = 1 / norm_;  // floats would lose a small residual
    core::parallelChunks(parts_.size(), kChunk, [&](Index first, Index last, Index) {
      for (Index n = first; n < last; ++n) scaled_[n] = static_cast<float>(factor * r_[n]);
    });
    return scaled_;
  }
  FloatField& preconditioned() { return z_; }
  /// One step with the preconditioned residual.
  void step() {
    const auto [next, against] = sums<2>(parts_.size(), [&](Index first, Index last) {
      std::array<double, 2> sum = {0, 0};
      for (Index n = first; n < last; ++n) sum[0] += r_[n] * double(z_[n]), sum[1] += q_[n] * double(z_[n]);
      return sum;
    });
    if (!(next > 0) && !is_plain_) {
      // The cycle broke down, as its eigenvalues were guessed too low: damp it more, or go on with the diagonal alone.
      is_fresh_ = true;
      is_plain_ = !parts_.multigrid.damp();
      return;
    }
    // (z, r − r_before) instead of (z, r): the cycle is symmetric but for rounding, and q holds the difference.
    turn(is_fresh_ ? 0 : norm_ * (-alpha_ * against) / rz_);
    rz_ = norm_ * next;
    multiply(p_);
    parts_.hold(q_);
    const double curvature = dot(K_, p_, q_);
    if (!(curvature > 0)) notConverged(report_.iterations, norm_ / start_, options_.tolerance);
    alpha_ = rz_ / curvature;
    energy_.add(alpha_ * rz_);
    advance();
    is_fresh_ = false;
    ++report_.iterations;
    if (options_.watch) options_.watch(u_, report_.iterations);
  }
  /// Decades that the residual fell, of those that are wanted.
  double progress() const {
    if (start_ == 0) return 1;
    return std::clamp(std::log10(norm_ / start_) / std::log10(options_.tolerance), 0.0, 1.0);
  }
  SolveReport report() const {
    SolveReport out = report_;
    out.residual = start_ > 0 ? norm_ / start_ : 0;
    out.energy_error = start_ > 0 && std::isfinite(energy_.estimate()) ? energy_.estimate() : 0;
    return out;
  }
  void release() {
    for (auto* field : {&r_, &p_, &q_}) *field = {};
    for (auto* field : {&scaled_, &z_}) *field = {};
  }

 private:
  Parts& parts_;
  const Operator& K_;
  const Field& force_;
  Field& u_;
  const SolveOptions& options_;
  Field r_, p_, q_;
  FloatField scaled_, z_;
  SolveReport report_;
  EnergyError energy_{0};
  double start_ = 0, norm_ = 0, rz_ = 0, alpha_ = 0;
  bool is_fresh_ = true, is_plain_ = false;

  /// q = K x, folded.
  void multiply(const Field& x) {
    K_.apply(x, q_);
    parts_.ties.fold(q_, K_.stride());
  }
  /// r = f − K u on the free components; returns its norm.
  double residual(const Field& u) {
    multiply(u);
    core::parallelChunks(parts_.size(), kChunk, [&](Index first, Index last, Index) {
      if (force_.empty())
        for (Index n = first; n < last; ++n) r_[n] = -q_[n];
      else
        for (Index n = first; n < last; ++n) r_[n] = force_[n] - q_[n];
    });
    parts_.hold(r_);
    return std::sqrt(dot(K_, r_, r_));
  }
  void turn(double beta) {
    core::parallelChunks(parts_.size(), kChunk, [&](Index first, Index last, Index) {
      for (Index n = first; n < last; ++n) p_[n] = norm_ * double(z_[n]) + beta * p_[n];
    });
  }
  /// u += α p, r −= α q.
  void advance() {
    norm_ = std::sqrt(sums<1>(parts_.size(), [&](Index first, Index last) {
      std::array<double, 1> sum = {0};
      for (Index n = first; n < last; ++n) {
        u_[n] += alpha_ * p_[n];
        r_[n] -= alpha_ * q_[n];
        sum[0] += r_[n] * r_[n];
      }
      return sum;
    })[0]);
  }
};

}  // namespace

std::vector<SolveReport> Solver::Parts::solveBlock(const std::vector<Problem>& problems, const SolveOptions& options) {
  std::vector<Iteration<Parts>> all;
  all.reserve(problems.size());
  for (const auto& problem : problems) all.emplace_back(*this, problem, options);
  std::vector<Iteration<Parts>*> open;
  core::Progress progress("solve", 1000);
  for (;;) {
    open.clear();
    std::vector<const FloatField*> residuals;
    std::vector<FloatField*> corrections;
    double least = 1;
    for (auto& iteration : all) {
      if (!iteration.isOpen()) continue;
      open.push_back(&iteration);
      least = std::min(least, iteration.progress());
      if (iteration.isPlain()) {
        multigrid.applyDiagonal(iteration.scaled(), iteration.preconditioned());
      } else {
        residuals.push_back(&iteration.scaled());
        corrections.push_back(&iteration.preconditioned());
      }
    }
    if (open.empty()) break;
    progress.set(static_cast<Index>(1000 * least));
    if (!residuals.empty()) multigrid.apply(residuals, corrections);
    for (auto* iteration : open) iteration->step();
  }
  std::vector<SolveReport> reports;
  for (auto& iteration : all) {
    reports.push_back(iteration.report());
    reports.back().bytes =
        double(problems.size()) * double(size()) * (4 * sizeof(double) + 2 * sizeof(float)) + multigrid.bytes();
    reports.back().levels = multigrid.levels();
  }
  return reports;
}

Solver::Solver(const Operator& K, const std::vector<FixedDof>& fixed, const Ties& ties)
    : parts_(std::make_unique<Parts>(K, fixed, ties)) {}
Solver::~Solver() = default;

bool Solver::holds(const std::vector<FixedDof>& fixed) const { return heldMask(parts_->K, fixed) == parts_->held; }

std::vector<SolveReport> Solver::solve(const std::vector<Problem>& problems, const SolveOptions& options) {
  const double each = double(parts_->size()) * (3 * sizeof(double) + 2 * sizeof(float));
  std::vector<SolveReport> reports;
  while (reports.size() < problems.size()) {
    const double room = 0.5 * core::availableMemoryBytes() / each;
    const std::size_t width = std::clamp<std::size_t>(room < kWidest ? static_cast<std::size_t>(room) : kWidest, 1,
                                                      problems.size() - reports.size());
    const auto first = problems.begin() + static_cast<std::ptrdiff_t>(reports.size());
    const auto block = parts_->solveBlock({first, first + static_cast<std::ptrdiff_t>(width)}, options);
    reports.insert(reports.end(), block.begin(), block.end());
  }
  return reports;
}

SolveReport Solver::solve(const Field& force, const std::vector<FixedDof>& fixed, const SolveOptions& options,
                          Field& u) {
  return parts_->solveBlock({{&force, &fixed, &u}}, options).front();
}

SolveReport solve(const Operator& K, const Field& force, const std::vector<FixedDof>& fixed,
                  const SolveOptions& options, Field& u) {
  u.clear();
  return Solver(K, fixed).solve(force, fixed, options, u);
}

}  // namespace osteo::simulate
