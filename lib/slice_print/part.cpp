#include "slice_print/part.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "mesh/measures.h"
#include "slice_print/level_set_slicer.h"
#include "slice_print/mesh_slicer.h"
#include "slice_print/region.h"
#include "slice_print/slopes.h"

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

void add(mesh::Repair& sum, const mesh::Repair& one) {
  sum.merged_vertices += one.merged_vertices;
  sum.dropped_triangles += one.dropped_triangles;
  sum.turned_triangles += one.turned_triangles;
  sum.capped_openings += one.capped_openings;
  sum.capped_area_mm2 += one.capped_area_mm2;
}

[[noreturn]] void refuseOpen(const mesh::TriangleMesh& mesh) {
  const mesh::Topology topology = mesh::topology(mesh);
  throw core::Error(
      core::Exit::DataError,
      {.what = "the mesh is not closed, so its slices would not close",
       .expected =
           fmt::format("every edge shared by triangles of opposite sense, or holes of at most {} % of the surface",
                       100 * mesh::kCapShare),
       .got = fmt::format("{} boundary edges, {} edges of misoriented triangles, {} non-manifold edges",
                          topology.boundary_edges, topology.misoriented_edges, topology.nonmanifold_edges),
       .hint = "mend the mesh, or slice the level set (.vdb) it was made from"});
}

// Makes sure that every slice will close; merges equal vertices only where that is not so from the start, and mends
// only what is then still open.
void requireClosed(mesh::TriangleMesh& mesh, mesh::Repair& sum) {
  if (mesh.triangles.empty()) throw core::Error(core::Exit::DataError, {.what = "the mesh has no triangles"});
  if (isClosedChain(mesh)) return;
  mesh::weld(mesh);
  if (isClosedChain(mesh)) return;
  constexpr double kToleranceShare = 1e-6, kMostTolerance_mm = 1e-3;
  const mesh::Bounds box = mesh::bounds(mesh);
  const double tolerance_mm = std::clamp(kToleranceShare * (box.max - box.min).norm(), 1e-9, kMostTolerance_mm);
  mesh::Repair repair;
  mesh::TriangleMesh closed = mesh::repaired(mesh, tolerance_mm, repair);
  if (closed.triangles.empty() || !isClosedChain(closed)) refuseOpen(mesh);
  core::warn(fmt::format(
      "the mesh was not closed and has been repaired: {} vertices merged, {} triangles dropped, {} triangles turned, "
      "{} openings capped ({:.3g} mm²)",
      repair.merged_vertices, repair.dropped_triangles, repair.turned_triangles, repair.capped_openings,
      repair.capped_area_mm2));
  mesh = std::move(closed);
  add(sum, repair);
}

void turnOutward(mesh::TriangleMesh& mesh) {
  if (mesh::volume_mm3(mesh) >= 0) return;
  core::warn("the mesh is inside out (negative volume); its triangles were turned");
  for (mesh::Triangle& t : mesh.triangles) std::swap(t[1], t[2]);
}

struct Box {
  Eigen::Vector3d low = Eigen::Vector3d::Constant(1e300), high = Eigen::Vector3d::Constant(-1e300);
  void cover(const Eigen::Vector3d& p) { low = low.cwiseMin(p), high = high.cwiseMax(p); }
  void cover(const mesh::TriangleMesh& mesh) {  // vertices without triangles don't count
    for (const mesh::Triangle& t : mesh.triangles) {
      for (const std::uint32_t v : t) cover(mesh.vertices[v]);
    }
  }
};

// The machine's box of a solid whose meshes have been turned.
Box boxOf(const Solid& solid) {
  Box box;
  if (solid.level_set) {
    const LevelSetSurface surface = surfaceOf(*solid.level_set);
    box.cover(surface.min_mm), box.cover(surface.max_mm);
    return box;
  }
  box.cover(solid.beams);
  if (solid.clipping == mesh::BeamClip::Inside && !solid.beams.triangles.empty()) {
    Box clip;
    clip.cover(solid.clip);
    box.low = box.low.cwiseMax(clip.low), box.high = box.high.cwiseMin(clip.high);
  }
  box.cover(solid.mesh);
  return box;
}

std::shared_ptr<const mesh::TriangleMesh> shifted(mesh::TriangleMesh mesh, const Eigen::Vector3d& low) {
  if (mesh.triangles.empty()) return nullptr;
  for (Eigen::Vector3d& v : mesh.vertices) v -= low;
  return std::make_shared<const mesh::TriangleMesh>(std::move(mesh));
}

