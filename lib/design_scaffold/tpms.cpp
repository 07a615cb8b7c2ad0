#include "design_scaffold/tpms.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/parallel.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kTwoPi = 2 * std::numbers::pi;

/// Sines and cosines of the angles and of twice the angles.
struct Waves {
  explicit Waves(const Vector3d& u) : Waves(u.array().sin(), u.array().cos()) {}
  Waves(const Eigen::Array3d& sines, const Eigen::Array3d& cosines)
      : s(sines), c(cosines), s2(2 * s * c), c2(c.square() - s.square()) {}
  Eigen::Array3d s, c, s2, c2;
};

/// What one axis adds to F; `a` is the axis, then its cyclic successors. The gradient comes with it.
using Term = double (*)(const Waves&, int a, int b, int c, Vector3d& gradient);

double diamondTerm(const Waves& w, int a, int b, int c, Vector3d& g) {
  g[a] += w.c[a] * w.c[b] * w.c[c], g[b] -= w.s[a] * w.s[b] * w.c[c], g[c] -= w.s[a] * w.c[b] * w.s[c];
  return w.s[a] * w.c[b] * w.c[c];
}

double primitiveTerm(const Waves& w, int a, int, int, Vector3d& g) {
  g[a] -= w.s[a];
  return w.c[a];
}

double iwpTerm(const Waves& w, int a, int b, int, Vector3d& g) {
  g[a] += 2 * w.s2[a] - 2 * w.s[a] * w.c[b], g[b] -= 2 * w.c[a] * w.s[b];
  return 2 * w.c[a] * w.c[b] - w.c2[a];
}

double fischerKochTerm(const Waves& w, int a, int b, int c, Vector3d& g) {
  g[a] -= 2 * w.s2[a] * w.s[b] * w.c[c], g[b] += w.c2[a] * w.c[b] * w.c[c], g[c] -= w.c2[a] * w.s[b] * w.s[c];
  return w.c2[a] * w.s[b] * w.c[c];
}

double lidinoidTerm(const Waves& w, int a, int b, int c, Vector3d& g) {
  g[a] += w.c2[a] * w.c[b] * w.s[c] + w.s2[a] * w.c2[b];
  g[b] += w.c2[a] * w.s2[b] - 0.5 * w.s2[a] * w.s[b] * w.s[c];
  g[c] += 0.5 * w.s2[a] * w.c[b] * w.c[c];
  return 0.5 * (w.s2[a] * w.c[b] * w.s[c] - w.c2[a] * w.c2[b]) + 0.05;
}

double frdTerm(const Waves& w, int a, int b, int, Vector3d& g) {
  g[a] += 2 * w.s2[a] * w.c2[b], g[b] += 2 * w.c2[a] * w.s2[b];
  return -w.c2[a] * w.c2[b];
}

double cyclic(Term term, const Waves& w, Vector3d& gradient) {
  double sum = 0;
  for (int a = 0; a < 3; ++a) sum += term(w, a, (a + 1) % 3, (a + 2) % 3, gradient);
  return sum;
}

/// factor · product of f, whose derivative is slope.
double product(double factor, const Eigen::Array3d& f, const Eigen::Array3d& slope, Vector3d& g) {
  for (int a = 0; a < 3; ++a) g[a] += factor * slope[a] * f[(a + 1) % 3] * f[(a + 2) % 3];
  return factor * f.prod();
}

/// F of any surface but the gyroid.
double valueOf(Tpms surface, const Waves& w, Vector3d& gradient) {
  gradient.setZero();
  switch (surface) {
    case Tpms::Diamond:
      return cyclic(diamondTerm, w, gradient) + product(1, w.s, w.c, gradient);
    case Tpms::Primitive:
      return cyclic(primitiveTerm, w, gradient);
    case Tpms::Iwp:
      return cyclic(iwpTerm, w, gradient);
    case Tpms::Neovius: {
      const double sum = 3 * cyclic(primitiveTerm, w, gradient);
      gradient *= 3;
      return sum + product(4, w.c, -w.s, gradient);
    }
    case Tpms::FischerKochS:
      return cyclic(fischerKochTerm, w, gradient);
    case Tpms::Lidinoid:
      return cyclic(lidinoidTerm, w, gradient);
    default:
      return cyclic(frdTerm, w, gradient) + product(4, w.c, -w.s, gradient);
  }
}

