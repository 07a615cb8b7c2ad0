#include "design_scaffold/coarse_body.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "simulate/brick.h"
#include "simulate/element_energy.h"
#include "simulate/remote.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using Eigen::Vector3i;
using simulate::FixedDof;
using simulate::Vector6d;

constexpr double kTolerance = 1e-4;   // of the energy: far below what larger elements are off
constexpr double kHeldShare = 0.4;    // of the most that any node of a region has
constexpr double kLeastRoot = 1e-12;  // keeps an entry positive

/// Between Voigt's mean, which is too stiff for graded insides, and that of roots, which is too soft for borders.
double rootOf(double modulus) { return std::sqrt(modulus) * std::sqrt(std::sqrt(modulus)); }

std::vector<simulate::Filler> anything() {
  simulate::Filler filler;
  filler.law = simulate::Filler::Law::Modulus;
  return {filler};
}

/// How an element lies among larger ones along one axis: at most in two.
struct Along {
  int first;
  double share[2];  ///< of the larger element's length
};
Along along(int place, int size, int cells) {
  const double from = static_cast<double>(place) * cells / size, to = static_cast<double>(place + 1) * cells / size;
  const int first = std::min(static_cast<int>(from + 1e-9), cells - 1);
  const double border = first + 1;
  return {first, {std::min(to, border) - from, std::max(0.0, to - border)}};
}

/// Where the middle of an element lies in its larger one, 0 to 1.
std::pair<int, double> middle(int place, int size, int cells) {
  const double at = (place + 0.5) * cells / size;
  const int cell = std::min(static_cast<int>(at), cells - 1);
  return {cell, at - cell};
}

/// Strain of trilinear displacements of eight nodes (component, node) at a point of the unit cube.
Vector6d strainAt(const Eigen::Matrix<double, 3, 8>& u, const Vector3d& at, const Vector3d& size_mm) {
  Eigen::Matrix3d gradient = Eigen::Matrix3d::Zero();  // of component (row) by axis (column)
  for (int a = 0; a < 8; ++a) {
    Vector3d weight, slope;
    for (int c = 0; c < 3; ++c) {
      const bool high = (a >> c & 1) != 0;
      weight[c] = high ? at[c] : 1 - at[c];
      slope[c] = (high ? 1 : -1) / size_mm[c];
    }
    const Vector3d by(slope[0] * weight[1] * weight[2], weight[0] * slope[1] * weight[2],
                      weight[0] * weight[1] * slope[2]);
    gradient += u.col(a) * by.transpose();
  }
  Vector6d out;
  out << gradient(0, 0), gradient(1, 1), gradient(2, 2), gradient(1, 2) + gradient(2, 1),
      gradient(0, 2) + gradient(2, 0), gradient(0, 1) + gradient(1, 0);
  return out;
}

bool isMoved(const std::vector<FixedDof>& fixed) {
  return std::any_of(fixed.begin(), fixed.end(), [](const FixedDof& f) { return f.value_mm != 0; });
}

}  // namespace

CoarseBody::CoarseBody(const simulate::VoxelModel& fine, int factor)
    : fine_(fine), coarse_(simulate::coarsen(fine, anything(), factor, 2)), K_(coarse_.model) {
  const Vector3i size = cells();
  element_at_.assign(static_cast<std::size_t>(coarse_.model.frame.voxelCount()), -1);
  simulate::forEachElement(coarse_.model, [&](std::int64_t e, int i, int j, int k, const auto& nodes) {
    cell_.emplace_back(i, j, k), nodes_.push_back(nodes);
    element_at_[cellOf(cell_.back())] = e;
  });
  simulate::forEachElement(fine, [&](std::int64_t, int i, int j, int k, const auto&) {
    const Vector3i p = Vector3i(i, j, k) - coarse_.low;
    place_.push_back(p);
    Along a[3];
    for (int c = 0; c < 3; ++c) a[c] = along(p[c], coarse_.size[c], size[c]);
    for (int n = 0; n < 8; ++n) {
      const double share = a[0].share[n & 1] * a[1].share[n >> 1 & 1] * a[2].share[n >> 2];
      const Vector3i cell(a[0].first + (n & 1), a[1].first + (n >> 1 & 1), a[2].first + (n >> 2));
      const bool is_there = share > 1e-9 && (cell.array() < size.array()).all() && element_at_[cellOf(cell)] >= 0;
      parts_.push_back({is_there ? static_cast<std::int32_t>(element_at_[cellOf(cell)]) : 0,
                        is_there ? static_cast<float>(share) : 0.0F});
    }
  });
}

