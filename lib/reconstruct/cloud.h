#pragma once
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"

namespace osteo::reconstruct {

struct CloudOptions {
  double voxel_mm = 0;  ///< 0: half the points' spacing
  double gap_mm = 0;    ///< farther from any point, the surface is guessed; 0: three times the points' spacing
};

struct CloudReport {
  std::int64_t points = 0;
  double spacing_mm = 0, voxel_mm = 0, gap_mm = 0;
  bool normals_estimated = false;
  double residual_rms_mm = 0;  ///< of the points to the surface
  double guessed_share = 0;    ///< of the surface's area
};

/// A closed surface through an oriented point cloud. Near the points it is the algebraic sphere fitted to those around
/// (APSS: Guennebaud & Gross 2007, with normals), which averages noise and keeps curvature; where there are none it is
/// the zero of a harmonic function that continues these distances, a guess. Normals are estimated where the cloud has
/// none. Throws DataError for fewer than 50 points, points on one spot, or a cloud that can't be oriented.
levelset::LevelSet cloudSurface(mesh::PointCloud cloud, const CloudOptions& options, CloudReport& report);

/// Distance of each vertex to the nearest point, at most `most_mm`.
std::vector<float> distancesToCloud(const mesh::TriangleMesh& mesh, const mesh::PointCloud& cloud, double most_mm);

/// Cuts away the triangles that have a corner farther than `gap_mm` from any point, and tells what share of the area
/// that was.
mesh::TriangleMesh trimmed(const mesh::TriangleMesh& mesh, const std::vector<float>& distance_mm, double gap_mm,
                           double& guessed_share);

nlohmann::json describe(const CloudReport& report);

}  // namespace osteo::reconstruct
