#include "registration/minimise.h"

#include <cmath>
#include <deque>

namespace osteo::registration {
namespace {

using Eigen::VectorXd;

constexpr std::size_t kPairs = 8;

struct Pair {
  VectorXd step, change;
  double rho;
};

VectorXd direction(const std::deque<Pair>& pairs, const VectorXd& gradient) {
  VectorXd q = -gradient;
  std::deque<double> alphas;
  for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
    alphas.push_front(pair->rho * pair->step.dot(q));
    q -= alphas.front() * pair->change;
  }
  if (!pairs.empty()) q /= pairs.back().rho * pairs.back().change.squaredNorm();
  for (std::size_t i = 0; i < pairs.size(); ++i)
    q += (alphas[i] - pairs[i].rho * pairs[i].change.dot(q)) * pairs[i].step;
  return q;
}

}  // namespace

double minimise(const Objective& objective, VectorXd& x, const MinimiseOptions& options) {
  VectorXd gradient(x.size()), next_gradient(x.size());
  double value = objective(x, gradient);
  std::deque<Pair> pairs;
  for (int round = 0; round < options.max_iterations && std::isfinite(value); ++round) {
    VectorXd way = direction(pairs, gradient);
    if (!(way.dot(gradient) < 0)) {
      pairs.clear();
      way = -gradient;
    }
    const double length = way.cwiseAbs().maxCoeff();
    if (!(length > 0)) break;
    const double limit = pairs.empty() ? options.first_step : options.largest_step;
    if (pairs.empty() || length > limit) way *= limit / length;
    double share = 1, next = 0;
    VectorXd there;
    for (int tries = 0; tries < 12; ++tries, share *= 0.5) {
      there = x + share * way;
      next = objective(there, next_gradient);
      if (next <= value + 1e-4 * share * way.dot(gradient)) break;
    }
    if (!(next < value)) {
      if (pairs.empty()) break;
      pairs.clear();  // the curvature misled: once more straight down
      continue;
    }
    Pair pair{there - x, next_gradient - gradient, 0};
    const double curvature = pair.step.dot(pair.change), moved = pair.step.cwiseAbs().maxCoeff();
    pair.rho = 1 / curvature;
    if (curvature > 1e-12 * pair.step.norm() * pair.change.norm()) pairs.push_back(std::move(pair));
    if (pairs.size() > kPairs) pairs.pop_front();
    x = there;
    gradient = next_gradient;
    value = next;
    if (moved < options.tolerance) break;
  }
  return value;
}

}  // namespace osteo::registration
