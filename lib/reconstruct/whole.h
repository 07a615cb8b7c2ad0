#pragma once
#include <functional>

#include "image/volume.h"
#include "levelset/level_set.h"
#include "reconstruct/host.h"

namespace osteo::reconstruct {

/// A whole bone as some method proposes it, as a signed distance in mm (negative inside) near its surface.
struct Whole {
  image::CtVolume coarse;                              ///< on the host's grid or a part of it
  std::function<double(const Eigen::Vector3d&)> fine;  ///< the same at the bone's own resolution
  bool two_sided = true;  ///< a shell with an outer and an inner surface, as a skull is; else one surface all around
};

/// Value of the coarse distance at a point; large outside its grid.
double coarseAt(const Whole& whole, const Eigen::Vector3d& p);

/// From a closed surface, which may be a shape model's.
Whole wholeOfMesh(const mesh::TriangleMesh& surface, const image::Frame& grid, double voxel_mm);

/// Whether a surface that faces along `normal` at p is the outer one of a shell around the host's centre.
inline bool facesOut(const Host& host, const Eigen::Vector3d& p, const Eigen::Vector3d& normal) {
  return normal.dot(p - host.centre_mm) > 0;
}

}  // namespace osteo::reconstruct
