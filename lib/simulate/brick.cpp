#include "simulate/brick.h"

#include <algorithm>

namespace osteo::simulate {
namespace {

constexpr int kLanes = 4;
constexpr int kChunk = 64;  // elements whose nodal forces wait in the first-level cache

#pragma GCC diagnostic ignored "-Wpsabi"  // packs are never passed across a call

// Four doubles, loaded and stored at any 8-byte boundary; the compiler splits them where there is no AVX.
using Pack = double __attribute__((vector_size(32), aligned(8), may_alias));

[[gnu::always_inline]] inline Pack load(const double* p) { return *reinterpret_cast<const Pack*>(p); }
[[gnu::always_inline]] inline void store(double* p, const Pack& v) { *reinterpret_cast<Pack*>(p) = v; }

struct Geometry {
  double ax, ay, az;  // 2/h: from the reference cube to mm
  double scale;       // volume / 64: both basis changes carry 1/8
};

/// Modes 1..7 (x, y, xy, z, xz, yz, xyz) of one displacement component in the Hadamard basis, times 8.
struct Modes {
  Pack m[8];
};

[[gnu::always_inline]] inline void toModes(const double* const* rows, int x, Modes& out) {
  const Pack a0 = load(rows[0] + x), a1 = load(rows[0] + x + 1), a2 = load(rows[1] + x), a3 = load(rows[1] + x + 1);
  const Pack a4 = load(rows[2] + x), a5 = load(rows[2] + x + 1), a6 = load(rows[3] + x), a7 = load(rows[3] + x + 1);
  const Pack b0 = a0 + a1, b1 = a1 - a0, b2 = a2 + a3, b3 = a3 - a2;
  const Pack b4 = a4 + a5, b5 = a5 - a4, b6 = a6 + a7, b7 = a7 - a6;
  const Pack c0 = b0 + b2, c2 = b2 - b0, c1 = b1 + b3, c3 = b3 - b1;
  const Pack c4 = b4 + b6, c6 = b6 - b4, c5 = b5 + b7, c7 = b7 - b5;
  out.m[1] = c1 + c5, out.m[5] = c5 - c1;
  out.m[2] = c2 + c6, out.m[6] = c6 - c2;
  out.m[3] = c3 + c7, out.m[7] = c7 - c3;
  out.m[4] = c4 - c0;
}

/// Nodal forces of one component from its modes; `forces` points to 8 rows of kChunk + kLanes.
[[gnu::always_inline]] inline void toForces(const Modes& w, double (*forces)[kChunk + kLanes], int x) {
  const Pack d1 = w.m[1] - w.m[5], s1 = w.m[1] + w.m[5], d2 = w.m[2] - w.m[6], s2 = w.m[2] + w.m[6];
  const Pack d3 = w.m[3] - w.m[7], s3 = w.m[3] + w.m[7];
  const Pack even00 = -w.m[4] - d2, even10 = d2 - w.m[4], odd00 = d1 - d3, odd10 = d1 + d3;
  const Pack even01 = w.m[4] - s2, even11 = w.m[4] + s2, odd01 = s1 - s3, odd11 = s1 + s3;
  store(forces[0] + x, even00 - odd00), store(forces[1] + x, even00 + odd00);
  store(forces[2] + x, even10 - odd10), store(forces[3] + x, even10 + odd10);
  store(forces[4] + x, even01 - odd01), store(forces[5] + x, even01 + odd01);
  store(forces[6] + x, even11 - odd11), store(forces[7] + x, even11 + odd11);
}

/// Forces in mode space from displacements in mode space: dU/dh of U = V/2 ⟨ε·C·ε⟩, where the strains are polynomials
/// in the reference coordinates and the monomials are orthogonal with weights 1, 1/3 and 1/9. A = c11 − c12, B = c12, C
/// = c44.
[[gnu::always_inline]] inline void modeForces(const Geometry& g, const Pack& A, const Pack& B, const Pack& C,
                                              const Modes* h, Modes* w) {
  const double ax = g.ax, ay = g.ay, az = g.az;
  {  // constant strain
    const Pack exx = ax * h[0].m[1], eyy = ay * h[1].m[2], ezz = az * h[2].m[4];
    const Pack trace = B * (exx + eyy + ezz);
    w[0].m[1] = ax * (trace + A * exx), w[1].m[2] = ay * (trace + A * eyy), w[2].m[4] = az * (trace + A * ezz);
    const Pack sxy = C * (ay * h[0].m[2] + ax * h[1].m[1]), syz = C * (az * h[1].m[4] + ay * h[2].m[2]);
    const Pack sxz = C * (az * h[0].m[4] + ax * h[2].m[1]);
    w[0].m[2] = ay * sxy, w[1].m[1] = ax * sxy, w[1].m[4] = az * syz;
    w[2].m[2] = ay * syz, w[0].m[4] = az * sxz, w[2].m[1] = ax * sxz;
  }
  const Pack A3 = A * (1.0 / 3), B3 = B * (1.0 / 3), C3 = C * (1.0 / 3);
  {  // strains linear in the first coordinate: of y and z
    const Pack eyy = ay * h[1].m[3], ezz = az * h[2].m[5], trace = B3 * (eyy + ezz);
    const Pack syz = C3 * (az * h[1].m[5] + ay * h[2].m[3]);
    w[1].m[3] = ay * (trace + A3 * eyy) + (ax * ax) * (C3 * h[1].m[3]);
    w[2].m[5] = az * (trace + A3 * ezz) + (ax * ax) * (C3 * h[2].m[5]);
    w[1].m[5] = az * syz, w[2].m[3] = ay * syz;
  }
  {  // of x and z along y
    const Pack exx = ax * h[0].m[3], ezz = az * h[2].m[6], trace = B3 * (exx + ezz);
    const Pack sxz = C3 * (az * h[0].m[6] + ax * h[2].m[3]);
    w[0].m[3] = ax * (trace + A3 * exx) + (ay * ay) * (C3 * h[0].m[3]);
    w[2].m[6] = az * (trace + A3 * ezz) + (ay * ay) * (C3 * h[2].m[6]);
    w[0].m[6] = az * sxz, w[2].m[3] += ax * sxz;
  }
  {  // of x and y along z
    const Pack exx = ax * h[0].m[5], eyy = ay * h[1].m[6], trace = B3 * (exx + eyy);
    const Pack sxy = C3 * (ay * h[0].m[6] + ax * h[1].m[5]);
    w[0].m[5] = ax * (trace + A3 * exx) + (az * az) * (C3 * h[0].m[5]);
    w[1].m[6] = ay * (trace + A3 * eyy) + (az * az) * (C3 * h[1].m[6]);
    w[0].m[6] += ay * sxy, w[1].m[5] += ax * sxy;
  }
  const Pack A9 = (A + B) * (1.0 / 9), C9 = C * (1.0 / 9);  // strains in the products of two coordinates
  w[0].m[7] = (ax * ax * A9 + (ay * ay + az * az) * C9) * h[0].m[7];
  w[1].m[7] = (ay * ay * A9 + (ax * ax + az * az) * C9) * h[1].m[7];
  w[2].m[7] = (az * az * A9 + (ax * ax + ay * ay) * C9) * h[2].m[7];
}

/// Adds the forces of n neighbouring elements to one node row: left holds those on the lower node, right on the upper.
[[gnu::always_inline]] inline void addRow(double* y, const double* left, const double* right, int n) {
  y[0] += left[0];
  int i = 1;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(y + i) + (load(left + i) + load(right + i - 1)));
  for (; i < n; ++i) y[i] += left[i] + right[i - 1];
  y[n] += right[n - 1];
}

}  // namespace

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
__attribute__((target_clones("avx2", "default")))
#endif
void applyBricks(const VoxelModel& model, std::int64_t first_run, std::int64_t last_run, const double* u, double* y,
                 std::int64_t stride) {
  const Eigen::Vector3d size = model.frame.spacing_mm;
  const Geometry g{2 / size[0], 2 / size[1], 2 / size[2], size.prod() / 64};
  alignas(64) double forces[24][kChunk + kLanes];
  for (std::int64_t r = first_run; r < last_run; ++r) {
    const ElementRun& run = model.runs[static_cast<std::size_t>(r)];
    for (int first = 0; first < run.count; first += kChunk) {
      const int n = std::min(kChunk, run.count - first);
      const double* rows[3][4];
      for (int c = 0; c < 3; ++c)
        for (int row = 0; row < 4; ++row) rows[c][row] = u + c * stride + run.node[row] + first;
      const std::int64_t element = run.element + first;
      for (int x = 0; x < n; x += kLanes) {
        Modes h[3], w[3];
        for (int c = 0; c < 3; ++c) toModes(rows[c], x, h[c]);
        const Pack B = g.scale * load(&model.c12[element + x]), C = g.scale * load(&model.c44[element + x]);
        const Pack A = g.scale * load(&model.c11[element + x]) - B;
        modeForces(g, A, B, C, h, w);
        for (int c = 0; c < 3; ++c) toForces(w[c], forces + 8 * c, x);
      }
      for (int c = 0; c < 3; ++c)
        for (int row = 0; row < 4; ++row)
          addRow(y + c * stride + run.node[row] + first, forces[8 * c + 2 * row], forces[8 * c + 2 * row + 1], n);
    }
  }
}

