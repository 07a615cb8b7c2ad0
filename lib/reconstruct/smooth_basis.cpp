#include "reconstruct/smooth_basis.h"

#include <algorithm>
#include <cmath>

#include "reconstruct/point_grid.h"

namespace osteo::reconstruct {

Eigen::MatrixXd smoothBasis(const std::vector<Eigen::Vector3d>& points, const std::vector<SmoothKernel>& kernels,
                            int rank) {
  const auto value = [&](const Eigen::Vector3d& a, const Eigen::Vector3d& b) {
    double sum = 0;
    for (const auto& k : kernels)
      sum += k.amplitude_mm * k.amplitude_mm * std::exp(-(a - b).squaredNorm() / (2 * k.reach_mm * k.reach_mm));
    return sum;
  };
  const auto landmarks = farthestPoints(points, 2 * static_cast<std::size_t>(rank));
  const auto m = static_cast<Eigen::Index>(landmarks.size()), n = static_cast<Eigen::Index>(points.size());
  Eigen::MatrixXd small(m, m), cross(n, m);
  for (Eigen::Index j = 0; j < m; ++j) {
    for (Eigen::Index i = 0; i < m; ++i) small(i, j) = value(points[landmarks[i]], points[landmarks[j]]);
    for (Eigen::Index i = 0; i < n; ++i) cross(i, j) = value(points[i], points[landmarks[j]]);
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(small);
  Eigen::Index kept = 0;
  while (kept < std::min<Eigen::Index>(rank, m) &&
         eigen.eigenvalues()[m - 1 - kept] > 1e-9 * eigen.eigenvalues()[m - 1])
    ++kept;
  const Eigen::MatrixXd vectors = eigen.eigenvectors().rightCols(kept);
  const Eigen::VectorXd scale = eigen.eigenvalues().tail(kept).array().rsqrt();
  return (cross * vectors) * scale.asDiagonal();
}

}  // namespace osteo::reconstruct
