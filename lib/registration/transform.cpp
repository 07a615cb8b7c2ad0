#include "registration/transform.h"

#include <Eigen/Dense>
#include <cmath>

namespace osteo::registration {

using Eigen::Matrix3d;
using Eigen::Vector3d;

bool Lattice::support(const Vector3d& point_mm, Support& at) const {
  const Vector3d place = (direction.transpose() * (point_mm - origin_mm)).cwiseQuotient(spacing_mm);
  for (int axis = 0; axis < 3; ++axis) {
    if (!(place[axis] >= 1 && place[axis] <= size[axis] - 2)) return false;
    const int cell = std::min(static_cast<int>(place[axis]), size[axis] - 3);
    const double t = place[axis] - cell, u = 1 - t;
    at.low[axis] = cell - 1;
    at.weights.col(axis) << u * u * u / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * u * u + 3 * u * u * u) / 6,
        t * t * t / 6;
    at.slopes.col(axis) << -u * u / 2, (-12 * t + 9 * t * t) / 6, (12 * u - 9 * u * u) / 6, t * t / 2;
  }
  return true;
}

Vector3d Lattice::displacement(const Support& at) const {
  Vector3d sum = Vector3d::Zero();
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 4; ++j) {
      const double yz = at.weights(j, 1) * at.weights(k, 2);
      const Vector3d* row = coefficients.data() + index(at.low[0], at.low[1] + j, at.low[2] + k);
      for (int i = 0; i < 4; ++i) sum += yz * at.weights(i, 0) * row[i];
    }
  }
  return sum;
}

Matrix3d Lattice::derivative(const Support& at) const {
  Matrix3d by_index = Matrix3d::Zero();
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 4; ++j) {
      const Vector3d* row = coefficients.data() + index(at.low[0], at.low[1] + j, at.low[2] + k);
      for (int i = 0; i < 4; ++i) {
        const Vector3d slope(at.slopes(i, 0) * at.weights(j, 1) * at.weights(k, 2),
                             at.weights(i, 0) * at.slopes(j, 1) * at.weights(k, 2),
                             at.weights(i, 0) * at.weights(j, 1) * at.slopes(k, 2));
        by_index += row[i] * slope.transpose();
      }
    }
  }
  return by_index * spacing_mm.cwiseInverse().asDiagonal() * direction.transpose();
}

Lattice makeLattice(const Vector3d& low_mm, const Vector3d& high_mm, double spacing_mm) {
  Lattice lattice;
  for (int axis = 0; axis < 3; ++axis) {
    const double length = std::max(high_mm[axis] - low_mm[axis], spacing_mm);
    const int cells = std::max(1, static_cast<int>(std::ceil(length / spacing_mm - 1e-9)));
    lattice.size[axis] = cells + 3;
    lattice.spacing_mm[axis] = length / cells;
  }
  lattice.origin_mm = low_mm - lattice.spacing_mm;
  lattice.coefficients.assign(lattice.index(0, 0, lattice.size[2]), Vector3d::Zero());
  return lattice;
}

Vector3d Transform::operator()(const Vector3d& fixed_mm) const {
  Lattice::Support at;
  if (!lattice || !lattice->support(fixed_mm, at)) return linear * fixed_mm;
  return fixed_mm + lattice->displacement(at);
}

Vector3d Transform::inverse(const Vector3d& moving_mm) const {
  Vector3d x = linear.inverse() * moving_mm;
  if (!lattice) return x;
  for (int round = 0; round < 30; ++round) {
    Lattice::Support at;
    if (!lattice->support(x, at)) return x;
    const Vector3d error = x + lattice->displacement(at) - moving_mm;
    if (error.norm() < 1e-7) break;
    x -= (Matrix3d::Identity() + lattice->derivative(at)).inverse() * error;
  }
  return x;
}

double Transform::jacobian(const Vector3d& fixed_mm) const {
  Lattice::Support at;
  if (!lattice || !lattice->support(fixed_mm, at)) return linear.linear().determinant();
  return (Matrix3d::Identity() + lattice->derivative(at)).determinant();
}

}  // namespace osteo::registration
