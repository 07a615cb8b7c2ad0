#include "reconstruct/outputs.h"

#include <nlohmann/json.hpp>

#include "mesh/measures.h"
#include "mesh/simplify.h"

namespace osteo::reconstruct {

mesh::TriangleMesh lighter(const mesh::TriangleMesh& mesh, const MeshOptions& options, nlohmann::json& record) {
  if (options.remesh_mm <= 0 && options.simplify_mm <= 0) return mesh;
  mesh::TriangleMesh out = mesh;
  mesh::MeshChange change, last;
  if (options.remesh_mm > 0) out = mesh::remesh(out, options.remesh_mm, change);
  if (options.simplify_mm > 0) out = mesh::simplify(out, {.max_deviation_mm = options.simplify_mm}, last);
  double deviation = options.remesh_mm > 0 ? change.max_deviation_mm : last.max_deviation_mm;
  if (options.remesh_mm > 0 && options.simplify_mm > 0) deviation = mesh::maxDeviation_mm(out, mesh);
  record["mesh"] = {{"triangles_before", mesh.triangles.size()},
                    {"triangles", out.triangles.size()},
                    {"max_deviation_mm", deviation},
                    {"volume_mm3", mesh::volume_mm3(out)},
                    {"closed", mesh::topology(out).closed()}};
  return out;
}

}  // namespace osteo::reconstruct
