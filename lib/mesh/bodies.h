#pragma once
#include <string>
#include <vector>

#include "mesh/beams.h"
#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

/// What of the beams is kept.
enum class BeamClip { None, Inside, Outside };

/// One body of a file: triangles, beams, or both.
struct Body {
  std::string name, material;  ///< as the file has them; empty when it does not say
  TriangleMesh mesh = {};
  BeamLattice beams = {};
  BeamClip clipping = BeamClip::None;
  TriangleMesh clip = {};  ///< what beams are clipped with
};

/// The bodies of a mesh file: of an AMF its volumes with their materials, once for each instance of its constellations;
/// of a 3MF its build items' objects with their base materials and beam lattices; of other formats the mesh. Throws as
/// readMesh does.
std::vector<Body> readBodies(const std::string& path);

}  // namespace osteo::mesh
