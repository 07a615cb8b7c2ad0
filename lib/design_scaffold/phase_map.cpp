#include "design_scaffold/phase_map.h"

#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr std::int64_t kChunk = 1 << 14;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return core::parallelSum(static_cast<std::int64_t>(a.size()), kChunk, [&](std::int64_t first, std::int64_t last) {
    double sum = 0;
    for (std::int64_t n = first; n < last; ++n) sum += a[n] * b[n];
    return sum;
  });
}

}  // namespace

NodeGrid::NodeGrid(const Vector3d& low, const Vector3d& high_mm, double step) : low_mm(low), step_mm(step) {
  size = ((high_mm - low_mm) / step_mm).array().ceil().cast<int>() + 1;
  size = size.cwiseMax(2);
}

Eigen::Vector3i NodeGrid::nearest(const Vector3d& point_mm) const {
  return ((point_mm - low_mm) / step_mm).array().max(0.0).min((size.array() - 1).cast<double>()).round().cast<int>();
}

void NodeGrid::forNodes(const std::function<void(std::size_t, const Eigen::Vector3i&)>& visit) const {
  core::parallelFor(size[2], [&](std::int64_t k) {
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i) visit(at(i, j, static_cast<int>(k)), {i, j, static_cast<int>(k)});
  });
}

Vector3d NodeGrid::interpolate(const std::vector<Vector3d>& values, const Vector3d& point_mm) const {
  const Eigen::Array3d u = ((point_mm - low_mm) / step_mm).array().max(0.0).min((size.array() - 1).cast<double>());
  const Eigen::Array3i low = u.cast<int>().min(size.array() - 2);
  const Eigen::Array3d f = u - low.cast<double>();
  Vector3d sum = Vector3d::Zero();
  for (int corner = 0; corner < 8; ++corner) {
    const int di = corner & 1, dj = corner >> 1 & 1, dk = corner >> 2;
    const double weight = (di ? f[0] : 1 - f[0]) * (dj ? f[1] : 1 - f[1]) * (dk ? f[2] : 1 - f[2]);
    sum += weight * values[at(low[0] + di, low[1] + dj, low[2] + dk)];
  }
  return sum;
}

void NodeGrid::solve(const std::vector<double>& diagonal, const std::vector<double>& right,
                     std::vector<double>& x) const {
  const std::array<std::size_t, 3> stride{1, at(0, 1, 0), at(0, 0, 1)};
  const auto apply = [&](const std::vector<double>& from, std::vector<double>& to) {
    forNodes([&](std::size_t n, const Eigen::Vector3i& ijk) {
      double sum = diagonal.empty() ? 0 : diagonal[n] * from[n];
      for (int axis = 0; axis < 3; ++axis) {
        if (ijk[axis] > 0) sum += from[n] - from[n - stride[axis]];
        if (ijk[axis] + 1 < size[axis]) sum += from[n] - from[n + stride[axis]];
      }
      to[n] = sum;
    });
  };
  const auto nodes = static_cast<std::int64_t>(count());
  std::vector<double> residual(count()), image(count());
  apply(x, image);
  for (std::size_t n = 0; n < count(); ++n) residual[n] = right[n] - image[n];
  std::vector<double> direction = residual;
  double square = dot(residual, residual);
  const double enough = 1e-16 * std::max(square, 1e-12 * static_cast<double>(nodes));
  for (int round = 0; round < 1000 && square > enough; ++round) {
    apply(direction, image);
    const double along = square / dot(direction, image);
    core::parallelChunks(nodes, kChunk, [&](std::int64_t first, std::int64_t last, std::int64_t) {
      for (std::int64_t n = first; n < last; ++n) {
        x[n] += along * direction[n];
        residual[n] -= along * image[n];
      }
    });
    const double next = dot(residual, residual), factor = next / square;
    for (std::size_t n = 0; n < count(); ++n) direction[n] = residual[n] + factor * direction[n];
    square = next;
  }
}

Vector3d CellField::baseStep(const Vector3d& from_mm, const Vector3d& to_mm) const {
  Vector3d step = base(to_mm) - base(from_mm);
  if (turns > 0) step[0] -= turns * std::round(step[0] / turns);
  return step;
}

