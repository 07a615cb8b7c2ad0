#include "design_scaffold/cell.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "design_scaffold/flow.h"
#include "design_scaffold/spinodoid.h"
#include "design_scaffold/stiffness.h"
#include "design_scaffold/struts.h"
#include "simulate/brick.h"
#include "simulate/failure.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using simulate::Matrix6d;
using simulate::Vector6d;

constexpr float kRefined = 4;  // steps from the surface; beyond, distances matter to nobody

/// F at the nodes, t where the surface is, and how many cells repeat.
struct Samples {
  std::vector<float> field;
  double t = 0;
  int cells = 1;
};

Samples samplesOf(const LatticeSpec& spec, PeriodicNodes nodes) {
  Samples out;
  if (isTpms(spec.type)) {
    out.t = isoValue(tpmsOf(spec.type), spec.kind, spec.volume_fraction);
    out.field.resize(nodes.size());
    for (int k = 0; k < nodes.side; ++k)
      for (int j = 0; j < nodes.side; ++j)
        for (int i = 0; i < nodes.side; ++i) {
          Vector3d gradient;
          out.field[nodes.at(i, j, k)] = static_cast<float>(
              nodal(tpmsOf(spec.type), 2 * std::numbers::pi / nodes.side * Vector3d(i, j, k), gradient));
        }
  } else if (spec.type == LatticeType::Spinodoid) {
    out.cells = kWaves;
    out.field = spinodoidField(nodes, spec.cone_deg, spec.seed);
    out.t = spinodoidLevel(out.field, spec.kind == Kind::Sheet, spec.volume_fraction);
  } else {
    const StrutNetwork network = spec.type == LatticeType::Voronoi ? voronoiFoam(spec.seed) : unitCell(spec.type);
    out.cells = network.cells;
    out.field = strutField(network, nodes, spec.volume_fraction, spec.fillet).values;
  }
  return out;
}

std::vector<float> distancesTo(const Samples& samples, PeriodicNodes nodes, double t) {
  const PeriodicSamples field(nodes, samples.field);
  return periodicDistances(
      nodes, [&](const Vector3d& p, Vector3d& gradient) { return field(p, gradient) - t; }, kRefined);
}

bool isAlikeAlongAxes(const LatticeSpec& spec) {
  return spec.type != LatticeType::Voronoi && spec.type != LatticeType::Spinodoid;
}

struct Solved {
  simulate::VoxelModel model;
  std::vector<simulate::Field> fields;
  std::int64_t stride = 0;
  Matrix6d stiffness;
};

Solved solve(const Cube& cube, int elements, const simulate::Elastic& solid,
             const Vector3d& stretch = Vector3d::Ones()) {
  simulate::Filling filling = elementsOf(cube, elements);
  filling.frame.spacing_mm = filling.frame.spacing_mm.cwiseProduct(stretch).eval();
  Solved out{simulate::buildModel(
                 filling, [&](std::uint16_t, float value, float) { return static_cast<double>(value) * solid; }),
             {},
             0,
             Matrix6d::Zero()};
  const simulate::Operator K(out.model);
  simulate::SolveOptions options;
  options.tolerance = 1e-4;  // of the residual: energies are right to its square
  out.fields = simulate::periodicFields(K, simulate::unitStrains(), options);
  out.stride = K.stride();
  for (int column = 0; column < 6; ++column) {
    simulate::Field forces = K.zeros();
    K.apply(out.fields[static_cast<std::size_t>(column)], forces);
    for (int row = 0; row < 6; ++row)
      out.stiffness(row, column) =
          simulate::dot(K, out.fields[static_cast<std::size_t>(row)], forces) / std::pow(cube.size_mm, 3);
  }
  out.stiffness = (0.5 * (out.stiffness + out.stiffness.transpose())).eval();
  return out;
}

/// The 98th percentile of von Mises' stress over the solid under each pull, upside down.
Vector3d strengthOf(const Solved& solved, const simulate::Elastic& solid) {
  const Matrix6d compliance = solved.stiffness.inverse();
  std::array<std::vector<std::pair<double, double>>, 3> stresses;
  simulate::forEachElement(solved.model, [&](std::int64_t e, int, int, int, const auto& nodes) {
    Matrix6d stress;
    for (int load = 0; load < 6; ++load)
      stress.col(load) =
          simulate::stressOf(solid, simulate::centreStrain(solved.fields[static_cast<std::size_t>(load)].data(),
                                                           solved.stride, nodes, solved.model.frame.spacing_mm));
    for (int axis = 0; axis < 3; ++axis)
      stresses[static_cast<std::size_t>(axis)].emplace_back(simulate::vonMises(stress * compliance.col(axis)),
                                                            static_cast<double>(solved.model.valueOf(e)));
  });
  Vector3d out;
  for (int axis = 0; axis < 3; ++axis) {
    auto& all = stresses[static_cast<std::size_t>(axis)];
    std::sort(all.begin(), all.end());
    double whole = 0, sum = 0;
    for (const auto& [stress, weight] : all) whole += weight;
    std::size_t at = 0;
    while (at + 1 < all.size() && (sum += all[at].second) < 0.98 * whole) ++at;
    out[axis] = 1 / all[at].first;
  }
  return out;
}

double areaOf(const Cube& cube, int cells) {
  const double shell = cube.step_mm();
  const auto near =
      std::count_if(cube.distance_mm.begin(), cube.distance_mm.end(), [&](float d) { return std::abs(d) < shell; });
  return static_cast<double>(near) / static_cast<double>(cube.nodes.size()) / (2 * shell) * cube.size_mm / cells;
}

