#include "design_scaffold/moving_asymptotes.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

// Of Svanberg's paper and of his notes on it: first distance of the asymptotes in ranges of a step, how they move,
// and how near to one a step may go.
constexpr double kFirst = 0.5, kOut = 1.2, kIn = 0.7;
constexpr double kNearest = 0.01, kFarthest = 10;
constexpr double kApproach = 0.1;
constexpr double kBothSides = 0.001, kCurved = 1e-5;  // of a derivative, and of the largest: strictly convex
constexpr double kBroken = 1000;                      // what breaking a constraint costs, against the objective
constexpr std::int64_t kChunk = 4096;

/// The convex problem of a step: each function a sum of p / (upper − x) + q / (x − lower).
struct Subproblem {
  std::vector<double> lower, upper, least, most;
  std::vector<std::vector<double>> p, q;  ///< of the objective, then of the constraints
  VectorXd bound;                         ///< of the constraints' sums

  std::int64_t variables() const { return static_cast<std::int64_t>(lower.size()); }
  std::int64_t constraints() const { return bound.size(); }
  /// Adds a function by its derivative over `scale`; returns the sum at x.
  double add(const std::vector<double>& x, const std::vector<double>& derivative, double scale);
};

double Subproblem::add(const std::vector<double>& x, const std::vector<double>& derivative, double scale) {
  std::vector<double> above(x.size()), below(x.size());
  double sum = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    const double slope = derivative[j] / scale, up = upper[j] - x[j], down = x[j] - lower[j];
    const double least_slope = kBothSides * std::abs(slope) + kCurved;
    above[j] = up * up * (std::max(0.0, slope) + least_slope);
    below[j] = down * down * (std::max(0.0, -slope) + least_slope);
    sum += above[j] / up + below[j] / down;
  }
  p.push_back(std::move(above)), q.push_back(std::move(below));
  return sum;
}

/// The dual function at multipliers: concave, what its maximum says of x solves the problem.
struct Dual {
  double value = 0;
  VectorXd slope;
  MatrixXd curvature;
};

/// Of a range of variables; x takes what the multipliers ask for.
Dual part(const Subproblem& s, const VectorXd& multipliers, std::int64_t first, std::int64_t last,
          std::vector<double>& x) {
  const auto m = s.constraints();
  Dual out{0, VectorXd::Zero(m), MatrixXd::Zero(m, m)};
  VectorXd slope(m);
  for (auto n = first; n < last; ++n) {
    const auto j = static_cast<std::size_t>(n);
    double p = s.p[0][j], q = s.q[0][j];
    for (Eigen::Index i = 0; i < m; ++i) {
      const auto row = static_cast<std::size_t>(i + 1);
      p += multipliers[i] * s.p[row][j], q += multipliers[i] * s.q[row][j];
    }
    const double a = std::sqrt(p), b = std::sqrt(q), wanted = (a * s.lower[j] + b * s.upper[j]) / (a + b);
    x[j] = std::clamp(wanted, s.least[j], s.most[j]);
    const double up = 1 / (s.upper[j] - x[j]), down = 1 / (x[j] - s.lower[j]);
    out.value += p * up + q * down;
    for (Eigen::Index i = 0; i < m; ++i) {
      const auto row = static_cast<std::size_t>(i + 1);
      out.slope[i] += s.p[row][j] * up + s.q[row][j] * down;
      slope[i] = s.p[row][j] * up * up - s.q[row][j] * down * down;
    }
    if (x[j] != wanted) continue;
    const double bend = 0.5 / (p * up * up * up + q * down * down * down);
    for (Eigen::Index a_row = 0; a_row < m; ++a_row)
      for (Eigen::Index b_row = 0; b_row < m; ++b_row)
        out.curvature(a_row, b_row) -= bend * slope[a_row] * slope[b_row];
  }
  return out;
}

Dual evaluate(const Subproblem& s, const VectorXd& multipliers, std::vector<double>& x) {
  const auto m = s.constraints();
  std::vector<Dual> parts(static_cast<std::size_t>((s.variables() + kChunk - 1) / kChunk));
  core::parallelChunks(s.variables(), kChunk, [&](auto first, auto last, auto) {
    parts[static_cast<std::size_t>(first / kChunk)] = part(s, multipliers, first, last, x);
  });
  Dual out{-multipliers.dot(s.bound), -s.bound, MatrixXd::Zero(m, m)};
  for (const Dual& own : parts) out.value += own.value, out.slope += own.slope, out.curvature += own.curvature;
  for (Eigen::Index i = 0; i < m; ++i) {
    const double broken = std::max(0.0, multipliers[i] - kBroken);  // y: by how much the constraint is let go
    out.value -= 0.5 * broken * broken;
    out.slope[i] -= broken;
    if (broken > 0) out.curvature(i, i) -= 1;
  }
  return out;
}