void CoarseBody::follow() {
  std::vector<std::array<double, 3>> roots(static_cast<std::size_t>(coarse_.model.elements), {0, 0, 0});
  const bool is_uniform = fine_.stiffness.isUniform();
  for (std::size_t e = 0; e < place_.size(); ++e) {
    const simulate::Elastic own = fine_.stiffness.at(e);
    std::array<double, 3> root = {rootOf(own.c11), 0, 0};
    for (std::size_t q = 1; q < 3; ++q) root[q] = is_uniform ? root[0] : rootOf(own[static_cast<int>(q)]);
    for (std::size_t n = 8 * e; n < 8 * e + 8; ++n)
      for (std::size_t q = 0; q < 3 && parts_[n].share > 0; ++q)
        roots[static_cast<std::size_t>(parts_[n].element)][q] += static_cast<double>(parts_[n].share) * root[q];
  }
  const simulate::Elastic base = fine_.stiffness.base;
  for (auto& entries : roots)
    for (std::size_t q = 0; q < 3; ++q) {
      const double by = is_uniform ? base[static_cast<int>(q)] / base.c11 : 1;
      entries[q] = by * std::max(entries[q] * std::cbrt(entries[q]), kLeastRoot);
    }
  simulate::setStiffness(coarse_.model, roots);
}

std::vector<FixedDof> CoarseBody::heldOf(const simulate::Operator& fine, const std::vector<FixedDof>& fixed) const {
  if (fixed.empty()) return {};
  std::vector<std::int8_t> is_held(static_cast<std::size_t>(3 * fine.stride()), 0);
  std::vector<double> value(is_held.size(), 0);
  for (const FixedDof& f : fixed)
    is_held[static_cast<std::size_t>(f.dof)] = 1, value[static_cast<std::size_t>(f.dof)] = f.value_mm;
  // Of each coarse node and component: weight of what it stands for, weight that is held, and the nearest held value.
  struct Held {
    double all = 0, held = 0, nearest = 2, value = 0;
  };
  std::map<std::int64_t, Held> found;
  const Vector3i size = cells();
  simulate::forEachNode(fine_, [&](std::int64_t n, int i, int j, int k) {
    const Vector3d at = (Vector3i(i, j, k) - coarse_.low)
                            .cast<double>()
                            .cwiseProduct(size.cast<double>())
                            .cwiseQuotient(coarse_.size.cast<double>());
    const Vector3i cell = at.array().floor().cast<int>().min(size.array() - 1).max(0);
    for (int a = 0; a < 8; ++a) {
      const Vector3i node = cell + Vector3i(a & 1, a >> 1 & 1, a >> 2);
      const Vector3d off = (at - node.cast<double>()).cwiseAbs();
      const double weight = (Vector3d::Ones() - off).prod();
      const std::int64_t number = weight > 1e-9 ? coarse_.model.nodeAt(node[0], node[1], node[2]) : -1;
      if (number < 0) continue;
      for (int c = 0; c < 3; ++c) {
        Held& own = found[c * K_.stride() + number];
        const auto dof = static_cast<std::size_t>(c * fine.stride() + n);
        own.all += weight;
        if (is_held[dof] == 0) continue;
        own.held += weight;
        if (off.norm() < own.nearest) own.nearest = off.norm(), own.value = value[dof];
      }
    }
  });
  double most = 0;
  for (const auto& [dof, own] : found) most = std::max(most, own.held / own.all);
  std::vector<FixedDof> out;
  for (const auto& [dof, own] : found)
    if (own.held > 0 && own.held / own.all >= kHeldShare * most) out.push_back({dof, own.value});
  return out;
}

