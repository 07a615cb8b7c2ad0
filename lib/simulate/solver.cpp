#include "simulate/solver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"

namespace osteo::simulate {
namespace {

using Index = std::int64_t;
constexpr Index kNodeChunk = 4096;

/// Inverses of the diagonal blocks over the free components, in float: any symmetric positive approximation will do.
std::vector<float> invertBlocks(const Operator& K, const std::vector<FixedDof>& fixed) {
  const Index stride = K.stride();
  const auto blocks = K.diagonalBlocks();
  std::vector<std::uint8_t> held(static_cast<std::size_t>(stride), 0);
  for (const auto& f : fixed) held[f.dof % stride] |= static_cast<std::uint8_t>(1 << f.dof / stride);
  std::vector<float> inverse(static_cast<std::size_t>(6 * stride), 0.0F);
  core::parallelChunks(K.nodes(), kNodeChunk, [&](Index first, Index last, Index) {
    for (Index n = first; n < last; ++n) {
      std::array<double, 6> m;  // xx yy zz yz xz xy
      for (int c = 0; c < 6; ++c) m[c] = blocks[c * stride + n];
      for (int c = 0; c < 3; ++c)
        if (held[n] >> c & 1) {
          m[c] = 1;
          m[3 + (c + 1) % 3] = m[3 + (c + 2) % 3] = 0;
        }
      const double d =
          m[0] * m[1] * m[2] + 2 * m[3] * m[4] * m[5] - m[0] * m[3] * m[3] - m[1] * m[4] * m[4] - m[2] * m[5] * m[5];
      const std::array<double, 6> adjoint = {m[1] * m[2] - m[3] * m[3], m[0] * m[2] - m[4] * m[4],
                                             m[0] * m[1] - m[5] * m[5], m[4] * m[5] - m[0] * m[3],
                                             m[3] * m[5] - m[1] * m[4], m[3] * m[4] - m[2] * m[5]};
      for (int c = 0; c < 6; ++c) inverse[c * stride + n] = static_cast<float>(adjoint[c] / d);
      for (int c = 0; c < 3; ++c)
        if (held[n] >> c & 1) inverse[c * stride + n] = 0;
    }
  });
  return inverse;
}

/// The loops over nodes of one conjugate-gradient iteration, each with its sums in fixed order.
struct Vectors {
  const Operator& K;
  std::vector<float> inverse;
  Field x, r, p, Kp;

  std::array<double, 3> precondition(Index n) const {
    const Index s = K.stride();
    const double r0 = r[n], r1 = r[s + n], r2 = r[2 * s + n];
    const float* m = inverse.data() + n;
    return {m[0] * r0 + m[5 * s] * r1 + m[4 * s] * r2, m[5 * s] * r0 + m[s] * r1 + m[3 * s] * r2,
            m[4 * s] * r0 + m[3 * s] * r1 + m[2 * s] * r2};
  }

  /// x += α p, r −= α K p; returns {r·M⁻¹r, r·r}.
  std::array<double, 2> step(double alpha) {
    const Index s = K.stride(), chunks = (K.nodes() + kNodeChunk - 1) / kNodeChunk;
    std::vector<std::array<double, 2>> sums(static_cast<std::size_t>(chunks));
    core::parallelChunks(K.nodes(), kNodeChunk, [&](Index first, Index last, Index chunk) {
      for (int c = 0; c < 3; ++c)
        for (Index n = c * s + first; n < c * s + last; ++n) {
          x[n] += alpha * p[n];
          r[n] -= alpha * Kp[n];
        }
      double rz = 0, rr = 0;
      for (Index n = first; n < last; ++n) {
        const auto z = precondition(n);
        for (int c = 0; c < 3; ++c) {
          rz += r[c * s + n] * z[c];
          rr += r[c * s + n] * r[c * s + n];
        }
      }
      sums[chunk] = {rz, rr};
    });
    std::array<double, 2> total = {0, 0};
    for (const auto& sum : sums) total[0] += sum[0], total[1] += sum[1];
    return total;
  }

  /// p = M⁻¹ r + β p.
  void turn(double beta) {
    const Index s = K.stride();
    core::parallelChunks(K.nodes(), kNodeChunk, [&](Index first, Index last, Index) {
      for (Index n = first; n < last; ++n) {
        const auto z = precondition(n);
        for (int c = 0; c < 3; ++c) p[c * s + n] = z[c] + beta * p[c * s + n];
      }
    });
  }
};

[[noreturn]] void notConverged(int iterations, double residual, double tolerance) {
  throw core::Error(core::Exit::DataError,
                    {.what = "the solver did not converge",
                     .file = {},
                     .expected = fmt::format("relative residual {:.1e}", tolerance),
                     .got = fmt::format("{:.2e} after {} iterations", residual, iterations),
                     .hint = "raise --max-iterations; loosely hanging parts or extreme contrast slow it down"});
}

}  // namespace

SolveReport solve(const Operator& K, const Field& force, const std::vector<FixedDof>& fixed,
                  const SolveOptions& options, Field& u) {
  u = K.zeros();
  for (const auto& f : fixed) u[f.dof] = f.value_mm;
  Vectors v{K, invertBlocks(K, fixed), K.zeros(), K.zeros(), K.zeros(), K.zeros()};
  const auto hold = [&](Field& field) {
    for (const auto& f : fixed) field[f.dof] = 0;
  };
  K.apply(u, v.Kp);
  for (std::size_t n = 0; n < v.r.size(); ++n) v.r[n] = force[n] - v.Kp[n];
  hold(v.r);
  SolveReport report;
  report.bytes = double(v.inverse.size() * sizeof(float) + 6 * u.size() * sizeof(double));
  const double start = std::sqrt(dot(K, v.r, v.r));
  if (start == 0) return report;
  double rz = v.step(0)[0];
  v.turn(0);
  const double decades = -std::log10(options.tolerance);
  core::Progress progress("solve", 1000);
  for (report.residual = 1; report.residual > options.tolerance; ++report.iterations) {
    if (report.iterations == options.max_iterations)
      notConverged(report.iterations, report.residual, options.tolerance);
    K.apply(v.p, v.Kp);
    hold(v.Kp);
    const double curvature = dot(K, v.p, v.Kp);
    if (!(curvature > 0)) notConverged(report.iterations, report.residual, options.tolerance);
    const auto [next, rr] = v.step(rz / curvature);
    report.residual = std::sqrt(rr) / start;
    v.turn(next / rz);
    rz = next;
    progress.set(static_cast<Index>(1000 * std::clamp(-std::log10(report.residual) / decades, 0.0, 1.0)));
  }
  for (std::size_t n = 0; n < u.size(); ++n) u[n] += v.x[n];
  return report;
}

}  // namespace osteo::simulate