/// Goes up from the multipliers to the maximum of the dual and a barrier of the given weight, or until it stalls.
void climb(const Subproblem& s, double barrier, VectorXd& multipliers, std::vector<double>& x) {
  constexpr int kSteps = 40, kHalvings = 30;
  constexpr double kMost = 0.95;       // of the way to a multiplier of 0
  constexpr double kRounding = 1e-13;  // of a sum over all variables: smaller gains can't be seen
  const auto height = [&](const Dual& d, const VectorXd& at) { return d.value + barrier * at.array().log().sum(); };
  if (multipliers.size() == 0) return;
  Dual here = evaluate(s, multipliers, x);
  for (int step = 0; step < kSteps; ++step) {
    const VectorXd inverse = multipliers.cwiseInverse(), slope = here.slope + barrier * inverse;
    if ((slope.array() * multipliers.array()).abs().maxCoeff() < 0.1 * barrier) return;
    MatrixXd curvature = -here.curvature;
    curvature.diagonal() += barrier * inverse.cwiseAbs2();
    const VectorXd way = curvature.ldlt().solve(slope);
    double length = 1;
    for (Eigen::Index i = 0; i < way.size(); ++i)
      if (way[i] < 0) length = std::min(length, -kMost * multipliers[i] / way[i]);
    const double from = height(here, multipliers), promised = slope.dot(way), unseen = kRounding * (1 + std::abs(from));
    if (promised <= unseen) return;
    for (int k = 0;; ++k, length *= 0.5) {
      if (k == kHalvings) return;
      const VectorXd there = multipliers + length * way;
      const Dual next = evaluate(s, there, x);
      if (height(next, there) < from + 1e-4 * length * promised - unseen) continue;
      here = next, multipliers = there;
      break;
    }
  }
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most > 0 ? most : 1;
}

}  // namespace

void MovingAsymptotes::moveAsymptotes(const std::vector<double>& design) {
  const std::size_t n = design.size();
  const bool is_new = earlier_.size() != n;
  lower_.resize(n), upper_.resize(n);
  for (std::size_t j = 0; j < n; ++j) {
    // Of what the step may reach, not of all that a variable may be: a thin density then steps with care.
    const double range =
        std::min(bounds_.high, design[j] + bounds_.move) - std::max(bounds_.low, design[j] - bounds_.move);
    double down = kFirst * range, up = down;
    if (!is_new) {
      const double swing = (design[j] - before_[j]) * (before_[j] - earlier_[j]);
      const double factor = swing < 0 ? kIn : swing > 0 ? kOut : 1;
      down = std::clamp(factor * (before_[j] - lower_[j]), kNearest * range, kFarthest * range);
      up = std::clamp(factor * (upper_[j] - before_[j]), kNearest * range, kFarthest * range);
    }
    lower_[j] = design[j] - down, upper_[j] = design[j] + up;
  }
}

std::vector<double> MovingAsymptotes::next(const std::vector<double>& design, const std::vector<double>& objective,
                                           const std::vector<Constraint>& constraints) {
  constexpr double kFirstBarrier = 1, kLastBarrier = 1e-7, kFaster = 0.1;
  moveAsymptotes(design);
  Subproblem s;
  s.lower = lower_, s.upper = upper_;
  s.bound.resize(static_cast<Eigen::Index>(constraints.size()));
  for (std::size_t j = 0; j < design.size(); ++j) {
    s.least.push_back(
        std::max({bounds_.low, lower_[j] + kApproach * (design[j] - lower_[j]), design[j] - bounds_.move}));
    s.most.push_back(
        std::min({bounds_.high, upper_[j] - kApproach * (upper_[j] - design[j]), design[j] + bounds_.move}));
  }
  const double scale = largest(objective);
  s.add(design, objective, scale);
  std::vector<double> scales;
  for (std::size_t i = 0; i < constraints.size(); ++i) {
    scales.push_back(largest(constraints[i].derivative));
    s.bound[static_cast<Eigen::Index>(i)] =
        s.add(design, constraints[i].derivative, scales[i]) - constraints[i].value / scales[i];
  }
  std::vector<double> x = design;
  VectorXd multipliers = VectorXd::Ones(s.constraints());
  for (double barrier = kFirstBarrier; barrier > kLastBarrier; barrier *= kFaster) climb(s, barrier, multipliers, x);
  evaluate(s, multipliers, x);
  multipliers_.clear();
  for (std::size_t i = 0; i < scales.size(); ++i)
    multipliers_.push_back(multipliers[static_cast<Eigen::Index>(i)] * scale / scales[i]);
  earlier_ = std::move(before_), before_ = design;
  return x;
}

}  // namespace osteo::design_scaffold
