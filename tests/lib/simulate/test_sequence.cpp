#include <algorithm>
#include <chrono>
#include <numeric>

#include "blocks.h"
#include "core/parallel.h"

using namespace osteo;
using namespace osteo::simulate;
using namespace osteo::simulate::test;

namespace {

/// A cantilever of nx × ny × nz unit cubes scaled by h, clamped at x = 0, whose elements follow a design (SIMP with
/// p = 3, E between 1e-9 and 1).
struct Cantilever {
  Eigen::Vector3i size;
  Filling filling;
  std::vector<FixedDof> fixed;
  Field u;

  Cantilever(Eigen::Vector3i n, double h) : size(n), filling(box(n, Eigen::Vector3d::Constant(h))) {
    filling.value.assign(filling.material.size(), 0);
  }
  static double modulus(double x) { return 1e-9 + x * x * x * (1 - 1e-9); }

  /// Compliance of a design under forces `load(j)` on the nodes of the edge x = nx, z = 0; `energy` becomes the strain
  /// energy of each element at unit modulus, twice.
  template <class Load>
  double solve(const std::vector<double>& design, const Load& load, std::vector<double>* energy = nullptr) {
    for (std::size_t e = 0; e < design.size(); ++e) filling.value[e] = static_cast<float>(modulus(design[e]));
    const auto model = buildModel(filling, [](std::uint16_t, float v, float) { return isotropic(v, 0.3); });
    const Operator K(model);
    fixed.clear();
    for (int c = 0; c < 3; ++c)
      fix(K, c, fixed, [](const Eigen::Vector3d& p) { return p[0] < 1e-9 ? 0 : std::nan(""); });
    Field force = K.zeros();
    for (int j = 0; j <= size[1]; ++j) force[2 * K.stride() + model.nodeAt(size[0], j, 0)] = load(j);
    Solver(K, fixed).solve(force, fixed, {1e-6, 2000}, u);
    if (energy) {
      const auto k = brickStiffness(isotropic(1, 0.3), model.frame.spacing_mm);
      energy->resize(design.size());
      forEachElement(model, [&](std::int64_t e, int, int, int, const auto& nodes) {
        Eigen::Matrix<double, 24, 1> at;
        for (int a = 0; a < 8; ++a)
          for (int c = 0; c < 3; ++c) at[3 * a + c] = u[c * K.stride() + nodes[a]];
        (*energy)[e] = at.dot(k * at);
      });
    }
    return dot(K, force, u);
  }
};

/// Density filter of radius √3 with weights r − d and the boundary mirrored: also its own transpose, weight by weight.
std::vector<double> filtered(const std::vector<double>& x, const Eigen::Vector3i& n, bool transposed) {
  const double radius = std::sqrt(3.0);
  std::vector<double> out(x.size(), 0.0);
  double sum = 0;
  for (int c = -1; c <= 1; ++c)
    for (int b = -1; b <= 1; ++b)
      for (int a = -1; a <= 1; ++a) sum += std::max(0.0, radius - std::sqrt(a * a + b * b + c * c));
  const auto mirrored = [](int i, int size) { return std::clamp(i, 0, size - 1); };
  for (int k = 0; k < n[2]; ++k)
    for (int j = 0; j < n[1]; ++j)
      for (int i = 0; i < n[0]; ++i)
        for (int c = -1; c <= 1; ++c)
          for (int b = -1; b <= 1; ++b)
            for (int a = -1; a <= 1; ++a) {
              const double w = std::max(0.0, radius - std::sqrt(a * a + b * b + c * c)) / sum;
              const auto here = i + n[0] * (j + n[1] * k);
              const auto there = mirrored(i + a, n[0]) + n[0] * (mirrored(j + b, n[1]) + n[1] * mirrored(k + c, n[2]));
              if (transposed)
                out[there] += w * x[here];
              else
                out[here] += w * x[there];
            }
  return out;
}

/// Compliances of a sequence of designs by optimality criteria with move limit 0.2, at a constant volume fraction;
/// `seconds` takes the time of the solves alone.
template <class Load>
std::vector<double> optimise(Cantilever& beam, double fraction, int designs, const Load& load, double& seconds) {
  const Eigen::Vector3i n = beam.size;
  std::vector<double> x(static_cast<std::size_t>(n.prod()), fraction), energy, compliance;
  const auto volume = filtered(std::vector<double>(x.size(), 1.0), n, true);
  for (int it = 0; it < designs; ++it) {
    const auto physical = filtered(x, n, false);
    const auto start = std::chrono::steady_clock::now();
    compliance.push_back(beam.solve(physical, load, &energy));
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::vector<double> gradient(x.size());
    for (std::size_t e = 0; e < x.size(); ++e) gradient[e] = -3 * physical[e] * physical[e] * (1 - 1e-9) * energy[e];
    gradient = filtered(gradient, n, true);
    std::vector<double> root(x.size()), next(x.size());
    for (std::size_t e = 0; e < x.size(); ++e) root[e] = x[e] * std::sqrt(std::max(0.0, -gradient[e] / volume[e]));
    const auto mean = [](const std::vector<double>& v) {
      return std::accumulate(v.begin(), v.end(), 0.0) / double(v.size());
    };
    double low = 0, high = mean(root) / fraction;
    while ((high - low) / (high + low) > 1e-4) {
      const double middle = 0.5 * (low + high);
      for (std::size_t e = 0; e < x.size(); ++e)
        next[e] = std::max({0.0, x[e] - 0.2, std::min({1.0, x[e] + 0.2, root[e] / middle})});
      (mean(next) > fraction ? low : high) = middle;
    }
    x = next;
  }
  return compliance;
}

}  // namespace