Matrix6d scaledShear(const Matrix6d& m, double factor) {
  Vector6d scale;
  scale << 1, 1, 1, factor, factor, factor;
  return scale.asDiagonal() * m * scale.asDiagonal();
}

}  // namespace

Cube cellCube(const LatticeSpec& spec, int side) {
  if (spec.kind == Kind::Sheet && hasStruts(spec.type))
    throw core::Error(core::Exit::Config, {.what = nameOf(spec.type) + " is made of struts and has no sheet"});
  const PeriodicNodes nodes{side};
  const Samples samples = samplesOf(spec, nodes);
  Cube cube;
  cube.nodes = nodes;
  cube.size_mm = samples.cells;
  cube.distance_mm = distancesTo(samples, nodes, samples.t);
  if (spec.kind == Kind::Sheet) {
    const std::vector<float> face = distancesTo(samples, nodes, -samples.t);
    for (std::size_t n = 0; n < face.size(); ++n) cube.distance_mm[n] = std::max(cube.distance_mm[n], -face[n]);
  }
  double low = -1, high = 1;  // steps outwards
  for (int round = 0; round < 24; ++round) {
    const double middle = 0.5 * (low + high);
    (negativeShare(cube.distance_mm, middle) < spec.volume_fraction ? low : high) = middle;
  }
  for (float& d : cube.distance_mm)
    d = static_cast<float>((static_cast<double>(d) - 0.5 * (low + high)) * cube.step_mm());
  return cube;
}

CellProperties resolveCell(const LatticeSpec& spec, int elements, double poisson) {
  const Cube cube = cellCube(spec, 2 * elements);
  const simulate::Elastic solid = simulate::isotropic(1, poisson);
  CellProperties out;
  const Solved solved = solve(cube, elements, solid);
  out.stiffness = solved.stiffness;
  out.coarse_stiffness = solve(cube, elements / 4, solid).stiffness;
  out.strength = strengthOf(solved, solid);
  const Cube coarse = everySecond(cube);
  const int cells = static_cast<int>(std::lround(cube.size_mm));
  for (int axis = 0; axis < 3; ++axis) {
    if (axis > 0 && isAlikeAlongAxes(spec))
      out.permeability[axis] = out.permeability[0];
    else
      out.permeability[axis] = permeability(coarse.distance_mm, coarse.nodes, coarse.step_mm(), axis).k_m2 * 1e6;
  }
  out.area = areaOf(cube, cells) / (cube.size_mm / cells);
  return out;
}

Matrix6d stretchedStiffness(const LatticeSpec& spec, const Vector3d& stretch, int elements, double poisson) {
  return solve(cellCube(spec, 2 * elements), elements, simulate::isotropic(1, poisson), stretch).stiffness;
}

int finerElements(int elements) { return elements + 8 * std::max(1, (elements + 12) / 24); }

Matrix6d meshFreeStiffness(const LatticeSpec& spec, const Vector3d& stretch, int elements, double poisson) {
  const int finer = finerElements(elements);
  return extrapolated(stretchedStiffness(spec, stretch, finer, poisson),
                      stretchedStiffness(spec, stretch, elements, poisson), static_cast<double>(finer) / elements);
}

Matrix6d mandel(const Matrix6d& voigt) { return scaledShear(voigt, std::numbers::sqrt2); }
Matrix6d voigtOfMandel(const Matrix6d& m) { return scaledShear(m, 1 / std::numbers::sqrt2); }

Log21 logOfStiffness(const Matrix6d& voigt) {
  constexpr double kLeast = 1e-7;  // of the largest eigenvalue: what falls apart stays finite
  const Eigen::SelfAdjointEigenSolver<Matrix6d> eigen(mandel(voigt));
  const Vector6d values = eigen.eigenvalues().cwiseMax(kLeast * eigen.eigenvalues()[5]);
  const Matrix6d log =
      eigen.eigenvectors() * values.array().log().matrix().asDiagonal() * eigen.eigenvectors().transpose();
  Log21 out;
  int n = 0;
  for (int row = 0; row < 6; ++row)
    for (int column = row; column < 6; ++column)
      out[n++] = (row == column ? 1 : std::numbers::sqrt2) * log(row, column);
  return out;
}

Matrix6d stiffnessOfLog(const Log21& numbers) {
  Matrix6d log;
  int n = 0;
  for (int row = 0; row < 6; ++row)
    for (int column = row; column < 6; ++column)
      log(row, column) = log(column, row) = numbers[n++] / (row == column ? 1 : std::numbers::sqrt2);
  const Eigen::SelfAdjointEigenSolver<Matrix6d> eigen(log);
  return voigtOfMandel(eigen.eigenvectors() * eigen.eigenvalues().array().exp().matrix().asDiagonal() *
                       eigen.eigenvectors().transpose());
}

Matrix6d extrapolated(const Matrix6d& fine, const Matrix6d& coarse, double ratio) {
  const Log21 log = logOfStiffness(fine);
  return stiffnessOfLog(log + (log - logOfStiffness(coarse)) / (ratio * ratio - 1));
}

double tensorError(const Matrix6d& found, const Matrix6d& wanted) {
  return mandel(found - wanted).norm() / mandel(wanted).norm();
}

}  // namespace osteo::design_scaffold
