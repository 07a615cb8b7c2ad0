#include "simulate/effective.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "simulate/orthotropic.h"
#include "simulate/ties.h"

namespace osteo::simulate {
namespace {

using Eigen::Matrix3d;
using Eigen::Vector3d;
using nlohmann::json;
constexpr int kRow[6] = {0, 1, 2, 1, 0, 0}, kColumn[6] = {0, 1, 2, 2, 2, 1};

Matrix3d unitStrain(int load) {
  Matrix3d e = Matrix3d::Zero();
  e(kRow[load], kColumn[load]) += 0.5;
  e(kColumn[load], kRow[load]) += 0.5;
  return e;
}

/// The displacements of a uniform strain about the middle of the grid, in grid axes.
Field uniform(const Operator& K, const Matrix3d& strain) {
  const VoxelModel& model = K.model();
  const Vector3d middle = 0.5 * model.frame.size.cast<double>();
  Field u = K.zeros();
  forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
    const Vector3d at = strain * (Vector3d(i, j, k) - middle).cwiseProduct(model.frame.spacing_mm);
    for (int c = 0; c < 3; ++c) u[c * K.stride() + n] = at[c];
  });
  return u;
}

/// What a load case holds on the sides of the grid: normal components in tension; in shear the two tangential ones on
/// the sheared sides take the strain, and the rest of the sides keep their normal component.
std::vector<FixedDof> mixedSides(const Operator& K, int load, const Field& strained) {
  const VoxelModel& model = K.model();
  const auto& size = model.frame.size;
  std::vector<FixedDof> fixed;
  std::vector<std::uint8_t> held(static_cast<std::size_t>(K.stride()), 0);
  const auto hold = [&](std::int64_t n, int c) {
    if (held[n] >> c & 1) return;
    held[n] |= static_cast<std::uint8_t>(1 << c);
    fixed.push_back({c * K.stride() + n, strained[c * K.stride() + n]});
  };
  std::array<std::array<std::int64_t, 2>, 3> count = {};
  forEachNode(model, [&](std::int64_t n, int i, int j, int k) {
    const int at[3] = {i, j, k};
    for (int side = 0; side < 3; ++side) {
      if (at[side] != 0 && at[side] != size[side]) continue;
      ++count[side][at[side] != 0];
      const int a = kRow[load], b = kColumn[load];
      if (load < 3) {
        hold(n, side);
      } else if (side == a || side == b) {
        hold(n, side == a ? b : a);  // tangential, in the plane of the shear
        hold(n, 3 - a - b);          // and out of it
      } else {
        hold(n, side);
      }
    }
  });
  for (const auto& pair : count)
    for (const auto n : pair)
      if (n == 0)
        throw core::Error(core::Exit::DataError,
                          {.what = "a side of the volume holds no material: a mixed test has nothing to pull there",
                           .hint = "cut the volume to the bone"});
  return fixed;
}

}  // namespace

EffectiveStiffness effectiveStiffness(const Operator& K, const std::string& method, const SolveOptions& options) {
  const VoxelModel& model = K.model();
  const bool is_periodic = method == "periodic";
  const Ties ties = is_periodic ? periodicTies(model) : Ties{};
  const double volume = double(model.frame.voxelCount()) * model.frame.spacing_mm.prod();
  std::vector<Field> strained;
  for (int load = 0; load < 6; ++load) strained.push_back(uniform(K, unitStrain(load)));
  EffectiveStiffness out;
  const auto add = [&](int load, Field& u) {
    Field reaction = K.zeros();
    if (is_periodic)
      for (std::size_t n = 0; n < u.size(); ++n) u[n] += strained[load][n];
    K.apply(u, reaction);
    for (int row = 0; row < 6; ++row) out.tensor_mpa(row, load) = dot(K, strained[row], reaction) / volume;
    u = {};
  };
  std::vector<Field> force(6), u(6);
  std::vector<std::vector<FixedDof>> fixed(6);
  for (int load = 0; load < 6; ++load) {
    if (!is_periodic) {
      fixed[load] = mixedSides(K, load, strained[load]);
      continue;
    }
    force[load] = K.zeros();
    K.apply(strained[load], force[load]);
    for (auto& f : force[load]) f = -f;
    ties.fold(force[load], K.stride());
    for (int c = 0; c < 3; ++c) fixed[load].push_back({c * K.stride(), 0});
  }
  // Loads that hold the same degrees of freedom share a solver and are solved at once.
  std::vector<bool> is_done(6, false);
  for (int load = 0; load < 6; ++load) {
    if (is_done[load]) continue;
    Solver solver(K, fixed[load], ties);
    std::vector<int> block;
    std::vector<Solver::Problem> problems;
    for (int other = load; other < 6; ++other)
      if (!is_done[other] && solver.holds(fixed[other])) {
        block.push_back(other), is_done[other] = true;
        problems.push_back({&force[other], &fixed[other], &u[other]});
      }
    for (const auto& report : solver.solve(problems, options)) out.iterations += report.iterations;
    for (const int own : block) add(own, u[own]);
  }
  out.asymmetry = (out.tensor_mpa - out.tensor_mpa.transpose()).norm() / out.tensor_mpa.norm();
  out.tensor_mpa = (0.5 * (out.tensor_mpa + out.tensor_mpa.transpose())).eval();
  // Grid axes are the columns of the direction: LPS axes seen from the grid are its rows.
  out.tensor_mpa = rotated(out.tensor_mpa, model.frame.direction);
  return out;
}