// A lattice turned, evenly scaled and shifted; null where its beams would not stay what they are.
std::shared_ptr<const mesh::BeamLattice> movedLattice(const Solid& solid, const Eigen::Matrix3d& linear,
                                                      const Eigen::Vector3d& low) {
  const double scale = std::cbrt(linear.determinant());
  const bool even = (linear * linear.transpose()).isApprox(scale * scale * Eigen::Matrix3d::Identity(), 1e-9);
  if (solid.lattice.beams.empty() || solid.clipping != mesh::BeamClip::None || !even) return nullptr;
  auto moved = std::make_shared<mesh::BeamLattice>(solid.lattice);
  for (Eigen::Vector3d& node : moved->nodes) node = linear * node - low;
  for (mesh::Beam& beam : moved->beams) {
    for (double& radius_mm : beam.radius_mm) radius_mm *= scale;
  }
  return moved;
}

void append(mesh::TriangleMesh& mesh, const mesh::TriangleMesh* more) {
  if (!more) return;
  const auto base = static_cast<std::uint32_t>(mesh.vertices.size());
  mesh.vertices.insert(mesh.vertices.end(), more->vertices.begin(), more->vertices.end());
  for (const mesh::Triangle& t : more->triangles) mesh.triangles.push_back({base + t[0], base + t[1], base + t[2]});
}

double overhang_mm2(const mesh::TriangleMesh& mesh, double limit_deg) {
  constexpr double kOnPlate_mm = 1e-3;
  const double limit = std::cos(limit_deg * M_PI / 180);
  double area = 0;
  for (const mesh::Triangle& t : mesh.triangles) {
    const Eigen::Vector3d &a = mesh.vertices[t[0]], &b = mesh.vertices[t[1]], &c = mesh.vertices[t[2]];
    const Eigen::Vector3d normal = (b - a).cross(c - a);
    const bool on_plate = std::max({a.z(), b.z(), c.z()}) < kOnPlate_mm;
    if (!on_plate && -normal.z() > limit * normal.norm()) area += normal.norm() / 2;
  }
  return area;
}

}  // namespace

Part Part::ofSolids(std::vector<Solid> solids, const Eigen::Vector3d& build_direction, const Eigen::Vector3d& scale) {
  Part part;
  const bool as_it_stands =
      build_direction.normalized().isApprox(Eigen::Vector3d::UnitZ(), 1e-12) && scale == Eigen::Vector3d::Ones();
  const Eigen::Matrix3d linear = scale.asDiagonal() * rotationToZ(build_direction);
  Box box;
  for (Solid& solid : solids) {
    if (solid.level_set && !as_it_stands) {
      surfaceOf(*solid.level_set);  // refuses an empty one
      solid.mesh = levelset::toMesh(*solid.level_set);
      solid.level_set.reset();
    }
    if (!solid.level_set) {
      if (solid.beams.triangles.empty() || !solid.mesh.triangles.empty()) requireClosed(solid.mesh, part.repair_);
      if (!solid.clip.triangles.empty()) requireClosed(solid.clip, part.repair_);
    }
    for (mesh::TriangleMesh* mesh : {&solid.mesh, &solid.beams, &solid.clip}) {
      for (Eigen::Vector3d& v : mesh->vertices) v = linear * v;
      if (mesh != &solid.beams) turnOutward(*mesh);
    }
    const Box own = boxOf(solid);
    if (!(own.low.array() <= own.high.array()).all()) {
      throw core::Error(core::Exit::DataError,
                        {.what = "nothing is left of a body's beams inside their clipping mesh"});
    }
    box.cover(own.low), box.cover(own.high);
  }
  part.size_mm_ = box.high - box.low;
  part.machine_from_lps_.topLeftCorner<3, 3>() = linear;
  part.machine_from_lps_.topRightCorner<3, 1>() = -box.low;
  for (Solid& solid : solids) {
    Shape shape{.name = solid.name, .material = solid.material, .clipping = solid.clipping};
    shape.mesh = shifted(std::move(solid.mesh), box.low);
    shape.beams = shifted(std::move(solid.beams), box.low);
    shape.lattice = movedLattice(solid, linear, box.low);
    shape.clip = shifted(std::move(solid.clip), box.low);
    if (solid.level_set) shape.level_set = std::make_shared<const levelset::LevelSet>(*solid.level_set);
    part.bodies_.push_back(std::move(shape));
  }
  return part;
}

Part Part::ofMesh(mesh::TriangleMesh mesh, const Eigen::Vector3d& build_direction) {
  std::vector<Solid> solids(1);
  solids[0].mesh = std::move(mesh);
  return ofSolids(std::move(solids), build_direction);
}

