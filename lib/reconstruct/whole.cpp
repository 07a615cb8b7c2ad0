#include "reconstruct/whole.h"

#include "core/parallel.h"

namespace osteo::reconstruct {

double coarseAt(const Whole& whole, const Eigen::Vector3d& p) {
  return image::sampleLinear(whole.coarse, whole.coarse.frame.toIndex(p), 1e3F);
}

Whole wholeOfMesh(const mesh::TriangleMesh& surface, const image::Frame& grid, double voxel_mm) {
  const levelset::LevelSet solid = levelset::fromMesh(surface, voxel_mm);
  Whole whole;
  whole.coarse = fullDistance(solid, grid);
  whole.two_sided = false;
  whole.fine = [solid](const Eigen::Vector3d& p) { return levelset::sample(solid, p); };
  return whole;
}

}  // namespace osteo::reconstruct
