#include "design_scaffold/cube.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "design_scaffold/blocks.h"
#include "design_scaffold/solid.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

/// Whether a cube lies in the core with all of some points on and in it.
bool isInCore(const Envelope& envelope, const Vector3d& low, double size) {
  constexpr int kPoints = 6;
  const Body body(envelope, {low, low + Vector3d::Constant(size)});
  for (int k = 0; k <= kPoints; ++k)
    for (int j = 0; j <= kPoints; ++j)
      for (int i = 0; i <= kPoints; ++i) {
        const Vector3d p = low + size / kPoints * Vector3d(i, j, k);
        if (body.envelope_mm(p) > 0 || body.skin_mm(p) < 0) return false;
      }
  return true;
}

/// Lower corner of the cube in the core that is nearest to the middle of the body.
std::optional<Vector3d> placeFor(const Envelope& envelope, double size) {
  Eigen::Vector3i min, max;
  envelope.defect.activeBox(min, max);
  const double voxel = envelope.defect.voxel_mm();
  const Vector3d low = min.cast<double>() * voxel, extent = (max - min).cast<double>() * voxel;
  constexpr int kPlaces = 12;  // along each axis
  const Vector3d room = (extent - Vector3d::Constant(size)).cwiseMax(0.0);
  struct Place {
    double far;
    Vector3d at;
  };
  std::vector<Place> places;
  for (int k = 0; k <= kPlaces; ++k)
    for (int j = 0; j <= kPlaces; ++j)
      for (int i = 0; i <= kPlaces; ++i) {
        const Vector3d step = Vector3d(i, j, k) / kPlaces;
        places.push_back({(step - Vector3d::Constant(0.5)).cwiseProduct(room).norm(), low + step.cwiseProduct(room)});
      }
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.far < b.far; });
  for (const Place& place : places)
    if (isInCore(envelope, place.at, size)) return place.at;
  return std::nullopt;
}

}  // namespace

double Cube::porosity() const {
  double sum = 0;
  for (const float d : distance_mm) sum += std::clamp(0.5 + d / step_mm(), 0.0, 1.0);
  return sum / static_cast<double>(nodes.size());
}

Cube representativeCube(const Design& made, int nodes_per_cell) {
  constexpr int kMostNodes = 96, kMultiple = 8;
  const Lattice& lattice = made.infill.lattice();
  Vector3d middle = Vector3d::Zero();
  if (made.infill.isGraded()) {
    Eigen::Vector3i min, max;
    made.solid.activeBox(min, max);
    middle = 0.5 * (min + max).cast<double>() * made.solid.voxel_mm();
  }
  const double cell = made.infill.isGraded() ? made.infill.cell_mm(middle) : lattice.spec().cell_mm;
  Cube cube;
  const int cells = made.infill.isGraded() ? std::max(2, lattice.cells()) : lattice.cells();
  cube.size_mm = cells * cell;
  cube.nodes.side = std::min(kMostNodes, (cells * nodes_per_cell + kMultiple - 1) / kMultiple * kMultiple);
  cube.is_exact = !made.infill.isGraded();
  const std::optional<Vector3d> place = placeFor(made.envelope, cube.size_mm);
  cube.is_of_result = place.has_value();
  const Vector3d low = place ? *place : Vector3d(middle - Vector3d::Constant(0.5 * cube.size_mm));
  std::vector<float> steps(cube.nodes.size());
  const double step = cube.step_mm();
  core::parallelFor(cube.nodes.side, [&](std::int64_t k) {
    const Vector3d corner = low + step * static_cast<double>(k) * Vector3d::UnitZ();
    const Sampler solid(made.solid, {corner, corner + cube.size_mm * Vector3d(1, 1, 0)});
    for (int j = 0; j < cube.nodes.side; ++j)
      for (int i = 0; i < cube.nodes.side; ++i) {
        const Vector3d p = corner + step * Vector3d(i, j, 0);
        const double d = place ? solid(p) : made.infill.distance_mm(p);
        steps[cube.nodes.at(i, j, static_cast<int>(k))] = static_cast<float>(d / step);
      }
  });
  cube.distance_mm = periodicDistances(cube.nodes, PeriodicSamples(cube.nodes, steps), 4.0F);
  for (float& d : cube.distance_mm) d *= static_cast<float>(step);
  return cube;
}

