#include "simulate/brick.h"

#include <algorithm>

namespace osteo::simulate {
namespace {

constexpr int kChunk = 64;  // elements whose nodal forces wait in the first-level cache

#pragma GCC diagnostic ignored "-Wpsabi"  // packs are never passed across a call

/// 32 bytes of numbers, loaded and stored at any boundary of a number; the compiler splits them where there is no AVX.
template <class T>
struct PackOf;
template <>
struct PackOf<double> {
  using type = double __attribute__((vector_size(32), aligned(8), may_alias));
};
template <>
struct PackOf<float> {
  using type = float __attribute__((vector_size(32), aligned(4), may_alias));
};
template <class T>
using Pack = typename PackOf<T>::type;
template <class T>
constexpr int kLanes = 32 / static_cast<int>(sizeof(T));

template <class T>
[[gnu::always_inline]] inline Pack<T> load(const T* p) {
  return *reinterpret_cast<const Pack<T>*>(p);
}
template <class T>
[[gnu::always_inline]] inline void store(T* p, const Pack<T>& v) {
  *reinterpret_cast<Pack<T>*>(p) = v;
}

/// Stiffness of kLanes elements from floats, where elements beyond the run's end count as zero.
template <class T>
[[gnu::always_inline]] inline Pack<T> loadStiffness(const float* p, int valid) {
  Pack<T> v;
  for (int lane = 0; lane < kLanes<T>; ++lane) v[lane] = lane < valid ? static_cast<T>(p[lane]) : T(0);
  return v;
}
template <>
[[gnu::always_inline]] inline Pack<float> loadStiffness<float>(const float* p, int valid) {
  alignas(32) static constexpr float kMask[16] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  const Pack<float> v = load(p);
  return valid >= kLanes<float> ? v : v * load(kMask + kLanes<float> - valid);
}

/// Modes 1..7 (x, y, xy, z, xz, yz, xyz) of one displacement component in the Hadamard basis, times 8.
template <class T>
struct Modes {
  Pack<T> m[8];
};

template <class T>
[[gnu::always_inline]] inline void toModes(const T* const* rows, int x, Modes<T>& out) {
  using P = Pack<T>;
  const P a0 = load(rows[0] + x), a1 = load(rows[0] + x + 1), a2 = load(rows[1] + x), a3 = load(rows[1] + x + 1);
  const P a4 = load(rows[2] + x), a5 = load(rows[2] + x + 1), a6 = load(rows[3] + x), a7 = load(rows[3] + x + 1);
  const P b0 = a0 + a1, b1 = a1 - a0, b2 = a2 + a3, b3 = a3 - a2;
  const P b4 = a4 + a5, b5 = a5 - a4, b6 = a6 + a7, b7 = a7 - a6;
  const P c0 = b0 + b2, c2 = b2 - b0, c1 = b1 + b3, c3 = b3 - b1;
  const P c4 = b4 + b6, c6 = b6 - b4, c5 = b5 + b7, c7 = b7 - b5;
  out.m[1] = c1 + c5, out.m[5] = c5 - c1;
  out.m[2] = c2 + c6, out.m[6] = c6 - c2;
  out.m[3] = c3 + c7, out.m[7] = c7 - c3;
  out.m[4] = c4 - c0;
}

/// Nodal forces that wait for their rows: those on the upper nodes stand one value further, so that the sum on node x
/// is lower[x] + upper[x].
template <class T>
struct Forces {
  static constexpr int kRow = kChunk + 2 * kLanes<T>;
  alignas(64) T lower[12][kRow], upper[12][kRow];
};

/// Nodal forces of component c from its modes.
template <class T>
[[gnu::always_inline]] inline void toForces(const Modes<T>& w, Forces<T>& f, int c, int x) {
  using P = Pack<T>;
  const P d1 = w.m[1] - w.m[5], s1 = w.m[1] + w.m[5], d2 = w.m[2] - w.m[6], s2 = w.m[2] + w.m[6];
  const P d3 = w.m[3] - w.m[7], s3 = w.m[3] + w.m[7];
  const P even00 = -w.m[4] - d2, even10 = d2 - w.m[4], odd00 = d1 - d3, odd10 = d1 + d3;
  const P even01 = w.m[4] - s2, even11 = w.m[4] + s2, odd01 = s1 - s3, odd11 = s1 + s3;
  T(*lower)[Forces<T>::kRow] = f.lower + 4 * c;
  T(*upper)[Forces<T>::kRow] = f.upper + 4 * c;
  store<T>(lower[0] + x, even00 - odd00), store<T>(upper[0] + x + 1, even00 + odd00);
  store<T>(lower[1] + x, even10 - odd10), store<T>(upper[1] + x + 1, even10 + odd10);
  store<T>(lower[2] + x, even01 - odd01), store<T>(upper[2] + x + 1, even01 + odd01);
  store<T>(lower[3] + x, even11 - odd11), store<T>(upper[3] + x + 1, even11 + odd11);
}

/// The general brick: gradients are 2/h per reference unit; both basis changes carry 1/8, so that the stiffness goes
/// in times volume / 64.
template <class T>
struct General {
  T ax, ay, az;
};

/// Stiffness of a pack of elements.
template <class T>
struct Tensor {
  Pack<T> c11, c12, c44, c22, c33, c13, c23, c55, c66;
};

/// Forces in mode space from displacements in mode space: dU/dh of U = V/2 ⟨ε·C·ε⟩, where the strains are polynomials
/// in the reference coordinates and the monomials are orthogonal with weights 1, 1/3 and 1/9.
template <class T>
[[gnu::always_inline]] inline void modeForces(const General<T>& g, const Tensor<T>& t, const Modes<T>* h, Modes<T>* w) {
  using P = Pack<T>;
  const T ax = g.ax, ay = g.ay, az = g.az, third = T(1) / 3, ninth = T(1) / 9;
  {  // constant strain
    const P exx = ax * h[0].m[1], eyy = ay * h[1].m[2], ezz = az * h[2].m[4];
    w[0].m[1] = ax * (t.c11 * exx + t.c12 * eyy + t.c13 * ezz);
    w[1].m[2] = ay * (t.c12 * exx + t.c22 * eyy + t.c23 * ezz);
    w[2].m[4] = az * (t.c13 * exx + t.c23 * eyy + t.c33 * ezz);
    const P sxy = t.c66 * (ay * h[0].m[2] + ax * h[1].m[1]), syz = t.c44 * (az * h[1].m[4] + ay * h[2].m[2]);
    const P sxz = t.c55 * (az * h[0].m[4] + ax * h[2].m[1]);
    w[0].m[2] = ay * sxy, w[1].m[1] = ax * sxy, w[1].m[4] = az * syz;
    w[2].m[2] = ay * syz, w[0].m[4] = az * sxz, w[2].m[1] = ax * sxz;
  }
  {  // strains of y and z that are linear along x
    const P eyy = third * ay * h[1].m[3], ezz = third * az * h[2].m[5];
    const P syz = third * t.c44 * (az * h[1].m[5] + ay * h[2].m[3]);
    w[1].m[3] = ay * (t.c22 * eyy + t.c23 * ezz) + (third * ax * ax) * (t.c66 * h[1].m[3]);
    w[2].m[5] = az * (t.c23 * eyy + t.c33 * ezz) + (third * ax * ax) * (t.c55 * h[2].m[5]);
    w[1].m[5] = az * syz, w[2].m[3] = ay * syz;
  }
  {  // of x and z along y
    const P exx = third * ax * h[0].m[3], ezz = third * az * h[2].m[6];
    const P sxz = third * t.c55 * (az * h[0].m[6] + ax * h[2].m[3]);
    w[0].m[3] = ax * (t.c11 * exx + t.c13 * ezz) + (third * ay * ay) * (t.c66 * h[0].m[3]);
    w[2].m[6] = az * (t.c13 * exx + t.c33 * ezz) + (third * ay * ay) * (t.c44 * h[2].m[6]);
    w[0].m[6] = az * sxz, w[2].m[3] += ax * sxz;
  }
  {  // of x and y along z
    const P exx = third * ax * h[0].m[5], eyy = third * ay * h[1].m[6];
    const P sxy = third * t.c66 * (ay * h[0].m[6] + ax * h[1].m[5]);
    w[0].m[5] = ax * (t.c11 * exx + t.c12 * eyy) + (third * az * az) * (t.c55 * h[0].m[5]);
    w[1].m[6] = ay * (t.c12 * exx + t.c22 * eyy) + (third * az * az) * (t.c44 * h[1].m[6]);
    w[0].m[6] += ay * sxy, w[1].m[5] += ax * sxy;
  }
  // strains in the products of two coordinates
  w[0].m[7] = ninth * (ax * ax * t.c11 + ay * ay * t.c66 + az * az * t.c55) * h[0].m[7];
  w[1].m[7] = ninth * (ay * ay * t.c22 + ax * ax * t.c66 + az * az * t.c44) * h[1].m[7];
  w[2].m[7] = ninth * (az * az * t.c33 + ax * ax * t.c55 + ay * ay * t.c44) * h[2].m[7];
}

/// The same for cubic bricks that differ by one factor only: seven numbers instead of 45.
template <class T>
struct Cubic {
  T a, b, c, d, e, f, g, last;  // a: c11 − c12, b: c12, c: c44, …, all times h/16

