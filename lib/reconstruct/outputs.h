#pragma once
#include <nlohmann/json_fwd.hpp>

#include "mesh/triangle_mesh.h"

namespace osteo::reconstruct {

/// How a surface's mesh is made lighter before it is written; 0 leaves a step out.
struct MeshOptions {
  double remesh_mm = 0;    ///< edge length of even triangles
  double simplify_mm = 0;  ///< largest deviation that fewer triangles may cost
};

/// The mesh remeshed, then simplified; `record` takes the triangles before and after and the deviation measured between
/// the result and the mesh given.
mesh::TriangleMesh lighter(const mesh::TriangleMesh& mesh, const MeshOptions& options, nlohmann::json& record);

}  // namespace osteo::reconstruct
