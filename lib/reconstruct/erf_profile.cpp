#include "reconstruct/erf_profile.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace osteo::reconstruct {
namespace {

using Parameters = std::array<double, ErfLayer::Count>;
using Matrix = Eigen::Matrix<double, ErfLayer::Count, ErfLayer::Count>;
using Vector = Eigen::Matrix<double, ErfLayer::Count, 1>;

double normalCdf(double u) { return 0.5 * (1 + std::erf(u * 0.70710678118654752)); }
double normalDensity(double u) { return 0.39894228040143268 * std::exp(-0.5 * u * u); }

/// The model's value, and its slopes by the parameters where asked for.
double evaluate(const Parameters& p, double depth, Vector* slopes) {
  const double sigma = p[ErfLayer::Sigma], u0 = (depth - p[ErfLayer::Outer]) / sigma,
               u1 = u0 - p[ErfLayer::Thickness] / sigma;
  const double up = p[ErfLayer::Cortical] - p[ErfLayer::Outside], down = p[ErfLayer::Inside] - p[ErfLayer::Cortical];
  const double c0 = normalCdf(u0), c1 = normalCdf(u1);
  if (slopes != nullptr) {
    const double d0 = up * normalDensity(u0) / sigma, d1 = down * normalDensity(u1) / sigma;
    *slopes << -d0 - d1, -d1, 1 - c0, c1, c0 - c1, -d0 * u0 - d1 * u1;
  }
  return p[ErfLayer::Outside] + up * c0 + down * c1;
}

double cost(const Profile& profile, const Parameters& p) {
  double sum = 0;
  for (std::size_t i = 0; i < profile.hu.size(); ++i) {
    const double r = profile.hu[i] - evaluate(p, profile.first_mm + profile.step_mm * static_cast<double>(i), nullptr);
    sum += r * r;
  }
  return sum;
}

/// Normal equations; what is not free gets a unit row.
double normalEquations(const Profile& profile, const Parameters& p, FitFreedom freedom, Matrix& a, Vector& b) {
  a.setZero();
  b.setZero();
  double sum = 0;
  Vector slopes;
  for (std::size_t i = 0; i < profile.hu.size(); ++i) {
    const double r = profile.hu[i] - evaluate(p, profile.first_mm + profile.step_mm * static_cast<double>(i), &slopes);
    if (!freedom.cortical) slopes[ErfLayer::Cortical] = 0;
    if (!freedom.sigma) slopes[ErfLayer::Sigma] = 0;
    a.noalias() += slopes * slopes.transpose();
    b += r * slopes;
    sum += r * r;
  }
  for (int k = 0; k < static_cast<int>(ErfLayer::Count); ++k) {
    if (a(k, k) <= 0) a(k, k) = 1;
  }
  return sum;
}

void keepPossible(const Profile& profile, double sigma_start, Parameters& p) {
  p[ErfLayer::Thickness] = std::clamp(p[ErfLayer::Thickness], 0.01, profile.last_mm() - profile.first_mm);
  p[ErfLayer::Outer] = std::clamp(p[ErfLayer::Outer], profile.first_mm, profile.last_mm());
  p[ErfLayer::Sigma] = std::clamp(p[ErfLayer::Sigma], 0.4 * sigma_start, 2.5 * sigma_start);
}

double descend(const Profile& profile, double sigma_start, FitFreedom freedom, int steps, Parameters& p) {
  double damping = 1e-2, here = cost(profile, p);
  Matrix a;
  Vector b;
  for (int step = 0; step < steps; ++step) {
    here = normalEquations(profile, p, freedom, a, b);
    bool better = false;
    for (int attempt = 0; attempt < 6 && !better; ++attempt) {
      Matrix damped = a;
      damped.diagonal() *= 1 + damping;
      const Vector move = damped.ldlt().solve(b);
      Parameters next = p;
      for (std::size_t k = 0; k < ErfLayer::Count; ++k) next[k] += move[static_cast<int>(k)];
      keepPossible(profile, sigma_start, next);
      const double there = cost(profile, next);
      better = there < here;
      if (!better) {
        damping *= 8;
        continue;
      }
      const bool done = here - there < 1e-6 * here;
      p = next;
      here = there;
      damping = std::max(1e-9, damping / 8);
      if (done) return here;
    }
    if (!better) break;
  }
  return here;
}

/// Three guesses: a layer below the blur, one about as thick as it and one well above.
std::array<Parameters, 3> starts(const Profile& profile, const Parameters& given) {
  const std::size_t n = profile.hu.size(), end = std::max<std::size_t>(1, n / 8);
  const auto peak = std::max_element(profile.hu.begin(), profile.hu.end()) - profile.hu.begin();
  const double at = profile.first_mm + profile.step_mm * static_cast<double>(peak), sigma = given[ErfLayer::Sigma];
  double outside = 0, inside = 0;
  for (std::size_t i = 0; i < end; ++i) {
    outside += profile.hu[i] / static_cast<double>(end);
    inside += profile.hu[n - 1 - i] / static_cast<double>(end);
  }
  std::array<Parameters, 3> all;
  const std::array<double, 3> thickness = {0.6 * sigma, 2 * sigma, 4.5 * sigma};
  for (std::size_t s = 0; s < 3; ++s) {
    const double outer = s < 2 ? at - 0.5 * thickness[s] : std::min(0.0, at - 0.5 * sigma);
    all[s] = {outer, thickness[s], outside, inside, given[ErfLayer::Cortical], sigma};
    keepPossible(profile, sigma, all[s]);
  }
  return all;
}

}  // namespace

double ErfLayer::operator()(double depth_mm) const { return evaluate(p, depth_mm, nullptr); }

ErfLayer fitErfLayer(const Profile& profile, const ErfLayer& start, FitFreedom freedom) {
  constexpr int kTrial = 5, kSteps = 30;
  const double sigma = start.p[ErfLayer::Sigma];
  ErfLayer best = start;
  double least = 1e300;
  if (start.p[ErfLayer::Thickness] <= 0) {
    for (Parameters p : starts(profile, start.p)) {
      const double reached = descend(profile, sigma, freedom, kTrial, p);
      if (reached >= least) continue;
      least = reached;
      best.p = p;
    }
  }
  least = descend(profile, sigma, freedom, kSteps, best.p);
  const auto n = static_cast<double>(profile.hu.size());
  const double free = 4 + (freedom.cortical ? 1 : 0) + (freedom.sigma ? 1 : 0);
  best.rms_hu = std::sqrt(least / n);
  Matrix a;
  Vector b;
  normalEquations(profile, best.p, freedom, a, b);
  const Matrix covariance = a.ldlt().solve(Matrix::Identity()) * (least / std::max(1.0, n - free));
  for (std::size_t k = 0; k < ErfLayer::Count; ++k) {
    const auto d = static_cast<int>(k);
    best.error[k] = std::sqrt(std::max(0.0, covariance(d, d)));
  }
  if (!freedom.cortical) best.error[ErfLayer::Cortical] = 0;
  if (!freedom.sigma) best.error[ErfLayer::Sigma] = 0;
  return best;
}

}  // namespace osteo::reconstruct