/// Cell averages of F and how much F changes across each cell.
struct Samples {
  std::vector<float> mean, change;
  double share(double t) const {
    std::vector<double> sums(64, 0);
    const std::int64_t n = static_cast<std::int64_t>(mean.size()), chunk = (n + 63) / 64;
    core::parallelFor(64, [&](std::int64_t part) {
      double sum = 0;
      for (std::int64_t i = part * chunk; i < std::min(n, (part + 1) * chunk); ++i)
        sum += std::clamp(0.5 + (t - mean[i]) / std::max<double>(change[i], 1e-12), 0.0, 1.0);
      sums[part] = sum;
    });
    double sum = 0;
    for (const double part : sums) sum += part;
    return sum / static_cast<double>(n);
  }
  double fraction(Kind kind, double t) const {
    return kind == Kind::Network ? share(t) : std::max(0.0, share(t) - share(-t));
  }
};

Samples sample(Tpms surface) {
  constexpr int kSide = 96;
  constexpr double kStep = kTwoPi / kSide;
  Samples out;
  std::vector<double> values(static_cast<std::size_t>(kSide) * kSide * kSide);
  out.mean.resize(values.size());
  out.change.resize(values.size());
  const auto at = [](int i, int j, int k) {
    const auto wrap = [](int n) { return (n + kSide) % kSide; };
    return (static_cast<std::size_t>(wrap(k)) * kSide + wrap(j)) * kSide + wrap(i);
  };
  const auto everywhere = [&](const auto& visit) {
    core::parallelFor(kSide, [&](std::int64_t k) {
      for (int j = 0; j < kSide; ++j)
        for (int i = 0; i < kSide; ++i) visit(i, j, static_cast<int>(k));
    });
  };
  std::array<double, kSide> sine, cosine;  // of the planes of the grid, the same along all axes
  for (std::size_t n = 0; n < kSide; ++n) {
    const double at = kStep * (static_cast<double>(n) + 0.5);
    sine[n] = std::sin(at), cosine[n] = std::cos(at);
  }
  everywhere([&](int i, int j, int k) {
    Vector3d gradient;
    const Waves waves({sine[i], sine[j], sine[k]}, {cosine[i], cosine[j], cosine[k]});
    values[at(i, j, k)] = valueOf(surface, waves, gradient);
    out.change[at(i, j, k)] = static_cast<float>(kStep * gradient.norm());
  });
  // The mean over a cell is the middle's value plus a twenty-fourth of the second differences.
  everywhere([&](int i, int j, int k) {
    const double middle = values[at(i, j, k)];
    const double around = values[at(i - 1, j, k)] + values[at(i + 1, j, k)] + values[at(i, j - 1, k)] +
                          values[at(i, j + 1, k)] + values[at(i, j, k - 1)] + values[at(i, j, k + 1)];
    out.mean[at(i, j, k)] = static_cast<float>(middle + (around - 6 * middle) / 24);
  });
  return out;
}

}  // namespace

const std::vector<std::string>& tpmsNames() {
  static const std::vector<std::string> kNames{"gyroid",  "diamond",        "primitive", "iwp",
                                               "neovius", "fischer-koch-s", "lidinoid",  "frd"};
  return kNames;
}

Tpms tpmsNamed(const std::string& name) {
  const auto& names = tpmsNames();
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end())
    throw core::Error(core::Exit::Usage, {.what = "no such surface", .expected = "gyroid … frd", .got = name});
  return static_cast<Tpms>(at - names.begin());
}

const std::string& nameOf(Tpms surface) { return tpmsNames()[static_cast<std::size_t>(surface)]; }

double nodal(Tpms surface, const Vector3d& u, Vector3d& gradient) {
  return surface == Tpms::Gyroid ? gyroid(u, gradient) : valueOf(surface, Waves(u), gradient);
}

double volumeFraction(Tpms surface, Kind kind, double t) {
  return surface == Tpms::Gyroid ? volumeFraction(kind, t) : sample(surface).fraction(kind, t);
}

double isoValue(Tpms surface, Kind kind, double volume_fraction) {
  constexpr double kRounding = 1e-9, kLargest = 13;
  if (!(volume_fraction >= kMinFraction - kRounding && volume_fraction <= kMaxFraction + kRounding))
    throw core::Error(core::Exit::Usage, {.what = "no lattice has this volume fraction",
                                          .expected = fmt::format("{} to {}", kMinFraction, kMaxFraction),
                                          .got = fmt::format("{}", volume_fraction),
                                          .hint = "choose a porosity between 0.05 and 0.95"});
  if (surface == Tpms::Gyroid) return isoValue(kind, volume_fraction);
  const Samples samples = sample(surface);
  double low = kind == Kind::Network ? -kLargest : 0, high = kLargest;
  while (high - low > 1e-8) {
    const double middle = 0.5 * (low + high);
    (samples.fraction(kind, middle) < volume_fraction ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace osteo::design_scaffold
