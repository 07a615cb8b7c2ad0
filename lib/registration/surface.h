#pragma once
#include <Eigen/Geometry>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::registration {

struct SurfaceOptions {
  bool with_scale = false;   ///< similarity instead of rigid motion
  bool search = true;        ///< also start from 24 turns about the principal axes, not from `start` alone
  bool try_mirrored = true;  ///< also measure how well the mirror image of the points would lie
  double overlap = 1;        ///< share of the points, 0 to 1, that is expected to lie on the surface
  Eigen::Affine3d start = Eigen::Affine3d::Identity();
};

struct SurfaceFit {
  Eigen::Affine3d transform = Eigen::Affine3d::Identity();  ///< of the points, onto the surface
  double scale = 1;
  double median_mm = 0, rms_mm = 0;  ///< distances of the points in reach
  double inlier_share = 0;           ///< of the points: in reach
  double reach_mm = 0;               ///< distances above it don't count: 4.685 robust deviations of them
  double mean_mm = 0;                ///< of all points' distances, each cut at a twentieth of the points' radius
  double runner_up_mm = 0;           ///< the same of the best different placement; 0 when there is none
  double mirrored_mm = 0;            ///< the same of the points' mirror image; 0 when not tried
};

/// Brings points of unknown position onto a surface: starts at the 24 turns between the principal axes, trimmed
/// closest points (Chetverikov et al. 2002), then point-to-plane (Chen & Medioni 1992) with Tukey weights; the best by
/// its truncated distances. The same for any thread count. Throws DataError for fewer than 10 points, for points on one
/// line, and for an empty surface.
SurfaceFit fitToMesh(const std::vector<Eigen::Vector3d>& points, const mesh::TriangleMesh& surface,
                     const SurfaceOptions& options = {});

/// The 24 motions that lay the principal axes of one set onto those of another, centre on centre, with the ratio of the
/// radii as scale when asked.
std::vector<Eigen::Affine3d> principalStarts(const std::vector<Eigen::Vector3d>& from,
                                             const std::vector<Eigen::Vector3d>& to, bool with_scale);

/// `count` points spread evenly by area over a mesh; the same points each time.
std::vector<Eigen::Vector3d> sampleSurface(const mesh::TriangleMesh& mesh, std::size_t count);

}  // namespace osteo::registration
