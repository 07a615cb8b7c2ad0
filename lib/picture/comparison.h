#pragma once
#include <functional>
#include <vector>

#include "image/volume.h"
#include "mesh/triangle_mesh.h"
#include "picture/canvas.h"

namespace osteo::picture {

/// Slices through a point in three planes, with and without labels.
Canvas slicesAt(const image::CtVolume& ct, const image::LabelVolume& labels, const Eigen::Vector3d& at_mm);

/// A still image and one that was moved onto its grid, before (stage 0) and after (stage 1), as slices in a
/// checkerboard: edges that go on across its cubes lie on one another.
Canvas checkerboards(const image::CtVolume& still, const std::function<image::CtVolume(int stage)>& moved);

/// What stands for a mesh, or for points.
struct Shape {
  mesh::TriangleMesh mesh;
  bool is_mesh = true;
};
/// Points as small octahedra.
Shape markers(const std::vector<Eigen::Vector3d>& points);

/// A still shape and a moved one, before and after, from two sides.
Canvas overlays(const Shape& still, const std::function<Shape(int stage)>& moved);

}  // namespace osteo::picture
