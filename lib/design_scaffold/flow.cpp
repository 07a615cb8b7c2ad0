#include "design_scaffold/flow.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "core/parallel.h"
#include "design_scaffold/periodic_solver.h"
#include "design_scaffold/throat.h"

namespace osteo::design_scaffold {
namespace {

using Values = std::vector<double>;

constexpr double kTolerance = 1e-3;
constexpr int kMostRounds = 600;

/// Calls f(n, i, j, k) for all nodes, in parallel over slices.
template <class F>
void forNodes(PeriodicNodes nodes, const F& f) {
  core::parallelFor(nodes.side, [&](std::int64_t slice) {
    const int k = static_cast<int>(slice);
    for (int j = 0; j < nodes.side; ++j)
      for (int i = 0; i < nodes.side; ++i) f(nodes.at(i, j, k), i, j, k);
  });
}

std::size_t shifted(PeriodicNodes nodes, int i, int j, int k, int axis, int by) {
  return nodes.at(i + (axis == 0 ? by : 0), j + (axis == 1 ? by : 0), k + (axis == 2 ? by : 0));
}

/// The velocity along one axis, on the faces below each node: −h²Δ with the walls at their distance.
struct Component {
  PeriodicOperator op;
  std::unique_ptr<PeriodicMultigrid> grids;

  Component(const std::vector<float>& distance, PeriodicNodes nodes, int axis) : op(nodes.side) {
    std::vector<float> at_face(nodes.size());
    forNodes(nodes, [&](std::size_t n, int i, int j, int k) {
      at_face[n] = 0.5F * (distance[n] + distance[shifted(nodes, i, j, k, axis, -1)]);
    });
    forNodes(nodes, [&](std::size_t n, int i, int j, int k) {
      const float own = at_face[n];
      if (own <= 0) return;
      for (int a = 0; a < 3; ++a)
        for (const int by : {-1, 1}) {
          const float next = at_face[shifted(nodes, i, j, k, a, by)];
          if (next <= 0)
            op.wall[n] += 1 / std::max(0.02F, own / (own - next));
          else if (by > 0)
            op.link[static_cast<std::size_t>(a)][n] = 1;
        }
    });
    op.close();
    grids = std::make_unique<PeriodicMultigrid>(op);
  }
  bool isOpen(std::size_t n) const { return op.diagonal[n] > 0; }
};

/// Velocities and pressure of the whole system, and its operator.
struct State {
  std::array<Values, 3> velocity;
  Values pressure;
  explicit State(std::size_t count) : velocity{Values(count), Values(count), Values(count)}, pressure(count) {}
  std::array<Values*, 4> parts() { return {&velocity[0], &velocity[1], &velocity[2], &pressure}; }
  std::array<const Values*, 4> parts() const { return {&velocity[0], &velocity[1], &velocity[2], &pressure}; }
};

double product(const State& a, const State& b) {
  double sum = 0;
  for (std::size_t p = 0; p < 4; ++p) sum += innerProduct(*a.parts()[p], *b.parts()[p]);
  return sum;
}

/// a = s·a + t·b.
void combine(double s, State& a, double t, const State& b) {
  for (std::size_t p = 0; p < 4; ++p) {
    double* x = a.parts()[p]->data();
    const double* y = b.parts()[p]->data();
    core::parallelChunks(static_cast<std::int64_t>(a.pressure.size()), 1 << 15,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           for (std::int64_t n = first; n < last; ++n) x[n] = s * x[n] + t * y[n];
                         });
  }
}

class Stokes {
 public:
  Stokes(const std::vector<float>& distance, PeriodicNodes nodes) : nodes_(nodes) {
    components_.reserve(3);
    for (int axis = 0; axis < 3; ++axis) components_.emplace_back(distance, nodes, axis);
  }

  const Component& component(int axis) const { return components_[static_cast<std::size_t>(axis)]; }

  void apply(const State& x, State& y) const {
    for (int axis = 0; axis < 3; ++axis) {
      const auto a = static_cast<std::size_t>(axis);
      components_[a].op.apply(x.velocity[a], y.velocity[a]);
      forNodes(nodes_, [&](std::size_t n, int i, int j, int k) {
        if (components_[a].isOpen(n))
          y.velocity[a][n] += x.pressure[n] - x.pressure[shifted(nodes_, i, j, k, axis, -1)];
      });
    }
    forNodes(nodes_, [&](std::size_t n, int i, int j, int k) {
      double sum = 0;  // minus the divergence, the transpose of the gradient above
      for (int axis = 0; axis < 3; ++axis) {
        const auto a = static_cast<std::size_t>(axis);
        const std::size_t above = shifted(nodes_, i, j, k, axis, 1);
        if (components_[a].isOpen(n)) sum += x.velocity[a][n];
        if (components_[a].isOpen(above)) sum -= x.velocity[a][above];
      }
      y.pressure[n] = sum;
    });
  }

  void precondition(const State& residual, State& z) {
    for (std::size_t a = 0; a < 3; ++a) components_[a].grids->apply(residual.velocity[a], z.velocity[a]);
    z.pressure = residual.pressure;
  }

