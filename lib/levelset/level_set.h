#pragma once
#include <Eigen/Core>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "image/volume.h"
#include "mesh/triangle_mesh.h"

namespace osteo::levelset {

struct Grid;  // wraps openvdb::FloatGrid::Ptr; defined in levelset/grid.h, which only .cpp files include

/// A narrow-band level set: signed distance in mm, negative inside, half-width 3 voxels, axis-aligned LPS, cubic voxels
/// with centres at integer multiples of the voxel. Copies share the grid; functions never change their arguments.
class LevelSet {
 public:
  LevelSet() = default;
  explicit LevelSet(std::shared_ptr<Grid> grid) : grid_(std::move(grid)) {}
  Grid& grid() const { return *grid_; }
  bool empty() const;  ///< nothing inside
  double voxel_mm() const;
  /// Index box of active voxels, inclusive.
  void activeBox(Eigen::Vector3i& min, Eigen::Vector3i& max) const;
  std::string meta(const std::string& key) const;  ///< "" when absent
  void setMeta(const std::string& key, const std::string& value);
  std::string frameId() const { return meta("frame_id"); }
  std::int64_t activeVoxels() const;

 private:
  std::shared_ptr<Grid> grid_;
};

constexpr double kHalfWidth_voxels = 3.0;

/// Reads the one float level set of a VDB file. Refuses (65) other grids, non-cubic or rotated transforms, truncated
/// files.
LevelSet readVdb(const std::string& path);
/// Writes one grid with `space` = LPS metadata; bytes depend on content only (the random UUID is replaced).
void writeVdb(const LevelSet& level_set, const std::string& path, const std::string& grid_name);

/// From .vdb, or from a closed mesh in a file on voxels of `voxel_mm`. Throws NoInput, DataError.
LevelSet readSolid(const std::string& path, double voxel_mm);
/// Whether a file is no level set but a mesh, by its ending.
bool isMeshFile(const std::string& path);

/// From a closed mesh, or from an implicit function f(x, y, z mm) < 0 inside within a box: true distances near the
/// surface.
LevelSet fromMesh(const mesh::TriangleMesh& mesh, double voxel_mm);
/// `certain`, when given, tells a value that stands for a whole ball (centre, radius in mm) which the surface is sure
/// not to come near, or 0: far from the surface f is then not asked.
using CertainValue = std::function<double(const Eigen::Vector3d&, double)>;
LevelSet fromFunction(const std::function<double(const Eigen::Vector3d&)>& f, const Eigen::Vector3d& min_mm,
                      const Eigen::Vector3d& max_mm, double voxel_mm, const CertainValue& certain = {});
/// From dense samples on a grid aligned with the house's convention: sample (i,j,k) lies at (base + (i,j,k))·voxel_mm;
/// values are an implicit function (negative inside), made into true distances.
LevelSet fromSamples(const std::vector<float>& values, const Eigen::Vector3i& base, const Eigen::Vector3i& size,
                     double voxel_mm);

/// Closed, oriented, manifold triangles of the zero level, without zero-area triangles: marching cubes with consistent
/// faces.
mesh::TriangleMesh toMesh(const LevelSet& level_set);

/// The triangles of toMesh as a binary STL, written run by run: no mesh is held, the bytes are the same. Throws as
/// StlWriter does.
void writeStl(const LevelSet& level_set, const std::string& path, const std::string& frame_id);

/// What toMesh would give, without holding a mesh: the volume under its triangles, their area and numbers.
struct SurfaceSums {
  double volume_mm3 = 0, area_mm2 = 0;
  std::int64_t vertices = 0, triangles = 0;
  /// Of the closed surface: vertices − edges + triangles, with three edges to two triangles.
  double eulerNumber() const { return static_cast<double>(vertices) - 0.5 * static_cast<double>(triangles); }
};
SurfaceSums measureSurface(const LevelSet& level_set);

/// Signed distance at a point by trilinear interpolation; clamped to ± half-width.
double sample(const LevelSet& level_set, const Eigen::Vector3d& point_mm);
/// Distances sampled at the voxel centres of a frame.
image::CtVolume sampleOnto(const LevelSet& level_set, const image::Frame& frame);

LevelSet offset(const LevelSet& level_set, double outward_mm);  ///< grows (> 0) or shrinks (< 0), true distances again
LevelSet unite(const LevelSet& a, const LevelSet& b);
LevelSet intersect(const LevelSet& a, const LevelSet& b);
LevelSet subtract(const LevelSet& a, const LevelSet& b);
LevelSet resample(const LevelSet& level_set, double voxel_mm);
/// Recomputes true distances from the zero crossing.
LevelSet redistance(const LevelSet& level_set);

/// The piece with the largest volume; removed pieces are counted. Connectivity over faces of inside voxels.
LevelSet largestComponent(const LevelSet& level_set, int* pieces_removed = nullptr);
/// Fills closed cavities (background not reachable from outside).
LevelSet fillCavities(const LevelSet& level_set, double* filled_mm3 = nullptr);

/// Volume and area under six-node triangles whose edges bulge as the field's normals say (edges after Vlachos et al.,
/// PN triangles, I3D 2001): the chords of the plain triangles would lose 0.2 % of a ball 20 voxels in radius.
double volume_mm3(const LevelSet& level_set);
double area_mm2(const LevelSet& level_set);

}  // namespace osteo::levelset
