#include "reconstruct/smooth_basis.h"

#include <algorithm>
#include <cmath>

namespace osteo::reconstruct {
namespace {

/// Indices of points that lie far from one another, greedily (Gonzalez 1985); the first is point 0.
std::vector<std::size_t> farthest(const std::vector<Eigen::Vector3d>& points, std::size_t count) {
  std::vector<std::size_t> chosen{0};
  std::vector<double> distance(points.size(), 1e300);
  while (chosen.size() < std::min(count, points.size())) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      distance[i] = std::min(distance[i], (points[i] - points[chosen.back()]).squaredNorm());
      if (distance[i] > distance[next]) next = i;
    }
    if (distance[next] == 0) break;
    chosen.push_back(next);
  }
  return chosen;
}

}  // namespace

Eigen::MatrixXd smoothBasis(const std::vector<Eigen::Vector3d>& points, const std::vector<SmoothKernel>& kernels,
                            int rank) {
  const auto value = [&](const Eigen::Vector3d& a, const Eigen::Vector3d& b) {
    double sum = 0;
    for (const auto& k : kernels)
      sum += k.amplitude_mm * k.amplitude_mm * std::exp(-(a - b).squaredNorm() / (2 * k.reach_mm * k.reach_mm));
    return sum;
  };
  const auto landmarks = farthest(points, 2 * static_cast<std::size_t>(rank));
  const auto m = static_cast<Eigen::Index>(landmarks.size()), n = static_cast<Eigen::Index>(points.size());
  Eigen::MatrixXd small(m, m), cross(n, m);
  for (Eigen::Index j = 0; j < m; ++j) {
    for (Eigen::Index i = 0; i < m; ++i) small(i, j) = value(points[landmarks[i]], points[landmarks[j]]);
    for (Eigen::Index i = 0; i < n; ++i) cross(i, j) = value(points[i], points[landmarks[j]]);
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(small);
  Eigen::Index kept = 0;
  while (kept < std::min<Eigen::Index>(rank, m) && eigen.eigenvalues()[m - 1 - kept] > 1e-9 * eigen.eigenvalues()[m - 1])
    ++kept;
  const Eigen::MatrixXd vectors = eigen.eigenvectors().rightCols(kept);
  const Eigen::VectorXd scale = eigen.eigenvalues().tail(kept).array().rsqrt();
  return (cross * vectors) * scale.asDiagonal();
}

}  // namespace osteo::reconstruct
