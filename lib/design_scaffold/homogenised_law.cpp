#include "design_scaffold/homogenised_law.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/progress.h"
#include "design_scaffold/cell.h"
#include "design_scaffold/cube.h"
#include "design_scaffold/flow.h"
#include "design_scaffold/percentile.h"
#include "design_scaffold/stiffness.h"
#include "design_scaffold/throat.h"
#include "simulate/brick.h"
#include "simulate/effective.h"
#include "simulate/failure.h"

namespace osteo::design_scaffold {
namespace {

using simulate::Matrix6d;
using simulate::Vector6d;

constexpr int kPoints = 7;                  // fractions that are resolved
constexpr int kNodes = 64, kElements = 32;  // along a cell
constexpr int kFoamNodes = 12;              // along a cell of a foam or a random field, which takes several
constexpr int kFoamElements = 72;           // along its period
constexpr double kLeast = 1e-12;            // of what goes through a logarithm

/// One period of a lattice with cells of 1 mm.
Cube cubeOf(const Lattice& lattice) {
  Cube cube;
  cube.size_mm = lattice.cells();
  cube.nodes.side = lattice.cells() > 1 ? std::min(96, (lattice.cells() * kFoamNodes + 7) / 8 * 8) : kNodes;
  cube.distance_mm.resize(cube.nodes.size());
  for (int k = 0; k < cube.nodes.side; ++k)
    for (int j = 0; j < cube.nodes.side; ++j)
      for (int i = 0; i < cube.nodes.side; ++i)
        cube.distance_mm[cube.nodes.at(i, j, k)] =
            static_cast<float>(lattice.distanceAt(cube.step_mm() * Eigen::Vector3d(i, j, k)));
  return cube;
}

/// Von Mises' stress squared is a quadratic form of the stress.
Matrix6d misesForm() {
  Matrix6d form = Matrix6d::Zero();
  form.topLeftCorner<3, 3>().setConstant(-0.5);
  form.diagonal() << 1, 1, 1, 3, 3, 3;
  return form;
}

/// The averages of a tensor over the axes: entries 11, 12, 44.
std::array<double, 3> cubicPart(const Matrix6d& m) {
  return {m.diagonal().head<3>().mean(), (m(0, 1) + m(0, 2) + m(1, 2)) / 3, m.diagonal().tail<3>().mean()};
}

/// Stress in the walls: its mean square by strain, and how far its peaks lie above.
struct WallStress {
  Matrix6d squared = Matrix6d::Zero();
  double peak_ratio = 1;
};

WallStress wallStress(const simulate::Operator& K, const std::vector<simulate::Field>& fields, const Matrix6d& C,
                      const simulate::Elastic& solid) {
  const simulate::VoxelModel& model = K.model();
  const Matrix6d form = misesForm();
  const Matrix6d compliance = C.inverse();
  const Vector6d pull = compliance.col(0), shear = compliance.col(5);
  WallStress out;
  double weights = 0;
  std::array<double, 2> squares = {};
  std::array<std::vector<std::pair<double, double>>, 2> all;
  simulate::forEachElement(model, [&](std::int64_t e, int, int, int, const auto& nodes) {
    Matrix6d stress;
    for (int load = 0; load < 6; ++load)
      stress.col(load) = simulate::stressOf(solid, simulate::centreStrain(fields[static_cast<std::size_t>(load)].data(),
                                                                          K.stride(), nodes, model.frame.spacing_mm));
    const double weight = static_cast<double>(model.valueOf(e));
    out.squared += weight * stress.transpose() * form * stress;
    weights += weight;
    for (std::size_t n = 0; n < 2; ++n) {
      const double mises = simulate::vonMises(stress * (n == 0 ? pull : shear));
      squares[n] += weight * mises * mises;
      all[n].emplace_back(mises, weight);
    }
  });
  out.squared /= weights;
  for (std::size_t n = 0; n < 2; ++n)
    out.peak_ratio = std::max(out.peak_ratio, weightedPercentile(all[n], 0.98) / std::sqrt(squares[n] / weights));
  return out;
}

simulate::VoxelModel meshOf(const Cube& cube, int elements, const simulate::Elastic& solid) {
  return simulate::buildModel(elementsOf(cube, elements),
                              [&](std::uint16_t, float value, float) { return static_cast<double>(value) * solid; });
}

/// Displacements under the unit strains, and the stiffness that they make.
std::vector<simulate::Field> homogenise(const simulate::Operator& K, double volume, Matrix6d& C) {
  simulate::SolveOptions options;
  options.tolerance = 1e-4;  // of the residual: energies are right to its square
  auto fields = simulate::periodicFields(K, simulate::unitStrains(), options);
  for (int column = 0; column < 6; ++column) {
    simulate::Field forces = K.zeros();
    K.apply(fields[static_cast<std::size_t>(column)], forces);
    for (int row = 0; row < 6; ++row)
      C(row, column) = simulate::dot(K, fields[static_cast<std::size_t>(row)], forces) / volume;
  }
  C = (0.5 * (C + C.transpose())).eval();
  return fields;
}

LatticePoint resolve(const Lattice& lattice, double poisson) {
  const Cube cube = cubeOf(lattice);
  const bool is_foam = lattice.cells() > 1;
  const simulate::Elastic solid = simulate::isotropic(1, poisson);
  const double volume = std::pow(cube.size_mm, 3);
  const simulate::VoxelModel model = meshOf(cube, is_foam ? kFoamElements : kElements, solid);
  const simulate::Operator K(model);
  Matrix6d C;
  const auto fields = homogenise(K, volume, C);
  const WallStress stress = wallStress(K, fields, C, solid);
  LatticePoint point;
  if (is_foam) {
    point.stiffness = cubicPart(C);
  } else {
    const simulate::VoxelModel half = meshOf(cube, kElements / 2, solid);
    Matrix6d coarse;
    homogenise(simulate::Operator(half), volume, coarse);
    point.stiffness = cubicPart(extrapolated(C, coarse));
  }
  const auto [m11, m12, m44] = cubicPart(stress.squared);
  point.stress_squared = {m11 + 2 * m12, m11 - m12, m44};
  point.peak_ratio = stress.peak_ratio;
  const Cube coarse = everySecond(cube);
  point.permeability = permeability(coarse.distance_mm, coarse.nodes, coarse.step_mm(), 0).k_m2 * 1e6;
  point.area = lattice.area_per_mm() * lattice.spec().cell_mm;
  const auto thinnest = [&](const std::vector<float>& distance) {
    const auto radii = throatRadii(distance, cube.nodes);
    return 2 * *std::min_element(radii.begin(), radii.end());
  };
  point.window = thinnest(cube.distance_mm);
  std::vector<float> inside = cube.distance_mm;
  for (float& d : inside) d = -d;
  point.wall = thinnest(inside);
  point.pore = lattice.pore_mm() / lattice.spec().cell_mm;
  return point;
}

}  // namespace

HomogenisedLaw::HomogenisedLaw(const LatticeSpec& spec, double low, double high, double poisson) {
  const simulate::Elastic solid = simulate::isotropic(1, poisson);
  solid_ = {solid.c11, solid.c12, solid.c44};
  core::Progress progress("cells resolved", kPoints);
  for (int n = 0; n < kPoints; ++n) {
    LatticeSpec own = spec;
    own.cell_mm = 1;
    own.volume_fraction = low + n * (high - low) / (kPoints - 1);
    fraction_.push_back(own.volume_fraction);
    const LatticePoint p = resolve(Lattice(own), poisson);
    std::array<double, kProperties> values = {p.stiffness[0],
                                              p.stiffness[1],
                                              p.stiffness[2],
                                              p.stress_squared[0],
                                              p.stress_squared[1],
                                              p.stress_squared[2],
                                              p.peak_ratio,
                                              p.permeability,
                                              p.area,
                                              p.wall,
                                              p.window,
                                              p.pore};
    for (double& v : values) v = std::log(std::max(kLeast, v));
    log_.push_back(values);
    progress.advance();
  }
  findSlopes();
}

void HomogenisedLaw::findSlopes() {
  const std::size_t n = fraction_.size();
  slope_.resize(n);
  for (std::size_t p = 0; p < kProperties; ++p) {
    std::vector<double> secant(n - 1);
    for (std::size_t i = 0; i + 1 < n; ++i)
      secant[i] = (log_[i + 1][p] - log_[i][p]) / std::log(fraction_[i + 1] / fraction_[i]);
    slope_[0][p] = secant.front(), slope_[n - 1][p] = secant.back();
    for (std::size_t i = 1; i + 1 < n; ++i)  // harmonic mean: flat where the secants turn, never beyond both
      slope_[i][p] = secant[i - 1] * secant[i] > 0 ? 2 / (1 / secant[i - 1] + 1 / secant[i]) : 0;
  }
}

double HomogenisedLaw::interpolated(int property, double fraction, double* derivative) const {
  const double at = std::clamp(fraction, low(), high());
  const auto upper = std::upper_bound(fraction_.begin() + 1, fraction_.end() - 1, at);
  const auto i = static_cast<std::size_t>(upper - fraction_.begin()) - 1;
  const auto p = static_cast<std::size_t>(property);
  const double width = std::log(fraction_[i + 1] / fraction_[i]), t = std::log(at / fraction_[i]) / width;
  const double a = log_[i][p], b = log_[i + 1][p], da = width * slope_[i][p], db = width * slope_[i + 1][p];
  const double bend = 3 * (b - a) - 2 * da - db, twist = da + db - 2 * (b - a);
  const double value = std::exp(a + t * (da + t * (bend + t * twist)));
  if (derivative) *derivative = value * (da + t * (2 * bend + 3 * t * twist)) / width / at;
  return value;
}

LatticePoint HomogenisedLaw::at(double fraction) const {
  const auto p = [&](int property) { return interpolated(property, fraction); };
  return {{p(0), p(1), p(2)}, {p(3), p(4), p(5)}, p(6), p(7), p(8), p(9), p(10), p(11)};
}

RelativeStiffness HomogenisedLaw::relative(double fraction) const {
  RelativeStiffness out;
  for (std::size_t q = 0; q < 3; ++q) {
    out.value[q] = interpolated(static_cast<int>(q), fraction, &out.derivative[q]) / solid_[q];
    out.derivative[q] /= solid_[q];
  }
  return out;
}

StressForm HomogenisedLaw::stressForm(double fraction) const {
  StressForm out;
  double by_ratio = 0;
  const double ratio = interpolated(6, fraction, &by_ratio);
  for (std::size_t q = 0; q < 3; ++q) {
    double slope = 0;
    const double square = interpolated(static_cast<int>(q) + 3, fraction, &slope);
    out.value[q] = ratio * ratio * square;
    out.derivative[q] = ratio * (ratio * slope + 2 * by_ratio * square);
  }
  return out;
}

double HomogenisedLaw::peakStress(double fraction, const Vector6d& strain) const {
  return std::sqrt(weighed(stressForm(fraction).value, strainParts(strain)));
}

nlohmann::json HomogenisedLaw::describe() const {
  nlohmann::json out = nlohmann::json::array();
  for (const double fraction : fraction_) {
    const LatticePoint p = at(fraction);
    out.push_back({{"volume_fraction", fraction},
                   {"relative_c11_c12_c44", p.stiffness},
                   {"wall_stress_peak_over_rms", p.peak_ratio},
                   {"permeability_per_cell_squared", p.permeability},
                   {"surface_per_volume_times_cell", p.area}});
  }
  return out;
}

DensityLaw densityLaw(const HomogenisedLaw& law, const simulate::Elastic& solid) {
  return {solid, false, [&law](double fraction) { return law.relative(fraction); }};
}

}  // namespace osteo::design_scaffold
