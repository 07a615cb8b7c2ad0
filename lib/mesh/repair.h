#pragma once
#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

/// What was done to a mesh to close it.
struct Repair {
  std::int64_t merged_vertices = 0, dropped_triangles = 0, turned_triangles = 0, capped_openings = 0;
  double capped_area_mm2 = 0;
  bool any() const { return merged_vertices + dropped_triangles + turned_triangles + capped_openings > 0; }
};

constexpr double kCapShare = 5e-3;  ///< of the surface: openings that are larger together are no small holes

/// Makes a mesh closed where that is no guess: merges vertices nearer than `tolerance_mm`, drops triangles that
/// collapse or stand twice, turns triangles against their neighbours' sense (the fewer of a component), and caps
/// openings that together are at most kCapShare of its surface. What it can't close it leaves open.
TriangleMesh repaired(TriangleMesh mesh, double tolerance_mm, Repair& repair);

}  // namespace osteo::mesh
