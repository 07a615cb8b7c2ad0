#pragma once
#include <memory>

#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// What is printed: a closed mesh or a level set, turned so that the build direction is +z and moved so that its lowest
/// corner is (0,0,0): the machine frame.
class Part {
 public:
  /// Throws DataError for an empty or an open mesh (names the boundary edges). A mesh that is inside out is turned with
  /// a warning.
  static Part ofMesh(mesh::TriangleMesh mesh, const Eigen::Vector3d& build_direction);
  /// Along LPS +z the level set is sliced directly; for any other direction its marching-cubes mesh is. Throws
  /// DataError when nothing is inside.
  static Part ofLevelSet(const levelset::LevelSet& level_set, const Eigen::Vector3d& build_direction);

  bool isMesh() const { return !level_set_; }
  const Eigen::Matrix4d& machineFromLps() const { return machine_from_lps_; }
  const Eigen::Vector3d& size_mm() const { return size_mm_; }
  double volume_mm3() const;
  /// Area facing down and inclined to the horizontal by less than the limit, without what lies on the plate, mm².
  double overhangArea_mm2(double limit_deg) const;
  /// The part's triangles in the machine frame (a level set is meshed).
  mesh::TriangleMesh machineMesh() const;
  /// Valid as long as the part.
  Slicer slicer(const Stack& stack) const;

 private:
  std::shared_ptr<const mesh::TriangleMesh> mesh_;       // machine frame
  std::shared_ptr<const levelset::LevelSet> level_set_;  // LPS
  Eigen::Matrix4d machine_from_lps_ = Eigen::Matrix4d::Identity();
  Eigen::Vector3d size_mm_ = Eigen::Vector3d::Zero();
};

}  // namespace osteo::slice_print