  explicit Cubic(const Elastic& base, double h_mm) {
    const double s = h_mm / 16, A = base.c11 - base.c12, B = base.c12, C = base.c44;
    a = T(s * A), b = T(s * B), c = T(s * C);
    d = T(s * (A + B + C) / 3), e = T(s * B / 3), f = T(s * C / 3), g = T(s * C / 3);
    last = T(s * (A + B + 2 * C) / 9);
  }
};

template <class T>
[[gnu::always_inline]] inline void modeForces(const Cubic<T>& k, const Pack<T>& s, const Modes<T>* h, Modes<T>* w) {
  using P = Pack<T>;
  const P bs = k.b * s, as = k.a * s, cs = k.c * s, ds = k.d * s, es = k.e * s, fs = k.f * s, ls = k.last * s;
  const P trace = bs * (h[0].m[1] + h[1].m[2] + h[2].m[4]);
  w[0].m[1] = trace + as * h[0].m[1], w[1].m[2] = trace + as * h[1].m[2], w[2].m[4] = trace + as * h[2].m[4];
  w[0].m[2] = w[1].m[1] = cs * (h[0].m[2] + h[1].m[1]);
  w[1].m[4] = w[2].m[2] = cs * (h[1].m[4] + h[2].m[2]);
  w[0].m[4] = w[2].m[1] = cs * (h[0].m[4] + h[2].m[1]);
  w[1].m[3] = ds * h[1].m[3] + es * h[2].m[5], w[2].m[5] = ds * h[2].m[5] + es * h[1].m[3];
  w[0].m[3] = ds * h[0].m[3] + es * h[2].m[6], w[2].m[6] = ds * h[2].m[6] + es * h[0].m[3];
  w[0].m[5] = ds * h[0].m[5] + es * h[1].m[6], w[1].m[6] = ds * h[1].m[6] + es * h[0].m[5];
  const P sum = fs * (h[0].m[6] + h[1].m[5] + h[2].m[3]);
  w[0].m[6] = sum + fs * h[0].m[6], w[1].m[5] = sum + fs * h[1].m[5], w[2].m[3] = sum + fs * h[2].m[3];
  for (int c = 0; c < 3; ++c) w[c].m[7] = ls * h[c].m[7];
}

/// Calls body(h, w, element, valid) for every pack of elements of the runs and adds the forces to their node rows.
template <class T, class Body>
[[gnu::always_inline]] inline void forEachPack(const VoxelModel& model, std::int64_t first_run, std::int64_t last_run,
                                               const T* u, T* y, std::int64_t stride, const Body& body) {
  constexpr int kL = kLanes<T>;
  Forces<T> forces;
  for (auto& row : forces.upper) row[0] = 0;
  for (std::int64_t r = first_run; r < last_run; ++r) {
    const ElementRun& run = model.runs[static_cast<std::size_t>(r)];
    for (int first = 0; first < run.count; first += kChunk) {
      const int n = std::min(kChunk, run.count - first);
      const T* rows[3][4];
      for (int c = 0; c < 3; ++c)
        for (int row = 0; row < 4; ++row) rows[c][row] = u + c * stride + run.node[row] + first;
      const std::int64_t element = run.element + first;
      for (int x = 0; x < n; x += kL) {
        Modes<T> h[3], w[3];
        for (int c = 0; c < 3; ++c) toModes<T>(rows[c], x, h[c]);
        body(h, w, element + x, n - x);
        for (int c = 0; c < 3; ++c) toForces<T>(w[c], forces, c, x);
      }
      // Elements beyond the run's end have no stiffness, so that whole packs can be added; n itself is an upper node.
      const int end = (n + kL - 1) / kL * kL;
      for (int c = 0; c < 3; ++c)
        for (int row = 0; row < 4; ++row) {
          T* to = y + c * stride + run.node[row] + first;
          const T *lower = forces.lower[4 * c + row], *upper = forces.upper[4 * c + row];
          int x = 0;
          for (; x + kL <= n; x += kL) store<T>(to + x, load(to + x) + (load(lower + x) + load(upper + x)));
          if (end == n)
            to[n] += upper[n];
          else
            store<T>(to + x, load(to + x) + (load(lower + x) + load(upper + x)));
        }
    }
  }
}

/// Calls run(load) with a function that gives the stiffness of the pack at an element, times `factor`.
template <class T, class Run>
[[gnu::always_inline]] inline void withTensors(const Stiffness& s, T factor, const Run& run) {
  const auto get = [&](int q, std::int64_t e, int valid) __attribute__((always_inline)) {
    return factor * loadStiffness<T>(&s.entry[static_cast<std::size_t>(q)][static_cast<std::size_t>(e)], valid);
  };
  if (s.isUniform()) {
    T base[Elastic::kEntries];
    for (int q = 0; q < Elastic::kEntries; ++q) base[q] = factor * T(s.base[q]);
    run([&](std::int64_t e, int valid) __attribute__((always_inline)) {
      const Pack<T> f = loadStiffness<T>(&s.scale[static_cast<std::size_t>(e)], valid);
      return Tensor<T>{base[0] * f, base[1] * f, base[2] * f, base[3] * f, base[4] * f,
                       base[5] * f, base[6] * f, base[7] * f, base[8] * f};
    });
  } else if (s.entry.size() == 3) {
    run([&](std::int64_t e, int valid) __attribute__((always_inline)) {
      const Pack<T> a = get(0, e, valid), b = get(1, e, valid), c = get(2, e, valid);
      return Tensor<T>{a, b, c, a, a, b, b, c, c};
    });
  } else {
    run([&](std::int64_t e, int valid) __attribute__((always_inline)) {
      return Tensor<T>{get(0, e, valid), get(1, e, valid), get(2, e, valid), get(3, e, valid), get(4, e, valid),
                       get(5, e, valid), get(6, e, valid), get(7, e, valid), get(8, e, valid)};
    });
  }
}

/// Which runs of a model are applied to which vectors.
template <class T>
struct Job {
  const VoxelModel& model;
  std::int64_t first_run, last_run;
  const T* u;
  T* y;
  std::int64_t stride;
};

bool isCubicBrick(const VoxelModel& model) {
  const auto& size = model.frame.spacing_mm;
  return model.stiffness.isUniform() && model.stiffness.base.isCubic() && size[0] == size[1] && size[1] == size[2];
}

template <class T>
[[gnu::always_inline]] inline void applyCubic(const Job<T>& job) {
  const Stiffness& stiffness = job.model.stiffness;
  const Cubic<T> cubic(stiffness.base, job.model.frame.spacing_mm[0]);
  forEachPack<T>(
      job.model, job.first_run, job.last_run, job.u, job.y,
      job.stride, [&](const Modes<T>* h, Modes<T>* w, std::int64_t e, int valid) __attribute__((always_inline)) {
        modeForces<T>(cubic, loadStiffness<T>(&stiffness.scale[e], valid), h, w);
      });
}

template <class T>
[[gnu::always_inline]] inline void applyGeneral(const Job<T>& job) {
  const Eigen::Vector3d size = job.model.frame.spacing_mm;
  const General<T> g{T(2 / size[0]), T(2 / size[1]), T(2 / size[2])};
  withTensors<T>(
      job.model.stiffness, T(size.prod() / 64), [&](const auto& tensor) __attribute__((always_inline)) {
        forEachPack<T>(
            job.model, job.first_run, job.last_run, job.u, job.y,
            job.stride, [&](const Modes<T>* h, Modes<T>* w, std::int64_t e, int valid) __attribute__((always_inline)) {
              modeForces<T>(g, tensor(e, valid), h, w);
            });
      });
}

}  // namespace

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(OSTEO_NO_DISPATCH)
#define OSTEO_DISPATCH __attribute__((target_clones("avx2", "default")))
#else
#define OSTEO_DISPATCH
#endif
// One function a path: together they would share registers and the stack, and the fast one would lose a fifth.
namespace {
OSTEO_DISPATCH void cubicBricks(const Job<double>& job) { applyCubic(job); }
OSTEO_DISPATCH void cubicBricks(const Job<float>& job) { applyCubic(job); }
OSTEO_DISPATCH void generalBricks(const Job<double>& job) { applyGeneral(job); }
OSTEO_DISPATCH void generalBricks(const Job<float>& job) { applyGeneral(job); }
}  // namespace

void applyBricks(const VoxelModel& model, std::int64_t first_run, std::int64_t last_run, const double* u, double* y,
                 std::int64_t stride) {
  const Job<double> job{model, first_run, last_run, u, y, stride};
  isCubicBrick(model) ? cubicBricks(job) : generalBricks(job);
}
void applyBricks(const VoxelModel& model, std::int64_t first_run, std::int64_t last_run, const float* u, float* y,
                 std::int64_t stride) {
  const Job<float> job{model, first_run, last_run, u, y, stride};
  isCubicBrick(model) ? cubicBricks(job) : generalBricks(job);
}
#undef OSTEO_DISPATCH

Eigen::Matrix<double, 24, 24> brickStiffness(const Elastic& elastic, const Eigen::Vector3d& size_mm) {
  VoxelModel one;
  one.frame.spacing_mm = size_mm;
  ElementRun run;
  run.count = 1;
  run.node = {0, 2, 4, 6};
  one.runs = {run};
  one.stiffness.base = elastic;
  one.stiffness.scale.assign(1 + kPadding, 0.0F);
  one.stiffness.scale[0] = 1;
  constexpr int kStride = 8 + kPadding;
  Eigen::Matrix<double, 24, 24> K;
  for (int column = 0; column < 24; ++column) {
    std::array<double, 3 *kStride> u = {}, y = {};
    u[column % 3 * kStride + column / 3] = 1;
    applyBricks(one, 0, 1, u.data(), y.data(), kStride);
    for (int row = 0; row < 24; ++row) K(row, column) = y[row % 3 * kStride + row / 3];
  }
  return K;
}

std::array<double, 6> diagonalBlock(const Elastic& elastic, const Eigen::Vector3d& size_mm, int a) {
  const Eigen::Vector3d g = 2 * size_mm.cwiseInverse();
  const double volume = size_mm.prod();
  std::array<double, 6> block;
  const Eigen::Vector3d q = volume / 36 * g.cwiseAbs2();
  block[0] = elastic.c11 * q[0] + elastic.c66 * q[1] + elastic.c55 * q[2];
  block[1] = elastic.c66 * q[0] + elastic.c22 * q[1] + elastic.c44 * q[2];
  block[2] = elastic.c55 * q[0] + elastic.c44 * q[1] + elastic.c33 * q[2];
  const double sx = a & 1 ? 1 : -1, sy = a & 2 ? 1 : -1, sz = a & 4 ? 1 : -1;
  block[3] = volume / 48 * (elastic.c23 + elastic.c44) * g[1] * g[2] * sy * sz;
  block[4] = volume / 48 * (elastic.c13 + elastic.c55) * g[0] * g[2] * sx * sz;
  block[5] = volume / 48 * (elastic.c12 + elastic.c66) * g[0] * g[1] * sx * sy;
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