PhaseMap::PhaseMap(const NodeGrid& grid, CellField cells, const Vector3d& origin_mm)
    : grid_(grid), cells_(std::move(cells)), phase_(grid.count(), Vector3d::Zero()) {
  std::vector<Eigen::Matrix3d> frequency(grid_.count());
  grid_.forNodes([&](std::size_t n, const Eigen::Vector3i& ijk) {
    frequency[n] = cells_.frequency(grid_.point(ijk[0], ijk[1], ijk[2]));
  });
  // Normal equations of Σ (φ_b − φ_a − step·g)² over the edges, g the mean of the wanted frequencies at both ends.
  std::vector<Vector3d> wanted(grid_.count());
  grid_.forNodes([&](std::size_t n, const Eigen::Vector3i& ijk) {
    const Vector3d own = grid_.point(ijk[0], ijk[1], ijk[2]);
    wanted[n].setZero();
    for (int axis = 0; axis < 3; ++axis)
      for (const int side : {-1, 1}) {
        Eigen::Vector3i other = ijk;
        other[axis] += side;
        if (other[axis] < 0 || other[axis] >= grid_.size[axis]) continue;
        const Eigen::Matrix3d& there = frequency[grid_.at(other[0], other[1], other[2])];
        const Vector3d rise = side * 0.5 * grid_.step_mm * (frequency[n].col(axis) + there.col(axis));
        wanted[n] -= rise - cells_.baseStep(own, grid_.point(other[0], other[1], other[2]));
      }
  });
  for (int component = 0; component < 3; ++component) {
    std::vector<double> right(grid_.count()), x(grid_.count(), 0.0);
    for (std::size_t n = 0; n < right.size(); ++n) right[n] = wanted[n][component];
    grid_.solve({}, right, x);
    for (std::size_t n = 0; n < x.size(); ++n) phase_[n][component] = x[n];
  }
  if (cells_.turns == 0)  // then the base needs no place of its own
    grid_.forNodes([&](std::size_t n, const Eigen::Vector3i& ijk) {
      phase_[n] += cells_.base(grid_.point(ijk[0], ijk[1], ijk[2]));
    });
  const Eigen::Vector3i nearest = grid_.nearest(origin_mm);
  const Vector3d anchor = grid_.point(nearest[0], nearest[1], nearest[2]);
  const Vector3d shift = frequency[grid_.at(nearest[0], nearest[1], nearest[2])] * (anchor - origin_mm) - phase(anchor);
  for (Vector3d& phase : phase_) phase += shift;
  cell_mm_.resize(grid_.count());
  grid_.forNodes([&](std::size_t n, const Eigen::Vector3i& ijk) {
    cell_mm_[n] = static_cast<float>(cellBetween_mm(ijk.cwiseMin(grid_.size - Eigen::Vector3i::Constant(2))));
  });
  misfit_ = misfitOf(frequency);
}

double PhaseMap::misfitOf(const std::vector<Eigen::Matrix3d>& frequency) const {
  std::vector<double> misfits;
  for (int k = 0; k + 1 < grid_.size[2]; ++k)
    for (int j = 0; j + 1 < grid_.size[1]; ++j)
      for (int i = 0; i + 1 < grid_.size[0]; ++i) {
        const double wanted = 0.5 * (std::cbrt(frequency[grid_.at(i, j, k)].determinant()) +
                                     std::cbrt(frequency[grid_.at(i + 1, j + 1, k + 1)].determinant()));
        misfits.push_back(std::abs(cell_mm_[grid_.at(i, j, k)] * wanted - 1));
      }
  const auto rank = misfits.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(misfits.size() - 1));
  std::nth_element(misfits.begin(), rank, misfits.end());
  return *rank;
}

Vector3d PhaseMap::phase(const Vector3d& point_mm) const {
  const Vector3d mapped = grid_.interpolate(phase_, point_mm);
  if (cells_.turns == 0) return mapped;
  const Vector3d high = grid_.point(grid_.size[0] - 1, grid_.size[1] - 1, grid_.size[2] - 1);
  return cells_.base(point_mm.cwiseMax(grid_.low_mm).cwiseMin(high)) + mapped;
}

double PhaseMap::cell_mm(const Vector3d& point_mm) const {
  const Eigen::Array3i low = ((point_mm - grid_.low_mm) / grid_.step_mm)
                                 .array()
                                 .max(0.0)
                                 .min((grid_.size.array() - 2).cast<double>())
                                 .cast<int>();
  return cell_mm_[grid_.at(low[0], low[1], low[2])];
}

double PhaseMap::cellBetween_mm(const Eigen::Vector3i& low) const {
  const Vector3d middle = grid_.point(low[0], low[1], low[2]) + Vector3d::Constant(0.5 * grid_.step_mm);
  Eigen::Matrix3d slope;
  for (int axis = 0; axis < 3; ++axis) {
    const Vector3d half = 0.5 * grid_.step_mm * Vector3d::Unit(axis);
    Vector3d rise = grid_.interpolate(phase_, middle + half) - grid_.interpolate(phase_, middle - half);
    if (cells_.turns > 0) rise += cells_.baseStep(middle - half, middle + half);
    slope.col(axis) = rise / grid_.step_mm;
  }
  const double determinant = slope.determinant();
  return determinant > 0 ? 1 / std::cbrt(determinant) : grid_.step_mm * 1e3;
}

}  // namespace osteo::design_scaffold
