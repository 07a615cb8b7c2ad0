#include "phantom/measure.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>

#include "core/parallel.h"
#include "core/progress.h"

namespace osteo::phantom {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

constexpr double kReach = 5.5;          // kernel support in units of its width: exp(-30)
constexpr double kGradientBound = 1.5;  // contract of Anatomy
constexpr int kBlock = 4;

/// Smeared step (1 inside) and delta at u = f / width, both in units of the width.
void kernel(double u, double& step, double& delta) {
  if (std::abs(u) >= kReach) {
    step = u < 0 ? 1 : 0;
    delta = 0;
    return;
  }
  // Hermite polynomials by recurrence; c_j = (-1)^j / (4^j j!), and the antiderivative of H_2j exp(-u^2) is -H_{2j-1}
  // exp(-u^2).
  std::array<double, 7> h{1, 2 * u};
  for (std::size_t n = 1; n + 1 < h.size(); ++n) h[n + 1] = 2 * u * h[n] - 2 * static_cast<double>(n) * h[n - 1];
  const double gauss = std::exp(-u * u) / std::sqrt(std::numbers::pi);
  constexpr double c1 = -1.0 / 4, c2 = 1.0 / 32, c3 = -1.0 / 384;
  delta = gauss * (1 + c1 * h[2] + c2 * h[4] + c3 * h[6]);
  step = 0.5 * std::erfc(u) + gauss * (c1 * h[1] + c2 * h[3] + c3 * h[5]);
}

/// All bodies' volumes and areas, or only the volumes of those parts that a narrower kernel is asked for.
enum class Pass { Whole, Narrow };

bool takesPart(const Anatomy& anatomy, const Part& part, Pass pass) {
  const auto narrow = [&](int term) {
    return std::find(anatomy.narrow.begin(), anatomy.narrow.end(), term) != anatomy.narrow.end();
  };
  return pass == Pass::Whole || std::any_of(part.solid.begin(), part.solid.end(), narrow);
}

/// Sums over one grid, of each part's volume and area in turn.
class Quadrature {
 public:
  Quadrature(const Anatomy& anatomy, double width, Pass pass)
      : a_(anatomy), width_(width), h_(width / 1.6), pass_(pass) {
    const double reach = kReach * width + h_;
    min_ = a_.min_mm - Vector3d::Constant(reach);
    for (int d = 0; d < 3; ++d) {
      blocks_[d] = static_cast<int>(std::ceil((a_.max_mm[d] + reach - min_[d]) / (h_ * kBlock)));
    }
    for (const Body& body : a_.bodies) {
      for (const Part& part : body.parts) {
        if (takesPart(a_, part, pass_)) used_.insert(part.solid.begin(), part.solid.end());
      }
      parts_ += body.parts.size();
    }
  }

  std::vector<double> run() const {
    const std::int64_t slabs = blocks_[2];
    std::vector<std::vector<double>> partial(static_cast<std::size_t>(slabs));
    core::parallelFor(slabs, [&](std::int64_t k) { partial[static_cast<std::size_t>(k)] = slab(static_cast<int>(k)); });
    std::vector<double> total(2 * parts_, 0.0);
    for (const auto& p : partial) {
      for (std::size_t i = 0; i < total.size(); ++i) total[i] += p[i];
    }
    return total;
  }

 private:
  struct Point {
    std::vector<double> f, step, delta, ahead;
  };

  std::vector<double> slab(int k) const {
    std::vector<double> sums(2 * parts_, 0.0);
    const auto n = static_cast<std::size_t>(a_.functions);
    Point point{std::vector<double>(n), std::vector<double>(n), std::vector<double>(n), std::vector<double>(n)};
    const double block_mm = h_ * kBlock;
    const double far = kGradientBound * block_mm * std::sqrt(3.0) / 2 + kReach * width_;
    for (int j = 0; j < blocks_[1]; ++j) {
      for (int i = 0; i < blocks_[0]; ++i) {
        const Vector3d corner = min_ + block_mm * Vector3d(i, j, k);
        a_.evaluate(corner + Vector3d::Constant(block_mm / 2), point.f.data());
        if (std::all_of(used_.begin(), used_.end(),
                        [&](int i) { return std::abs(point.f[static_cast<std::size_t>(i)]) > far; })) {
          add(corner, point, block_mm * block_mm * block_mm, sums);
        } else {
          block(corner, point, sums);
        }
      }
    }
    return sums;
  }

  void block(const Vector3d& corner, Point& point, std::vector<double>& sums) const {
    for (int c = 0; c < kBlock; ++c) {
      for (int b = 0; b < kBlock; ++b) {
        for (int a = 0; a < kBlock; ++a) {
          const Vector3d p = corner + h_ * Vector3d(a + 0.5, b + 0.5, c + 0.5);
          a_.evaluate(p, point.f.data());
          add(p, point, h_ * h_ * h_, sums);
        }
      }
    }
  }

