#pragma once
#include <Eigen/Dense>
#include <vector>

namespace osteo::reconstruct {

/// A Gaussian kernel of covariance: amplitude² · exp(−|x−y|²/(2 reach²)).
struct SmoothKernel {
  double amplitude_mm = 1, reach_mm = 10;
};

/// Functions at the points, N × at most `rank`, whose outer product is nearly the sum of the kernels (Nyström with
/// points far from one another, Rasmussen & Williams 2006, section 8.1). O(N m²) for m <= 2 rank landmarks.
Eigen::MatrixXd smoothBasis(const std::vector<Eigen::Vector3d>& points, const std::vector<SmoothKernel>& kernels,
                            int rank);

}  // namespace osteo::reconstruct