Part Part::ofLevelSet(const levelset::LevelSet& level_set, const Eigen::Vector3d& build_direction) {
  std::vector<Solid> solids(1);
  solids[0].level_set = level_set;
  return ofSolids(std::move(solids), build_direction);
}

bool Part::isMesh() const {
  return std::none_of(bodies_.begin(), bodies_.end(), [](const Shape& body) { return body.level_set != nullptr; });
}

bool Part::hasBeams() const {
  return std::any_of(bodies_.begin(), bodies_.end(), [](const Shape& body) { return body.beams != nullptr; });
}

double Part::volume_mm3() const {
  double volume = 0;
  for (const Shape& body : bodies_) {
    if (body.level_set) volume += levelset::volume_mm3(*body.level_set);
    if (body.mesh) volume += mesh::volume_mm3(*body.mesh);
    if (body.beams) volume += mesh::volume_mm3(*body.beams);
  }
  return volume;
}

double Part::overhangArea_mm2(double limit_deg) const {
  double area = 0;
  for (const Shape& body : bodies_) {
    if (body.level_set) area += slice_print::overhangArea_mm2(*body.level_set, limit_deg, -machine_from_lps_(2, 3));
    if (body.mesh) area += overhang_mm2(*body.mesh, limit_deg);
    if (body.beams) area += overhang_mm2(*body.beams, limit_deg);
  }
  return area;
}

SlopeProfile Part::slopes(double bin_mm) const {
  SlopeCollector collector(size_mm_, bin_mm);
  for (const Shape& body : bodies_) {
    if (body.level_set) collector.add(*body.level_set, machine_from_lps_(2, 3));
    if (body.mesh) collector.add(*body.mesh);
    if (body.beams) collector.add(*body.beams);
  }
  return collector.take();
}

mesh::TriangleMesh Part::machineMesh(int body, bool with_beams) const {
  const Shape& shape = bodies_[body];
  mesh::TriangleMesh mesh;
  if (shape.level_set) {
    mesh = levelset::toMesh(*shape.level_set);
    const Eigen::Vector3d shift = machine_from_lps_.topRightCorner<3, 1>();
    for (Eigen::Vector3d& v : mesh.vertices) v += shift;
  }
  append(mesh, shape.mesh.get());
  if (with_beams) append(mesh, shape.beams.get());
  return mesh;
}

mesh::TriangleMesh Part::machineMesh() const {
  mesh::TriangleMesh mesh = machineMesh(0);
  for (int body = 1; body < bodies(); ++body) {
    const mesh::TriangleMesh more = machineMesh(body);
    append(mesh, &more);
  }
  return mesh;
}

Slicer Part::slicer(const Stack& stack, int body) const {
  const Shape& shape = bodies_[body];
  if (shape.level_set) {
    return levelSetSlicer(*shape.level_set, -machine_from_lps_.topRightCorner<3, 1>(), stack);
  }
  if (!shape.beams) return meshSlicer(*shape.mesh, stack);
  const Slicer solid = shape.mesh ? meshSlicer(*shape.mesh, stack) : Slicer(), beams = meshSlicer(*shape.beams, stack),
               clip = shape.clip ? meshSlicer(*shape.clip, stack) : Slicer();
  const bool inside = shape.clipping == mesh::BeamClip::Inside;
  return [solid, beams, clip, inside](int first, int last, Rings* rings) {
    std::vector<Rings> more(static_cast<std::size_t>(last - first));
    beams(first, last, rings);
    if (clip) clip(first, last, more.data());
    for (int n = 0; n < last - first; ++n) {
      rings[n] = united(rings[n]);
      if (clip) rings[n] = inside ? intersected(rings[n], more[n]) : subtracted(rings[n], more[n]);
    }
    if (!solid) return;
    solid(first, last, more.data());
    for (int n = 0; n < last - first; ++n) {
      rings[n].insert(rings[n].end(), more[n].begin(), more[n].end());
      rings[n] = united(rings[n]);
    }
  };
}

Slicer Part::slicer(const Stack& stack) const {
  std::vector<Slicer> slicers;
  for (int body = 0; body < bodies(); ++body) slicers.push_back(slicer(stack, body));
  return [slicers](int first, int last, Rings* rings) {
    std::vector<Outlines> layers = outlines(slicers, first, last - first);
    for (int n = 0; n < last - first; ++n) rings[n] = std::move(layers[n].slice);
  };
}

}  // namespace osteo::slice_print