  void add(const Vector3d& p, Point& point, double cell_mm3, std::vector<double>& sums) const {
    bool near = false;
    for (const int term : used_) {
      const auto i = static_cast<std::size_t>(term);
      kernel(point.f[i] / width_, point.step[i], point.delta[i]);
      near = near || point.delta[i] != 0;
    }
    std::vector<Vector3d> gradient;
    std::size_t at = 0;
    for (const Body& body : a_.bodies) {
      for (const Part& part : body.parts) {
        if (takesPart(a_, part, pass_)) {
          double product = 1;
          for (int term : part.solid) product *= point.step[static_cast<std::size_t>(term)];
          sums[at] += part.sign * product * cell_mm3;
          if (near && pass_ == Pass::Whole) sums[at + 1] += face(p, point, part, gradient) * cell_mm3;
        }
        at += 2;
      }
    }
  }

  double face(const Vector3d& p, Point& point, const Part& part, std::vector<Vector3d>& gradient) const {
    double sum = 0;
    for (std::size_t j = 0; j < part.solid.size(); ++j) {
      const auto term = static_cast<std::size_t>(part.solid[j]);
      if (point.delta[term] == 0 || part.area_weights[j] == 0) continue;
      double others = part.area_weights[j] * point.delta[term] / width_;
      for (std::size_t i = 0; i < part.solid.size(); ++i) {
        if (i != j) others *= point.step[static_cast<std::size_t>(part.solid[i])];
      }
      if (others == 0) continue;
      if (gradient.empty()) gradient = gradients(p, point);
      sum += others * gradient[term].norm();
    }
    return sum;
  }

  std::vector<Vector3d> gradients(const Vector3d& p, Point& point) const {
    constexpr double kStep_mm = 1e-7;
    std::vector<Vector3d> out(point.f.size());
    for (int d = 0; d < 3; ++d) {
      a_.evaluate(p + kStep_mm * Vector3d::Unit(d), point.ahead.data());
      for (std::size_t i = 0; i < out.size(); ++i) out[i][d] = (point.ahead[i] - point.f[i]) / kStep_mm;
    }
    return out;
  }

  const Anatomy& a_;
  double width_, h_;
  Pass pass_;
  std::size_t parts_ = 0;
  Vector3d min_;
  Vector3i blocks_;
  std::set<int> used_;
};

/// Volume and area of each body in turn, with all kernels as many times wider.
std::vector<double> integrate(const Anatomy& anatomy, double wider) {
  std::vector<double> parts = Quadrature(anatomy, wider * anatomy.smoothness_mm, Pass::Whole).run();
  std::vector<double> narrow;
  if (!anatomy.narrow.empty()) narrow = Quadrature(anatomy, wider * anatomy.narrow_smoothness_mm, Pass::Narrow).run();
  std::vector<double> sums;
  std::size_t at = 0;
  for (const Body& body : anatomy.bodies) {
    double volume = 0, area = 0;
    for (const Part& part : body.parts) {
      volume += !narrow.empty() && takesPart(anatomy, part, Pass::Narrow) ? narrow[at] : parts[at];
      area += parts[at + 1];
      at += 2;
    }
    sums.insert(sums.end(), {volume, area});
  }
  return sums;
}

}  // namespace

std::vector<Measured> measure(const Anatomy& anatomy) {
  const bool all_exact = std::all_of(anatomy.bodies.begin(), anatomy.bodies.end(),
                                     [](const Body& body) { return body.exact_volume_mm3 && body.exact_area_mm2; });
  if (all_exact) {
    std::vector<Measured> out;
    for (const Body& body : anatomy.bodies) out.push_back({body.key, *body.exact_volume_mm3, *body.exact_area_mm2});
    return out;
  }
  core::Progress progress("exact volumes", 2);
  const std::vector<double> coarse = integrate(anatomy, 1.3);
  progress.advance();
  const std::vector<double> fine = integrate(anatomy, 1);
  progress.advance();
  std::vector<Measured> out;
  for (std::size_t b = 0; b < anatomy.bodies.size(); ++b) {
    const double volume = fine[2 * b], area = fine[2 * b + 1];
    out.push_back({anatomy.bodies[b].key, volume, area, std::abs(coarse[2 * b] / volume - 1),
                   std::abs(coarse[2 * b + 1] / area - 1)});
  }
  return out;
}

double ellipsoidArea_mm2(const Vector3d& semi_axes_mm) {
  std::array<double, 3> s{semi_axes_mm[0], semi_axes_mm[1], semi_axes_mm[2]};
  std::sort(s.begin(), s.end());
  const double c = s[0], b = s[1], a = s[2];
  if (a - c < 1e-9 * a) return 4 * std::numbers::pi * a * a;
  const double phi = std::acos(c / a), sine = std::sin(phi);
  const double k = std::sqrt(std::max(0.0, a * a * (b * b - c * c) / (b * b * (a * a - c * c))));
  return 2 * std::numbers::pi *
         (c * c + a * b / sine * (std::ellint_2(k, phi) * sine * sine + std::ellint_1(k, phi) * (1 - sine * sine)));
}

}  // namespace osteo::phantom