TEST_CASE("the uniform design of the published 64×32×32 cantilever") {
  Cantilever beam({64, 32, 32}, 1.0 / 32);
  const std::vector<double> design(64 * 32 * 32, 0.12);
  const double compliance = beam.solve(design, [](int j) { return j == 0 || j == 32 ? -0.0005 : -0.001; });
  CHECK(compliance == Approx(26.0918163).epsilon(1e-6));
}

TEST_CASE("a hundred designs with contrast 1e9, warm started, follow the published compliances") {
  Cantilever beam({24, 12, 12}, 1);
  double seconds = 0;
  const auto compliance = optimise(
      beam, 0.12, 100, [](int j) { return -std::sin(M_PI * j / 12); }, seconds);
  const std::pair<int, double> truths[] = {{1, 1.196685e5}, {5, 3.529736e4}, {10, 1.160928e4}, {100, 2.7616e3}};
  for (const auto& [it, value] : truths) CHECK(compliance[it - 1] == Approx(value).epsilon(0.01));
}

TEST_CASE("bench: a hundred designs of 64×32×32", "[.][bench]") {
  Cantilever beam({64, 32, 32}, 1.0 / 32);
  double seconds = 0;
  optimise(
      beam, 0.12, 100, [](int j) { return j == 0 || j == 32 ? -0.0005 : -0.001; }, seconds);
  WARN("100 designs of 64x32x32, solves with their set-up: " << seconds << " s");
}

TEST_CASE("bench: the operator on one core and on two", "[.][bench]") {
  for (const double level : {10.0, 0.3}) {
    const int n = 128;
    auto filling = box({n, n, n});
    for (int k = 0; k < n; ++k)
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i) {
          const double w = 2 * M_PI / 32, x = w * (i + 0.5), y = w * (j + 0.5), z = w * (k + 0.5);
          if (std::sin(x) * std::cos(y) + std::sin(y) * std::cos(z) + std::sin(z) * std::cos(x) >= level)
            filling.material[i + n * (j + n * k)] = 0;
        }
    const auto model = buildModel(filling, law(1000));
    const Operator K(model);
    FloatField u(static_cast<std::size_t>(3 * K.stride()), 0.5F), y(u.size(), 0.0F);
    for (const int threads : {1, 2}) {
      core::setThreads(threads);
      double best = 1e9;
      for (int run = 0; run < 20; ++run) {
        const auto start = std::chrono::steady_clock::now();
        K.apply(u, y);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
      WARN((level > 3 ? "full block" : "gyroid")
           << ", " << threads << " threads: " << double(model.elements) / best / 1e6 << " million elements/s in float");
    }
  }
  core::setThreads(core::availableThreads());
}