std::vector<Vector6d> unitStrains() {
  std::vector<Vector6d> out;
  for (int load = 0; load < 6; ++load) out.emplace_back(Vector6d::Unit(load));
  return out;
}

std::vector<Field> periodicFields(const Operator& K, const std::vector<Vector6d>& strains,
                                  const SolveOptions& options) {
  const Ties ties = periodicTies(K.model());
  std::vector<FixedDof> fixed;
  for (int c = 0; c < 3; ++c) fixed.push_back({c * K.stride(), 0});
  std::vector<Field> strained, force, u(strains.size());
  for (const Vector6d& strain : strains) {
    Matrix3d tensor = Matrix3d::Zero();
    for (int load = 0; load < 6; ++load) tensor += strain[load] * unitStrain(load);
    strained.push_back(uniform(K, tensor));
    force.push_back(K.zeros());
    K.apply(strained.back(), force.back());
    for (double& f : force.back()) f = -f;
    ties.fold(force.back(), K.stride());
  }
  std::vector<Solver::Problem> problems;
  for (std::size_t n = 0; n < strains.size(); ++n) problems.push_back({&force[n], &fixed, &u[n]});
  Solver(K, fixed, ties).solve(problems, options);
  for (std::size_t n = 0; n < strains.size(); ++n)
    for (std::size_t d = 0; d < u[n].size(); ++d) u[n][d] += strained[n][d];
  return u;
}

Matrix6d rotated(const Matrix6d& stiffness, const Matrix3d& rotation) {
  // Bond's matrix for stress: σ' = M σ, C' = M C Mᵀ.
  Matrix6d M;
  for (int p = 0; p < 6; ++p)
    for (int q = 0; q < 6; ++q) {
      const int i = kRow[p], j = kColumn[p], k = kRow[q], l = kColumn[q];
      M(p, q) = rotation(i, k) * rotation(j, l) + (k == l ? 0.0 : rotation(i, l) * rotation(j, k));
    }
  return M * stiffness * M.transpose();
}

namespace {

json rows(const Eigen::MatrixXd& m) {
  json out = json::array();
  for (Eigen::Index r = 0; r < m.rows(); ++r) {
    json row = json::array();
    for (Eigen::Index c = 0; c < m.cols(); ++c) row.push_back(m(r, c));
    out.push_back(row);
  }
  return out;
}

double bulk(const Matrix6d& C) { return C.topLeftCorner<3, 3>().sum() / 9; }

/// Upper bound of the bulk modulus: Hashin & Shtrikman for one material with pores, else the mean over the volume.
json boundsCheck(const Matrix6d& C, const VoxelModel& model, double fraction) {
  double mean = 0, low = 1e300, high = 0, shear = 0;
  for (std::int64_t e = 0; e < model.elements; ++e) {
    const Elastic s = model.elastic(e);
    const double k = bulkModulus(s);
    mean += k;
    low = std::min(low, k), high = std::max(high, k), shear = shearModulus(s);
  }
  const double voigt = mean / double(model.frame.voxelCount());
  const bool is_one = high - low <= 1e-6 * high;
  const double bound = is_one ? 4 * high * shear * fraction / (4 * shear + 3 * high * (1 - fraction)) : voigt;
  return {{"bulk_modulus_mpa", bulk(C)},
          {"upper_bound_mpa", bound},
          {"bound", is_one ? "Hashin-Shtrikman" : "Voigt"},
          {"holds", bulk(C) <= bound * (1 + 1e-6)}};
}

}  // namespace

json describeStiffness(const EffectiveStiffness& effective, const VoxelModel& model) {
  const Matrix6d& C = effective.tensor_mpa;
  const double fraction = double(model.elements) / double(model.frame.voxelCount());
  const Matrix3d frame = orthotropicFrames(C).front().axes;
  const Matrix6d own = rotated(C, frame), S = own.inverse();
  json out;
  out["stiffness_tensor_mpa"] = rows(C);
  out["tensor_order"] = "xx yy zz yz xz xy, engineering shear, LPS";
  out["asymmetry"] = effective.asymmetry;
  out["iterations"] = effective.iterations;
  out["volume_fraction"] = fraction;
  out["degrees_of_freedom"] = 3 * model.nodes;
  out["orthotropic"] = {{"axes_lps", rows(frame)},
                        {"stiffness_tensor_mpa", rows(own)},
                        {"skew_share", skewShare(own)},
                        {"youngs_moduli_mpa", {1 / S(0, 0), 1 / S(1, 1), 1 / S(2, 2)}},
                        {"shear_moduli_mpa", {1 / S(3, 3), 1 / S(4, 4), 1 / S(5, 5)}},
                        {"poissons_ratios_yz_xz_xy", {-S(1, 2) / S(1, 1), -S(0, 2) / S(0, 0), -S(0, 1) / S(0, 0)}}};
  const double c11 = own.diagonal().head<3>().mean(), c44 = own.diagonal().tail<3>().mean();
  const double c12 = (own(0, 1) + own(0, 2) + own(1, 2)) / 3;
  out["zener_ratio"] = 2 * c44 / (c11 - c12);
  out["bounds"] = boundsCheck(C, model, fraction);
  return out;
}

}  // namespace osteo::simulate
