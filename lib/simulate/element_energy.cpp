#include "simulate/element_energy.h"

#include "core/error.h"
#include "core/parallel.h"

namespace osteo::simulate {
namespace {

constexpr std::int64_t kRunChunk = 256;
using Modes = std::array<double, 8>;

/// Modes 1, x, y, xy, z, xz, yz, xyz (bits of the index) of one component, times 8.
Modes modesOf(const double* u, const std::array<std::int64_t, 8>& nodes) {
  Modes m;
  for (int a = 0; a < 8; ++a) m[a] = u[nodes[a]];
  for (int bit = 1; bit < 8; bit *= 2)
    for (int a = 0; a < 8; ++a)
      if (!(a & bit)) {
        const double low = m[a], high = m[a | bit];
        m[a] = low + high;
        m[a | bit] = high - low;
      }
  return m;
}

double square(double x) { return x * x; }

/// The strains are polynomials whose monomials are orthogonal with weights 1, 1/3 and 1/9 (as in brick.cpp).
std::array<double, 3> energies(const std::array<Modes, 3>& h, const Eigen::Vector3d& a) {
  double c11 = 0, c12 = 0, c44 = 0;
  for (int c = 0; c < 3; ++c) {
    // Bits of the own axis and of the other two.
    const int own = 1 << c, p = (c + 1) % 3, q = (c + 2) % 3, bp = 1 << p, bq = 1 << q;
    const Modes& u = h[c];
    c11 += a[c] * a[c] * (square(u[own]) + (square(u[own | bp]) + square(u[own | bq])) / 3 + square(u[7]) / 9);
    // Axial strains along p and q share what is constant and what is linear along c.
    c12 += 2 * a[p] * a[q] * (h[p][bp] * h[q][bq] + h[p][bp | own] * h[q][bq | own] / 3);
    // Shear between p and q.
    const double constant = a[q] * h[p][bq] + a[p] * h[q][bp];
    const double linear = a[q] * h[p][bq | own] + a[p] * h[q][bp | own];
    c44 += square(constant) + square(linear) / 3;
    for (const auto& [r, s] : {std::pair{p, q}, std::pair{q, p}})  // displacement along r, sheared along s
      c44 += a[s] * a[s] * (square(h[r][1 << r | 1 << s]) / 3 + square(h[r][7]) / 9);
  }
  return {c11, c12, c44};
}

void requireSize(const VoxelModel& model, std::size_t values) {
  if (values != static_cast<std::size_t>(model.elements))
    throw core::Error(core::Exit::Software, {.what = "the stiffness of a model needs a value for each element"});
}

}  // namespace

std::vector<std::array<double, 3>> cubicEnergies(const Operator& K, const Field& u) {
  const VoxelModel& model = K.model();
  const Eigen::Vector3d size = model.frame.spacing_mm, gradient = 2 * size.cwiseInverse();
  const double factor = size.prod() / 64;
  std::vector<std::array<double, 3>> out(static_cast<std::size_t>(model.elements));
  core::parallelChunks(static_cast<std::int64_t>(model.runs.size()), kRunChunk, [&](auto first, auto last, auto) {
    forEachElement(model, first, last, [&](std::int64_t e, int, int, int, const auto& nodes) {
      std::array<Modes, 3> h;
      for (int c = 0; c < 3; ++c) h[c] = modesOf(u.data() + c * K.stride(), nodes);
      auto& own = out[static_cast<std::size_t>(e)] = energies(h, gradient);
      for (double& v : own) v *= factor;
    });
  });
  return out;
}

void setStiffness(VoxelModel& model, const Elastic& base, const std::vector<double>& factor) {
  requireSize(model, factor.size());
  Stiffness& s = model.stiffness;
  s.base = base;
  s.entry.clear();
  s.scale.assign(factor.begin(), factor.end());
  s.scale.insert(s.scale.end(), kPadding, 0.0F);
}

void setStiffness(VoxelModel& model, const std::vector<std::array<double, 3>>& entries) {
  requireSize(model, entries.size());
  Stiffness& s = model.stiffness;
  s.scale.clear();
  s.entry.assign(3, std::vector<float>(entries.size() + kPadding, 0.0F));
  for (std::size_t e = 0; e < entries.size(); ++e)
    for (std::size_t q = 0; q < 3; ++q) s.entry[q][e] = static_cast<float>(entries[e][q]);
}

}  // namespace osteo::simulate