std::array<double, 6> diagonalBlock(const Elastic& elastic, const Eigen::Vector3d& size_mm, int a) {
  const Eigen::Vector3d g = 2 * size_mm.cwiseInverse();
  const double volume = size_mm.prod();
  std::array<double, 6> block;
  for (int c = 0; c < 3; ++c)
    block[c] = volume / 36 * (elastic.c11 * g[c] * g[c] + elastic.c44 * (g.squaredNorm() - g[c] * g[c]));
  const double sx = a & 1 ? 1 : -1, sy = a & 2 ? 1 : -1, sz = a & 4 ? 1 : -1;
  const double mixed = volume / 48 * (elastic.c12 + elastic.c44);
  block[3] = mixed * g[1] * g[2] * sy * sz;
  block[4] = mixed * g[0] * g[2] * sx * sz;
  block[5] = mixed * g[0] * g[1] * sx * sy;
  return block;
}

Vector6d centreStrain(const double* u, std::int64_t stride, const std::array<std::int64_t, 8>& nodes,
                      const Eigen::Vector3d& size_mm) {
  Eigen::Matrix3d gradient = Eigen::Matrix3d::Zero();  // row: component, column: direction
  for (int a = 0; a < 8; ++a)
    for (int c = 0; c < 3; ++c) {
      const double value = u[c * stride + nodes[a]];
      for (int d = 0; d < 3; ++d) gradient(c, d) += (a >> d & 1) ? value : -value;
    }
  for (int d = 0; d < 3; ++d) gradient.col(d) /= 4 * size_mm[d];
  Vector6d strain;
  strain << gradient(0, 0), gradient(1, 1), gradient(2, 2), gradient(1, 2) + gradient(2, 1),
      gradient(0, 2) + gradient(2, 0), gradient(0, 1) + gradient(1, 0);
  return strain;
}

}  // namespace osteo::simulate
