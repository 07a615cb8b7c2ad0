#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "levelset/level_set.h"
#include "mesh/bodies.h"
#include "mesh/repair.h"
#include "mesh/triangle_mesh.h"
#include "slice_print/heights.h"
#include "slice_print/layer.h"

namespace osteo::slice_print {

/// One body of a job in LPS: a mesh (with beams in it, clipped or not) or a level set.
struct Solid {
  std::string name = {}, material = {};
  mesh::TriangleMesh mesh = {};
  std::optional<levelset::LevelSet> level_set = {};
  mesh::TriangleMesh beams = {};   ///< triangulated, overlapping
  mesh::BeamLattice lattice = {};  ///< what they were made of
  mesh::BeamClip clipping = mesh::BeamClip::None;
  mesh::TriangleMesh clip = {};
};

/// What is printed: one or several closed meshes or level sets, turned so that the build direction is +z and moved so
/// that their lowest corner is (0,0,0): the machine frame.
class Part {
 public:
  /// Closes small faults of meshes and warns of it. Throws DataError for what stays empty or open (names the boundary
  /// edges). A mesh that is inside out is turned with a warning. `scale`, in machine axes, makes up for shrinkage; a
  /// level set is sliced directly along LPS +z at scale 1, and as its marching-cubes mesh otherwise.
  static Part ofSolids(std::vector<Solid> solids, const Eigen::Vector3d& build_direction,
                       const Eigen::Vector3d& scale = Eigen::Vector3d::Ones());
  static Part ofMesh(mesh::TriangleMesh mesh, const Eigen::Vector3d& build_direction);
  static Part ofLevelSet(const levelset::LevelSet& level_set, const Eigen::Vector3d& build_direction);

  /// Whether all bodies are sliced as meshes.
  bool isMesh() const;
  int bodies() const { return static_cast<int>(bodies_.size()); }
  const std::string& name(int body) const { return bodies_[body].name; }
  const std::string& material(int body) const { return bodies_[body].material; }
  /// Rotation, scale and shift.
  const Eigen::Matrix4d& machineFromLps() const { return machine_from_lps_; }
  const Eigen::Vector3d& size_mm() const { return size_mm_; }
  /// Of all bodies together; what overlaps counts as often as it is there.
  double volume_mm3() const;
  /// Whether beams or clips make volume_mm3() and overhangArea_mm2() sums over parts that overlap.
  bool hasBeams() const;
  /// Area facing down and inclined to the horizontal by less than the limit, without what lies on the plate, mm².
  double overhangArea_mm2(double limit_deg) const;
  SlopeProfile slopes(double bin_mm) const;
  /// The part's triangles in the machine frame (a level set is meshed), of all bodies or of one.
  mesh::TriangleMesh machineMesh() const;
  mesh::TriangleMesh machineMesh(int body, bool with_beams = true) const;
  /// The beams of a body in the machine frame; null where there are none, and where they are clipped or scaled
  /// unevenly, so that only triangles tell their shape.
  const mesh::BeamLattice* lattice(int body) const { return bodies_[body].lattice.get(); }
  /// What was done to close the meshes, summed over bodies.
  const mesh::Repair& repair() const { return repair_; }
  /// Outlines of the union of all bodies. Valid as long as the part.
  Slicer slicer(const Stack& stack) const;
  /// Outlines of one body as it stands, whatever lies in its place beside it.
  Slicer slicer(const Stack& stack, int body) const;

 private:
  struct Shape {
    std::string name, material;
    std::shared_ptr<const mesh::TriangleMesh> mesh, beams, clip;  // machine frame; null when there is none
    std::shared_ptr<const mesh::BeamLattice> lattice;             // likewise
    mesh::BeamClip clipping = mesh::BeamClip::None;
    std::shared_ptr<const levelset::LevelSet> level_set;  // LPS
  };
  std::vector<Shape> bodies_;
  Eigen::Matrix4d machine_from_lps_ = Eigen::Matrix4d::Identity();
  Eigen::Vector3d size_mm_ = Eigen::Vector3d::Zero();
  mesh::Repair repair_;
};

/// A layer's outlines: of the union, and of each body without what earlier bodies have (empty for a single body).
struct Outlines {
  Rings slice;
  std::vector<Rings> bodies;
  bool overlapping = false;  ///< a body's own outline overlapped itself, or bodies did
};

/// Outlines of layers [first, first + count); overlaps are united, and between bodies given to the first.
std::vector<Outlines> outlines(const std::vector<Slicer>& bodies, int first, int count);

}  // namespace osteo::slice_print