 private:
  PeriodicNodes nodes_;
  std::vector<Component> components_;
};

/// Preconditioned MINRES (Paige & Saunders, SIAM Journal on Numerical Analysis 12, 1975; in the form of Elman,
/// Silvester & Wathen, Finite Elements and Fast Iterative Solvers, 2014, algorithm 4.1).
int minres(Stokes& system, const State& right, State& x, bool& converged) {
  const std::size_t count = x.pressure.size();
  State v_old(count), v = right, z(count), z_next(count), w_old(count), w(count), w_next(count), image(count);
  system.precondition(v, z);
  double gamma = std::sqrt(product(z, v)), gamma_old = 1, eta = gamma;
  const double first = gamma;
  double s_old = 0, s = 0, c_old = 1, c = 1;
  converged = first == 0;
  int round = 0;
  while (!converged && round < kMostRounds) {
    ++round;
    combine(1 / gamma, z, 0, z);
    system.apply(z, image);
    const double delta = product(image, z);
    // v_next = image − (δ/γ) v − (γ/γ_old) v_old, kept in `image`
    combine(1, image, -delta / gamma, v);
    if (round > 1) combine(1, image, -gamma / gamma_old, v_old);
    std::swap(v_old, v);
    std::swap(v, image);
    system.precondition(v, z_next);
    const double gamma_next = std::sqrt(std::max(0.0, product(z_next, v)));
    const double a0 = c * delta - c_old * s * gamma, a1 = std::hypot(a0, gamma_next),
                 a2 = s * delta + c_old * c * gamma, a3 = s_old * gamma;
    const double c_next = a0 / a1, s_next = gamma_next / a1;
    w_next = z;
    combine(1 / a1, w_next, -a3 / a1, w_old);
    combine(1, w_next, -a2 / a1, w);
    combine(1, x, c_next * eta, w_next);
    eta *= -s_next;
    std::swap(w_old, w);
    std::swap(w, w_next);
    std::swap(z, z_next);
    gamma_old = gamma, gamma = gamma_next;
    c_old = c, c = c_next, s_old = s, s = s_next;
    converged = std::abs(eta) < kTolerance * first;
    if (gamma < 1e-30) break;
  }
  return round;
}

}  // namespace

Permeability permeability(const std::vector<float>& distance_mm, PeriodicNodes nodes, double step_mm, int axis) {
  if (throatRadii(distance_mm, nodes)[static_cast<std::size_t>(axis)] <= 0) return {0, 0, true};  // no way through
  Stokes system(distance_mm, nodes);
  State right(nodes.size()), x(nodes.size());
  const auto a = static_cast<std::size_t>(axis);
  for (std::size_t n = 0; n < nodes.size(); ++n) right.velocity[a][n] = system.component(axis).isOpen(n) ? 1.0 : 0.0;
  Permeability result;
  result.iterations = minres(system, right, x, result.converged);
  double sum = 0;
  for (const double u : x.velocity[a]) sum += u;
  const double step_m = 1e-3 * step_mm;
  result.k_m2 = sum / static_cast<double>(nodes.size()) * step_m * step_m;
  return result;
}

double tortuosity(const std::vector<float>& distance_mm, PeriodicNodes nodes, double step_mm, int axis) {
  PeriodicOperator op(nodes.side);
  const auto open = [&](float d) { return std::clamp(0.5 + d / step_mm, 0.0, 1.0); };
  constexpr double kClosed = 1e-6;
  double porosity = 0;
  for (const float d : distance_mm) porosity += open(d);
  porosity /= static_cast<double>(nodes.size());
  forNodes(nodes, [&](std::size_t n, int i, int j, int k) {
    for (int a = 0; a < 3; ++a) {
      const double share = open(0.5F * (distance_mm[n] + distance_mm[shifted(nodes, i, j, k, a, 1)]));
      op.link[static_cast<std::size_t>(a)][n] = share > kClosed ? static_cast<float>(share) : 0.0F;
    }
  });
  op.close();
  PeriodicMultigrid grids(op);
  // c = x·(1 step) + periodic part: the part answers for what the uniform gradient piles up.
  Values right(nodes.size()), x(nodes.size()), z(nodes.size()), direction, image(nodes.size());
  const std::vector<float>& along = op.link[static_cast<std::size_t>(axis)];
  forNodes(nodes,
           [&](std::size_t n, int i, int j, int k) { right[n] = along[n] - along[shifted(nodes, i, j, k, axis, -1)]; });
  const double first = innerProduct(right, right);
  grids.apply(right, z);
  direction = z;
  double rho = innerProduct(right, z);
  for (int round = 0; round < kMostRounds && innerProduct(right, right) > 1e-10 * first; ++round) {
    op.apply(direction, image);
    const double step = rho / innerProduct(direction, image);
    for (std::size_t n = 0; n < x.size(); ++n) {
      x[n] += step * direction[n];
      right[n] -= step * image[n];
    }
    grids.apply(right, z);
    const double next = innerProduct(right, z), factor = next / rho;
    rho = next;
    for (std::size_t n = 0; n < x.size(); ++n) direction[n] = z[n] + factor * direction[n];
  }
  double flux = 0;
  for (int k = 0; k < nodes.side; ++k)
    for (int j = 0; j < nodes.side; ++j)
      for (int i = 0; i < nodes.side; ++i) {
        const std::size_t n = nodes.at(i, j, k);
        flux += along[n] * (1 + x[shifted(nodes, i, j, k, axis, 1)] - x[n]);
      }
  flux /= static_cast<double>(nodes.size());
  constexpr double kNone = 1e-9;
  return flux > kNone ? porosity / flux : std::numeric_limits<double>::infinity();
}

}  // namespace osteo::design_scaffold
