#pragma once
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

struct SimplifyOptions {
  double max_deviation_mm = 0.1;
  /// Per vertex, tighter than max_deviation_mm: 0 keeps the vertex (a defect's rim). Empty: the same for all.
  std::vector<float> tolerance_mm = {};
};

struct MeshChange {
  std::int64_t triangles_before = 0, triangles_after = 0;
  double max_deviation_mm = 0;  ///< measured between both surfaces, in both directions
};

/// Fewer triangles by edge collapses in the order of their quadric error (Garland & Heckbert 1997). A closed, oriented
/// manifold stays one (link condition), borders stay as they are. The deviation is measured afterwards; where it
/// exceeds the maximum the collapse is repeated with a stricter limit. The same for any thread count.
TriangleMesh simplify(const TriangleMesh& mesh, const SimplifyOptions& options, MeshChange& change);

/// Triangles of about this edge length, close to equilateral (Botsch & Kobbelt 2004): long edges split, short ones
/// collapsed, valences evened out by flips, vertices moved along the surface and put back onto the original. Vertices
/// with a 1 in `kept` stay where they are, with the edges between them; empty: none.
TriangleMesh remesh(const TriangleMesh& mesh, double edge_mm, MeshChange& change, const std::vector<char>& kept = {});

/// Largest distance in mm between two surfaces: from vertices, edge midpoints and centroids of `coarse` to `fine`, and
/// from the vertices of `fine` to `coarse`.
double maxDeviation_mm(const TriangleMesh& coarse, const TriangleMesh& fine);

}  // namespace osteo::mesh
