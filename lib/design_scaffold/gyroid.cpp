#include "design_scaffold/gyroid.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/error.h"

namespace osteo::design_scaffold {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr int kOrder = 40;
constexpr double kMaxIso = 1.5;  // the largest |G| anywhere

struct Rule {
  std::array<double, kOrder> node, weight;  // on [0, 1]
};

// Gauss–Legendre nodes by Newton, mapped by s = (1 − cos πθ)/2, which turns square-root ends of the integrand smooth.
Rule makeRule() {
  Rule rule{};
  for (int i = 0; i < kOrder; ++i) {
    double x = std::cos(kPi * (i + 0.75) / (kOrder + 0.5)), slope = 1;
    for (int step = 0; step < 50; ++step) {
      double p = 1, before = 0;
      for (int n = 0; n < kOrder; ++n) {
        const double next = ((2 * n + 1) * x * p - n * before) / (n + 1);
        before = p;
        p = next;
      }
      slope = kOrder * (x * p - before) / (x * x - 1);
      const double move = p / slope;
      x -= move;
      if (std::abs(move) < 1e-15) break;
    }
    const double theta = 0.5 * (1 - x), gauss = 1 / ((1 - x * x) * slope * slope);
    rule.node[i] = 0.5 * (1 - std::cos(kPi * theta));
    rule.weight[i] = gauss * 0.5 * kPi * std::sin(kPi * theta);
  }
  return rule;
}

const Rule& rule() {
  static const Rule kRule = makeRule();
  return kRule;
}

template <class F>
double integrate(std::vector<double> breaks, double low, double high, const F& f) {
  breaks.push_back(low);
  breaks.push_back(high);
  std::sort(breaks.begin(), breaks.end());
  double sum = 0, last = low;
  for (const double end : breaks) {
    if (end <= last || end > high) continue;
    for (int i = 0; i < kOrder; ++i) sum += (end - last) * rule().weight[i] * f(last + (end - last) * rule().node[i]);
    last = end;
  }
  return sum;
}

// For fixed x and y, G = a + R cos(z − z0): the share of z with G < t is closed.
double shareOverZ(double t, double sin_x, double cos_x, double y) {
  const double a = sin_x * std::cos(y), r = std::hypot(std::sin(y), cos_x);
  if (r < 1e-300) return a < t ? 1 : 0;
  return 1 - std::acos(std::clamp((t - a) / r, -1.0, 1.0)) / kPi;
}

// Mean over y; the integrand is even in y and has kinks where |t − a| = R, a quadratic in cos y.
double shareOverYZ(double t, double x) {
  const double s = std::sin(x), c = std::cos(x);
  const double square = t * t * s * s - (1 + s * s) * (t * t - 1 - c * c);
  std::vector<double> breaks;
  if (square >= 0)
    for (const double sign : {-1.0, 1.0}) {
      const double q = (t * s + sign * std::sqrt(square)) / (1 + s * s);
      if (std::abs(q) < 1) breaks.push_back(std::acos(q));
    }
  return integrate(breaks, 0, kPi, [&](double y) { return shareOverZ(t, s, c, y); }) / kPi;
}

// The values of x where kinks enter or leave at y = 0 or π, or where two of them merge.
double networkFraction(double t) {
  if (t <= -kMaxIso) return 0;
  if (t >= kMaxIso) return 1;
  std::vector<double> breaks{0.5 * kPi, kPi, 1.5 * kPi};
  const auto add = [&](double x) { breaks.push_back(std::fmod(x + 4 * kPi, 2 * kPi)); };
  if (std::abs(t) <= std::numbers::sqrt2)
    for (const double sign : {-1.0, 1.0})
      for (const double corner : {-0.25 * kPi, 0.25 * kPi}) {
        const double angle = std::asin(sign * t / std::numbers::sqrt2);
        add(angle + corner);
        add(kPi - angle + corner);
      }
  else {
    const double angle = std::asin(std::sqrt(std::min(1.0, 0.5 * (1 + std::sqrt(9 - 4 * t * t)))));
    for (const double x : {angle, kPi - angle, kPi + angle, 2 * kPi - angle}) add(x);
    const double lower = std::asin(std::sqrt(std::max(0.0, 0.5 * (1 - std::sqrt(9 - 4 * t * t)))));
    for (const double x : {lower, kPi - lower, kPi + lower, 2 * kPi - lower}) add(x);
  }
  return integrate(breaks, 0, 2 * kPi, [&](double x) { return shareOverYZ(t, x); }) / (2 * kPi);
}

// Root of the increasing VF(t) − target in a bracket (Ridders, IEEE Trans. Circuits Syst. 26, 1979).
double solve(double target) {
  double low = -kMaxIso, high = kMaxIso, f_low = -target, f_high = 1 - target, root = 0;
  for (int step = 0; step < 60 && high - low > 1e-12; ++step) {
    const double middle = 0.5 * (low + high), f = networkFraction(middle) - target;
    const double scale = std::sqrt(f * f - f_low * f_high);
    if (scale == 0) return middle;
    root = std::clamp(middle - (middle - low) * f / scale, low, high);
    const double f_root = networkFraction(root) - target;
    if (std::abs(f_root) < 1e-12) return root;
    const auto narrow = [&](double at, double value) {
      (value < 0 ? low : high) = at;
      (value < 0 ? f_low : f_high) = value;
    };
    if (middle > low && middle < high) narrow(middle, f);
    if (root > low && root < high) narrow(root, f_root);
  }
  return root;
}

}  // namespace

double gyroid(const Eigen::Vector3d& u) {
  return std::sin(u.x()) * std::cos(u.y()) + std::sin(u.y()) * std::cos(u.z()) + std::sin(u.z()) * std::cos(u.x());
}

double gyroid(const Eigen::Vector3d& u, Eigen::Vector3d& gradient) {
  const double sx = std::sin(u.x()), sy = std::sin(u.y()), sz = std::sin(u.z());
  const double cx = std::cos(u.x()), cy = std::cos(u.y()), cz = std::cos(u.z());
  gradient = {cx * cy - sz * sx, cy * cz - sx * sy, cz * cx - sy * sz};
  return sx * cy + sy * cz + sz * cx;
}

double volumeFraction(Kind kind, double t) {
  return kind == Kind::Network ? networkFraction(t) : std::max(0.0, 1 - 2 * networkFraction(-t));
}

double isoValue(Kind kind, double volume_fraction) {
  constexpr double kRounding = 1e-9;
  if (!(volume_fraction >= kMinFraction - kRounding && volume_fraction <= kMaxFraction + kRounding))
    throw core::Error(core::Exit::Usage, {.what = "no gyroid has this volume fraction",
                                          .expected = fmt::format("{} to {}", kMinFraction, kMaxFraction),
                                          .got = fmt::format("{}", volume_fraction),
                                          .hint = "choose a porosity between 0.05 and 0.95"});
  return kind == Kind::Network ? solve(volume_fraction) : -solve(0.5 * (1 - volume_fraction));
}

}  // namespace osteo::design_scaffold
