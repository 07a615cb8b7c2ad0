#include "simulate/remote.h"

#include <Eigen/LU>
#include <algorithm>

#include "core/parallel.h"

namespace osteo::simulate {
namespace {

/// A free motion of the remote point of a constraint.
struct FreeMotion {
  std::size_t part;
  int motion;   ///< 0..2 along, 3..5 about x, y, z
  double load;  ///< force in N or moment in N mm along it
  Field displacement;
};

std::vector<FreeMotion> freeMotions(const Conditions& conditions) {
  std::vector<FreeMotion> free;
  for (std::size_t p = 0; p < conditions.constraints.size(); ++p) {
    const auto& remote = conditions.constraints[p].remote;
    for (int m = 0; m < 6 && remote; ++m) {
      const bool is_held = m < 3 ? remote->displacement_mm[m].has_value() : remote->rotation_rad[m - 3].has_value();
      if (!is_held) free.push_back({p, m, m < 3 ? remote->force_n[m] : remote->moment_n_mm[m - 3], {}});
    }
  }
  return free;
}

/// The prescribed values of a unit motion of one remote point, everything else at rest.
std::vector<FixedDof> unitMotion(const Operator& K, const Conditions& conditions, const FreeMotion& free) {
  const VoxelModel& model = K.model();
  std::vector<FixedDof> fixed;
  for (std::size_t p = 0; p < conditions.constraints.size(); ++p)
    for (const auto& d : conditions.constraints[p].fixed) fixed.push_back({d.dof, 0});
  for (auto n = fixed.size(); n < conditions.fixed.size(); ++n) fixed.push_back({conditions.fixed[n].dof, 0});
  std::vector<std::int64_t> place(static_cast<std::size_t>(model.nodes), -1);  // of the node's x component in `fixed`
  std::size_t first = 0;
  for (std::size_t p = 0; p < free.part; ++p) first += conditions.constraints[p].fixed.size();
  const auto& own = conditions.constraints[free.part].fixed;
  for (std::size_t d = 0; d < own.size(); d += 3) place[own[d].dof % K.stride()] = static_cast<std::int64_t>(first + d);
  forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
    const auto at = place[n];
    if (at < 0) return;
    const Eigen::Vector3d u =
        remoteMotion(model, *conditions.constraints[free.part].remote, free.motion, model.nodePoint(i, j, k));
    for (int g = 0; g < 3; ++g) fixed[static_cast<std::size_t>(at + g)].value_mm = u[g];
  });
  return fixed;
}

/// Forces and moments along the free motions that hold a displacement.
Eigen::VectorXd loadsAlong(const Operator& K, const Conditions& conditions, const std::vector<FreeMotion>& free,
                           const Field& u, const Field& force) {
  Field reaction = K.zeros();
  K.apply(u, reaction);
  for (std::size_t n = 0; n < force.size(); ++n) reaction[n] -= force[n];
  Eigen::VectorXd loads(static_cast<Eigen::Index>(free.size()));
  Vector6d at = Vector6d::Zero();
  for (std::size_t f = 0; f < free.size(); ++f) {
    if (f == 0 || free[f].part != free[f - 1].part) at = resultantAt(K, reaction, conditions.constraints[free[f].part]);
    loads[static_cast<Eigen::Index>(f)] = at[free[f].motion];
  }
  return loads;
}

/// Adds a motion to what a constraint prescribes.
void move(Conditions::Part& part, int motion, double amount) {
  auto& value = motion < 3 ? part.remote->displacement_mm[motion] : part.remote->rotation_rad[motion - 3];
  value = amount;
}

}  // namespace

bool hasFreePoints(const Conditions& conditions) { return !freeMotions(conditions).empty(); }

SolveReport solveCase(const Operator& K, Solver& solver, Conditions& conditions, const SolveOptions& options,
                      Field& u) {
  auto free = freeMotions(conditions);
  if (free.empty()) return solver.solve(conditions.force, conditions.fixed, options, u);
  SolveOptions unwatched = options;
  unwatched.watch = {};
  const auto n = static_cast<Eigen::Index>(free.size());
  const Field none;
  std::vector<std::vector<FixedDof>> unit;
  for (const auto& own : free) unit.push_back(unitMotion(K, conditions, own));
  std::vector<Solver::Problem> problems = {{&conditions.force, &conditions.fixed, &u}};
  for (std::size_t f = 0; f < free.size(); ++f) problems.push_back({&none, &unit[f], &free[f].displacement});
  const auto reports = solver.solve(problems, unwatched);
  SolveReport report = reports.front();
  Eigen::MatrixXd stiffness(n, n);
  for (Eigen::Index f = 0; f < n; ++f) {
    const auto at = static_cast<std::size_t>(f);
    report.iterations += reports[at + 1].iterations;
    report.residual = std::max(report.residual, reports[at + 1].residual);
    stiffness.col(f) = loadsAlong(K, conditions, free, free[at].displacement, {});
  }
  report.bytes += double(n) * double(u.size()) * sizeof(double);
  Eigen::VectorXd wanted = -loadsAlong(K, conditions, free, u, conditions.force), scale(n);
  for (Eigen::Index f = 0; f < n; ++f) {
    wanted[f] += free[static_cast<std::size_t>(f)].load;
    scale[f] = 1 / std::sqrt(stiffness(f, f));
  }
  const Eigen::MatrixXd scaled = scale.asDiagonal() * (0.5 * (stiffness + stiffness.transpose())) * scale.asDiagonal();
  const Eigen::VectorXd amount =
      scale.asDiagonal() * scaled.fullPivLu().solve(Eigen::VectorXd(scale.asDiagonal() * wanted));
  for (Eigen::Index f = 0; f < n; ++f) {
    const auto& own = free[static_cast<std::size_t>(f)];
    core::parallelChunks(static_cast<std::int64_t>(u.size()), 1 << 16, [&](auto first, auto last, auto) {
      for (auto d = first; d < last; ++d) u[d] += amount[f] * own.displacement[d];
    });
    move(conditions.constraints[own.part], own.motion, amount[f]);
  }
  for (auto& part : conditions.constraints)
    for (auto& d : part.fixed) d.value_mm = u[d.dof];
  for (auto& d : conditions.fixed) d.value_mm = u[d.dof];
  return report;
}

}  // namespace osteo::simulate