std::optional<simulate::Conditions> CoarseBody::placedOf(const simulate::Operator& fine,
                                                         const simulate::Conditions& conditions) const {
  simulate::Conditions out;
  std::vector<bool> is_taken(static_cast<std::size_t>(3 * K_.stride()), false);
  const auto take = [&](const std::vector<FixedDof>& held) {
    std::vector<FixedDof> own;
    for (const FixedDof& f : held)
      if (!is_taken[static_cast<std::size_t>(f.dof)])
        own.push_back(f), is_taken[static_cast<std::size_t>(f.dof)] = true;
    out.fixed.insert(out.fixed.end(), own.begin(), own.end());
    return own;
  };
  std::vector<simulate::HeldPoint> points;
  for (const auto& part : conditions.constraints) {
    out.constraints.push_back(part);
    out.constraints.back().fixed = take(heldOf(fine, part.fixed));
  }
  if (conditions.constraints.empty()) take(heldOf(fine, conditions.fixed));
  if (!conditions.pinned.empty()) simulate::pinRigidMotions(K_, out.fixed);
  if (!conditions.force.empty()) out.force = simulate::restrictForces(coarse_, K_, conditions.force, fine);
  out.pinned = conditions.pinned;
  if (!simulate::hasFreePoints(conditions) && !simulate::freeRigidMotions(K_, out.fixed).empty()) return std::nullopt;
  return out;
}

CoarseAnswer CoarseBody::solve(const simulate::Conditions& conditions) const {
  simulate::SolveOptions options;
  options.tolerance = kTolerance;
  options.stop = simulate::StopBy::Energy;
  simulate::Conditions own = conditions;
  simulate::Field u, reaction = K_.zeros();
  simulate::Solver solver(K_, own.fixed);
  simulate::solveCase(K_, solver, own, options, u);
  K_.apply(u, reaction);
  CoarseAnswer out;
  out.is_moved = isMoved(conditions.fixed);
  out.work_n_mm = simulate::dot(K_, u, reaction);
  const Vector3d size_mm = coarse_.model.frame.spacing_mm;
  const auto whole = simulate::cubicEnergies(K_, u);
  std::vector<Eigen::Matrix<double, 3, 8>> corners(nodes_.size());
  std::vector<std::uint8_t> is_held(static_cast<std::size_t>(K_.stride()), 0);
  for (const FixedDof& f : conditions.fixed) is_held[static_cast<std::size_t>(f.dof % K_.stride())] = 1;
  for (std::size_t e = 0; e < nodes_.size(); ++e) {
    double force = 0, held = 0;
    for (int a = 0; a < 8; ++a) {
      const auto n = static_cast<std::size_t>(nodes_[e][static_cast<std::size_t>(a)]);
      Vector3d f = Vector3d::Zero();
      for (int c = 0; c < 3; ++c) {
        const std::size_t dof = static_cast<std::size_t>(c * K_.stride()) + n;
        corners[e](c, a) = u[dof];
        if (!conditions.force.empty()) f[c] = conditions.force[dof];
      }
      force += f.norm(), held += is_held[n] / 8.0;
      out.furthest_mm = std::max(out.furthest_mm, corners[e].col(a).norm());
    }
    out.force_n.push_back(force), out.held.push_back(held);
    out.of_cells.push_back(strainAt(corners[e], Vector3d::Constant(0.5), size_mm));
    const simulate::Elastic c = coarse_.model.stiffness.at(e);
    const double all = c.c11 * whole[e][0] + c.c12 * whole[e][1] + c.c44 * whole[e][2];
    const double seen = out.of_cells[e].dot(simulate::stressOf(c, out.of_cells[e])) * size_mm.prod();
    out.bent.push_back(all > 0 ? std::clamp(1 - seen / all, 0.0, 1.0) : 0);
  }
  const double volume_mm3 = fine_.frame.spacing_mm.prod();
  for (std::size_t e = 0; e < place_.size(); ++e) {
    Vector3d at;
    Vector3i cell;
    for (int c = 0; c < 3; ++c) std::tie(cell[c], at[c]) = middle(place_[e][c], coarse_.size[c], cells()[c]);
    out.strain.push_back(strainAt(corners[static_cast<std::size_t>(element_at_[cellOf(cell)])], at, size_mm));
    out.energy_n_mm.push_back(out.strain[e].dot(simulate::stressOf(fine_.stiffness.at(e), out.strain[e])) * volume_mm3);
  }
  return out;
}

}  // namespace osteo::design_scaffold
