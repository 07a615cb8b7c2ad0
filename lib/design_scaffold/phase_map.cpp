#include "design_scaffold/phase_map.h"

#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/parallel.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return core::parallelSum(static_cast<std::int64_t>(a.size()), 1 << 14, [&](std::int64_t first, std::int64_t last) {
    double sum = 0;
    for (std::int64_t n = first; n < last; ++n) sum += a[n] * b[n];
    return sum;
  });
}

}  // namespace

PhaseMap::PhaseMap(const Vector3d& low_mm, const Vector3d& high_mm, double step_mm, const CellSize& cell,
                   const Vector3d& origin_mm)
    : low_(low_mm), step_(step_mm) {
  size_ = ((high_mm - low_mm) / step_mm).array().ceil().cast<int>() + 1;
  size_ = size_.cwiseMax(2);
  const auto count = static_cast<std::size_t>(size_.cast<std::int64_t>().prod());
  std::vector<double> frequency(count);  // cells per mm
  phase_.resize(count);
  core::parallelFor(size_[2], [&](std::int64_t k) {
    for (int j = 0; j < size_[1]; ++j)
      for (int i = 0; i < size_[0]; ++i) {
        const std::size_t n = at(i, j, static_cast<int>(k));
        frequency[n] = 1 / cell(low_ + step_ * Vector3d(i, j, static_cast<double>(k)));
      }
  });
  const double mean = std::accumulate(frequency.begin(), frequency.end(), 0.0) / static_cast<double>(count);
  for (int k = 0; k < size_[2]; ++k)
    for (int j = 0; j < size_[1]; ++j)
      for (int i = 0; i < size_[0]; ++i) phase_[at(i, j, k)] = mean * (low_ + step_ * Vector3d(i, j, k) - origin_mm);
  for (int component = 0; component < 3; ++component) solve(frequency, component);
  const Eigen::Vector3i nearest =
      ((origin_mm - low_) / step_).array().round().cast<int>().max(0).min(size_.array() - 1);
  const std::size_t anchor = at(nearest[0], nearest[1], nearest[2]);
  const Vector3d shift = frequency[anchor] * (low_ + step_ * nearest.cast<double>() - origin_mm) - phase_[anchor];
  for (Vector3d& phase : phase_) phase += shift;
  std::vector<double> misfits;
  for (int k = 0; k + 1 < size_[2]; ++k)
    for (int j = 0; j + 1 < size_[1]; ++j)
      for (int i = 0; i + 1 < size_[0]; ++i)
        misfits.push_back(std::abs(cell_mm(low_ + step_ * Vector3d(i + 0.5, j + 0.5, k + 0.5)) * 0.5 *
                                       (frequency[at(i, j, k)] + frequency[at(i + 1, j + 1, k + 1)]) -
                                   1));
  const auto rank = misfits.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(misfits.size() - 1));
  std::nth_element(misfits.begin(), rank, misfits.end());
  misfit_ = *rank;
}

/// Conjugate gradients on the normal equations of Σ (φ_b − φ_a − step·g)² over the edges of the grid, where g is the
/// mean frequency along the component's own axis and 0 along the others.
void PhaseMap::solve(const std::vector<double>& frequency, int component) {
  const std::array<std::size_t, 3> stride{1, static_cast<std::size_t>(size_[0]),
                                          static_cast<std::size_t>(size_[0]) * size_[1]};
  const std::size_t count = phase_.size();
  const auto forNodes = [&](const auto& visit) {
    core::parallelFor(size_[2], [&](std::int64_t k) {
      for (int j = 0; j < size_[1]; ++j)
        for (int i = 0; i < size_[0]; ++i)
          visit(at(i, j, static_cast<int>(k)), std::array<int, 3>{i, j, static_cast<int>(k)});
    });
  };
  const auto laplacian = [&](const std::vector<double>& x, std::vector<double>& y) {
    forNodes([&](std::size_t n, const std::array<int, 3>& ijk) {
      double sum = 0;
      for (int axis = 0; axis < 3; ++axis) {
        if (ijk[axis] > 0) sum += x[n] - x[n - stride[axis]];
        if (ijk[axis] + 1 < size_[axis]) sum += x[n] - x[n + stride[axis]];
      }
      y[n] = sum;
    });
  };
  std::vector<double> x(count), residual(count), direction(count), image(count);
  for (std::size_t n = 0; n < count; ++n) x[n] = phase_[n][component];
  laplacian(x, image);
  forNodes([&](std::size_t n, const std::array<int, 3>& ijk) {
    const std::size_t s = stride[component];
    double wanted = 0;
    if (ijk[component] > 0) wanted += 0.5 * step_ * (frequency[n] + frequency[n - s]);
    if (ijk[component] + 1 < size_[component]) wanted -= 0.5 * step_ * (frequency[n] + frequency[n + s]);
    residual[n] = wanted - image[n];
  });
  direction = residual;
  double square = dot(residual, residual);
  const double enough = 1e-16 * std::max(square, 1e-12 * static_cast<double>(count));
  for (int round = 0; round < 1000 && square > enough; ++round) {
    laplacian(direction, image);
    const double along = square / dot(direction, image);
    core::parallelChunks(static_cast<std::int64_t>(count), 1 << 14,
                         [&](std::int64_t first, std::int64_t last, std::int64_t) {
                           for (std::int64_t n = first; n < last; ++n) {
                             x[n] += along * direction[n];
                             residual[n] -= along * image[n];
                           }
                         });
    const double next = dot(residual, residual), factor = next / square;
    for (std::size_t n = 0; n < count; ++n) direction[n] = residual[n] + factor * direction[n];
    square = next;
  }
  for (std::size_t n = 0; n < count; ++n) phase_[n][component] = x[n];
}

Vector3d PhaseMap::phase(const Vector3d& point_mm) const {
  const Eigen::Array3d u = ((point_mm - low_) / step_).array().max(0.0).min((size_.array() - 1).cast<double>());
  const Eigen::Array3i low = u.cast<int>().min(size_.array() - 2);
  const Eigen::Array3d f = u - low.cast<double>();
  Vector3d sum = Vector3d::Zero();
  for (int corner = 0; corner < 8; ++corner) {
    const int di = corner & 1, dj = corner >> 1 & 1, dk = corner >> 2;
    const double weight = (di ? f[0] : 1 - f[0]) * (dj ? f[1] : 1 - f[1]) * (dk ? f[2] : 1 - f[2]);
    sum += weight * phase_[at(low[0] + di, low[1] + dj, low[2] + dk)];
  }
  return sum;
}

double PhaseMap::cell_mm(const Vector3d& point_mm) const {
  const Eigen::Array3d u = ((point_mm - low_) / step_).array().max(0.0).min((size_.array() - 1).cast<double>());
  const Eigen::Array3i low = u.cast<int>().min(size_.array() - 2);
  const Vector3d corner = low_ + step_ * low.cast<double>().matrix();
  const Vector3d middle = corner + Vector3d::Constant(0.5 * step_);
  Eigen::Matrix3d slope;
  for (int axis = 0; axis < 3; ++axis) {
    const Vector3d half = 0.5 * step_ * Vector3d::Unit(axis);
    slope.col(axis) = (phase(middle + half) - phase(middle - half)) / step_;
  }
  const double determinant = slope.determinant();
  return determinant > 0 ? 1 / std::cbrt(determinant) : step_ * 1e3;
}

}  // namespace osteo::design_scaffold
