#pragma once
#include "mesh/triangle_mesh.h"
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// True when every edge is passed as often in one direction as in the other, which is what makes all slices close
/// (also with edges of more than two triangles). Decided by a hash of all directed edges: wrong once in 2^64.
bool isClosedChain(const mesh::TriangleMesh& mesh);

/// Cuts a closed mesh at the layers' mid-heights. A vertex on the plane counts as above it, so that every triangle is
/// cut in none or in one segment between two edges and coplanar facets or touching vertices need no special case
/// (simulation of simplicity, Edelsbrunner and Mücke 1990). The mesh (machine frame) must outlive the slicer and pass
/// isClosedChain().
Slicer meshSlicer(const mesh::TriangleMesh& mesh, const Stack& stack);

}  // namespace osteo::slice_print
