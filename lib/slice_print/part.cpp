#include "slice_print/part.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "mesh/measures.h"
#include "slice_print/level_set_slicer.h"
#include "slice_print/mesh_slicer.h"

namespace osteo::slice_print {

namespace {

// The smallest rotation that takes the direction to +z; half a turn about x for −z. Exact for the axes.
Eigen::Matrix3d rotationToZ(const Eigen::Vector3d& direction) {
  const Eigen::Vector3d d = direction.normalized();
  if (d.z() < -1 + 1e-12) return Eigen::Vector3d(1, -1, -1).asDiagonal();
  const Eigen::Vector3d axis(d.y(), -d.x(), 0);  // d × z
  Eigen::Matrix3d cross;
  cross << 0, 0, axis.y(), 0, 0, -axis.x(), -axis.y(), axis.x(), 0;
  return Eigen::Matrix3d::Identity() + cross + cross * cross / (1 + d.z());
}

// Makes sure that every slice will close; merges equal vertices only where that is not so from the start.
void requireClosed(mesh::TriangleMesh& mesh) {
  if (mesh.triangles.empty()) throw core::Error(core::Exit::DataError, {.what = "the mesh has no triangles"});
  if (isClosedChain(mesh)) return;
  mesh::weld(mesh);
  if (isClosedChain(mesh)) return;
  const mesh::Topology topology = mesh::topology(mesh);
  throw core::Error(
      core::Exit::DataError,
      {.what = "the mesh is not closed, so its slices would not close",
       .expected = "every edge shared by triangles of opposite sense",
       .got = fmt::format("{} boundary edges, {} edges of misoriented triangles, {} non-manifold edges",
                          topology.boundary_edges, topology.misoriented_edges, topology.nonmanifold_edges),
       .hint = "mend the mesh, or slice the level set (.vdb) it was made from"});
}

}  // namespace

Part Part::ofMesh(mesh::TriangleMesh mesh, const Eigen::Vector3d& build_direction) {
  requireClosed(mesh);
  const Eigen::Matrix3d rotation = rotationToZ(build_direction);
  for (Eigen::Vector3d& v : mesh.vertices) v = rotation * v;
  Eigen::Vector3d low = Eigen::Vector3d::Constant(1e300), high = -low;
  for (const mesh::Triangle& t : mesh.triangles) {  // vertices without triangles don't count
    for (const std::uint32_t v : t) low = low.cwiseMin(mesh.vertices[v]), high = high.cwiseMax(mesh.vertices[v]);
  }
  for (Eigen::Vector3d& v : mesh.vertices) v -= low;
  if (mesh::volume_mm3(mesh) < 0) {
    core::warn("the mesh is inside out (negative volume); its triangles were turned");
    for (mesh::Triangle& t : mesh.triangles) std::swap(t[1], t[2]);
  }
  Part part;
  part.size_mm_ = high - low;
  part.machine_from_lps_.topLeftCorner<3, 3>() = rotation;
  part.machine_from_lps_.topRightCorner<3, 1>() = -low;
  part.mesh_ = std::make_shared<const mesh::TriangleMesh>(std::move(mesh));
  return part;
}

Part Part::ofLevelSet(const levelset::LevelSet& level_set, const Eigen::Vector3d& build_direction) {
  const LevelSetSurface surface = surfaceOf(level_set);
  if (!build_direction.normalized().isApprox(Eigen::Vector3d::UnitZ(), 1e-12)) {
    return ofMesh(levelset::toMesh(level_set), build_direction);
  }
  Part part;
  part.size_mm_ = surface.max_mm - surface.min_mm;
  part.machine_from_lps_.topRightCorner<3, 1>() = -surface.min_mm;
  part.level_set_ = std::make_shared<const levelset::LevelSet>(level_set);
  return part;
}

double Part::volume_mm3() const { return isMesh() ? mesh::volume_mm3(*mesh_) : levelset::volume_mm3(*level_set_); }

double Part::overhangArea_mm2(double limit_deg) const {
  if (!isMesh()) return slice_print::overhangArea_mm2(*level_set_, limit_deg, -machine_from_lps_(2, 3));
  constexpr double kOnPlate_mm = 1e-3;
  const double limit = std::cos(limit_deg * M_PI / 180);
  double area = 0;
  for (const mesh::Triangle& t : mesh_->triangles) {
    const Eigen::Vector3d &a = mesh_->vertices[t[0]], &b = mesh_->vertices[t[1]], &c = mesh_->vertices[t[2]];
    const Eigen::Vector3d normal = (b - a).cross(c - a);
    const bool on_plate = std::max({a.z(), b.z(), c.z()}) < kOnPlate_mm;
    if (!on_plate && -normal.z() > limit * normal.norm()) area += normal.norm() / 2;
  }
  return area;
}

mesh::TriangleMesh Part::machineMesh() const {
  if (isMesh()) return *mesh_;
  mesh::TriangleMesh mesh = levelset::toMesh(*level_set_);
  const Eigen::Vector3d shift = machine_from_lps_.topRightCorner<3, 1>();
  for (Eigen::Vector3d& v : mesh.vertices) v += shift;
  return mesh;
}

Slicer Part::slicer(const Stack& stack) const {
  if (isMesh()) return meshSlicer(*mesh_, stack);
  return levelSetSlicer(*level_set_, -machine_from_lps_.topRightCorner<3, 1>(), stack);
}

}  // namespace osteo::slice_print