Fabric fabricOf(const Cube& cube) {
  // The surface's area by direction: samples near the surface stand for area, their slopes for its normal.
  const PeriodicNodes nodes = cube.nodes;
  std::vector<Vector3d> normals;
  for (int k = 0; k < nodes.side; ++k)
    for (int j = 0; j < nodes.side; ++j)
      for (int i = 0; i < nodes.side; ++i) {
        if (std::abs(cube.distance_mm[nodes.at(i, j, k)]) > cube.step_mm()) continue;
        const auto slope = [&](int di, int dj, int dk) {
          return cube.distance_mm[nodes.at(i + di, j + dj, k + dk)] -
                 cube.distance_mm[nodes.at(i - di, j - dj, k - dk)];
        };
        const Vector3d normal(slope(1, 0, 0), slope(0, 1, 0), slope(0, 0, 1));
        if (normal.norm() > 0) normals.push_back(normal.normalized());
      }
  const double area = static_cast<double>(normals.size()) * std::pow(cube.step_mm(), 3) / (2 * cube.step_mm());
  const double solid = (1 - cube.porosity()) * std::pow(cube.size_mm, 3);
  // A line along ω of length L per unit of area across meets ½ ∫|n·ω| dA pieces of solid in the cube: the mean length
  // is volume over that. 1/length² is fitted by a quadratic form.
  constexpr int kDirections = 200;
  Eigen::Matrix<double, Eigen::Dynamic, 6> rows(kDirections, 6);
  Eigen::VectorXd inverse_squares(kDirections);
  for (int d = 0; d < kDirections; ++d) {
    const double z = 1 - (2 * d + 1.0) / kDirections, turn = d * 2.399963229728653;  // the golden angle
    const Vector3d w(std::sqrt(1 - z * z) * std::cos(turn), std::sqrt(1 - z * z) * std::sin(turn), z);
    double sum = 0;
    for (const Vector3d& n : normals) sum += std::abs(n.dot(w));
    const double length = solid / std::max(1e-12, 0.5 * sum / static_cast<double>(normals.size()) * area);
    rows.row(d) << w[0] * w[0], w[1] * w[1], w[2] * w[2], 2 * w[1] * w[2], 2 * w[0] * w[2], 2 * w[0] * w[1];
    inverse_squares[d] = 1 / (length * length);
  }
  const Eigen::Matrix<double, 6, 1> m = rows.colPivHouseholderQr().solve(inverse_squares);
  Eigen::Matrix3d form;
  form << m[0], m[5], m[4], m[5], m[1], m[3], m[4], m[3], m[2];
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> eigen(form);  // rising: the longest first
  Fabric fabric;
  fabric.axes = eigen.eigenvectors();
  fabric.lengths_mm = eigen.eigenvalues().cwiseMax(1e-12).cwiseSqrt().cwiseInverse();
  fabric.anisotropy = 1 - fabric.lengths_mm[2] / fabric.lengths_mm[0];
  return fabric;
}

Cube everySecond(const Cube& cube) {
  Cube out = cube;
  out.nodes.side = cube.nodes.side / 2;
  out.distance_mm.resize(out.nodes.size());
  for (int k = 0; k < out.nodes.side; ++k)
    for (int j = 0; j < out.nodes.side; ++j)
      for (int i = 0; i < out.nodes.side; ++i)
        out.distance_mm[out.nodes.at(i, j, k)] = cube.distance_mm[cube.nodes.at(2 * i, 2 * j, 2 * k)];
  return out;
}

}  // namespace osteo::design_scaffold
