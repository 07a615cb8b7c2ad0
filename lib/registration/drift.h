#pragma once
#include <Eigen/Geometry>
#include <vector>

namespace osteo::registration {

struct DriftOptions {
  double outliers = 0.1;     ///< share of the fixed points without a partner, 0 to 1
  int max_iterations = 150;  ///< of expectation and maximisation
  double tolerance = 1e-5;   ///< ends when the deviation changes by less than this share
  bool with_scale = false;   ///< of the linear variants: similarity instead of rigid motion
  double stiffness_mm = 0;   ///< of the deformable variant: width of the kernel; 0: half the points' radius
  double smoothness = 2;     ///< of the deformable variant: weight of smoothness (lambda)
};

/// What drifting found for every moving point.
struct DriftFit {
  Eigen::Affine3d transform = Eigen::Affine3d::Identity();  ///< moving to fixed (linear variants)
  double scale = 1;
  std::vector<Eigen::Vector3d> moved;  ///< moving points in their new places
  double sigma_mm = 0;                 ///< deviation of a coordinate that is left between partners
  double matched_share = 0;            ///< of the fixed points: explained by the moving ones
  int iterations = 0;
};

/// A displacement as a sum of Gaussians about centres, mm.
struct GaussianField {
  std::vector<Eigen::Vector3d> centres, weights;
  double width_mm = 1;
  Eigen::Vector3d operator()(const Eigen::Vector3d& p) const;
};

/// Coherent point drift (Myronenko & Song, IEEE PAMI 2010) of point sets without correspondence, rigid or similarity,
/// from `start` on. O(M·N) an iteration, far pairs skipped; the same for any thread count. Throws DataError for fewer
/// than 4 points on a side.
DriftFit driftLinear(const std::vector<Eigen::Vector3d>& moving, const std::vector<Eigen::Vector3d>& fixed,
                     const Eigen::Affine3d& start, const DriftOptions& options = {});

/// The deformable variant: displacements as Gaussians about up to 400 of the moving points (a low-rank kernel). The
/// sets must lie near one another. Throws DataError for fewer than 4 points on a side.
DriftFit driftDeformable(const std::vector<Eigen::Vector3d>& moving, const std::vector<Eigen::Vector3d>& fixed,
                         GaussianField& field, const DriftOptions& options = {});

}  // namespace osteo::registration
