#pragma once
#include <vector>

#include "mesh/triangle_mesh.h"
#include "slice_print/part.h"

namespace osteo::slice_print {

/// What a build direction is weighed by; each term is made free of size first (see Orientation::score).
struct OrientationRule {
  double overhang_deg = 45;  ///< down-facing surface flatter than this needs support
  double layer_mm = 0.03;
  double support_weight =
      1;  ///< of the supported area over the surface, and of the supports' volume over the part's box
  double height_weight = 0.5;
  double stair_weight = 0.5;
  double bearing_weight = 2;            ///< of supported bearing surface over all bearing surface
  std::vector<char> bearing_triangles;  ///< that should stay free of supports; empty: none
};

/// A build direction (LPS, of length 1) and its terms.
struct Orientation {
  Eigen::Vector3d direction = Eigen::Vector3d::UnitZ();
  double support_area_mm2 = 0;    ///< overhangs without what lies on the plate
  double support_volume_mm3 = 0;  ///< prisms from the overhangs down to the plate
  double height_mm = 0;
  double mean_cusp_mm = 0;  ///< layer height × |cosine| of normal and direction, over the surface; 0 for level faces
  double bearing_area_mm2 = 0;  ///< overhanging bearing surface
  double score = 0;             ///< weighted sum, the smaller the better
};

/// The terms of one direction, from the triangles alone. The mesh is closed and outward (LPS, mm).
Orientation assess(const mesh::TriangleMesh& mesh, const Eigen::Vector3d& direction, const OrientationRule& rule);

/// Best directions, at least 10° apart, best first: 400 even ones (Fibonacci lattice, Gonzalez, Mathematical
/// Geosciences 42, 2010) and those that lay one of the largest faces on the plate, the best of them refined by pattern
/// search. Meshes of many triangles are searched on a sample of them; the terms returned are those of the whole mesh.
std::vector<Orientation> bestOrientations(const mesh::TriangleMesh& mesh, const OrientationRule& rule, int count);

/// The triangles of all bodies (LPS); level sets are meshed.
mesh::TriangleMesh surfaceOf(const std::vector<Solid>& solids);

/// Triangles whose middle lies within a distance of another surface.
std::vector<char> trianglesNear(const mesh::TriangleMesh& mesh, const mesh::TriangleMesh& surface, double distance_mm);

}  // namespace osteo::slice_print
