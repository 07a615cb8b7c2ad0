#pragma once
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <set>

#include "image/volume.h"
#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"
#include "reconstruct/shape_fit.h"
#include "reconstruct/surface.h"

namespace osteo::reconstruct {

/// How a surface's mesh is made lighter before it is written; 0 leaves a step out.
struct MeshOptions {
  double remesh_mm = 0;                                   ///< edge length of even triangles
  double simplify_mm = 0;                                 ///< largest deviation that fewer triangles may cost
  std::function<bool(const Eigen::Vector3d&)> kept = {};  ///< vertices at these places stay as they are
};

/// Whether a point lies within two voxels of the missing piece: its rim and walls on the bone.
std::function<bool(const Eigen::Vector3d&)> nearPiece(const levelset::LevelSet& piece);

/// The mesh remeshed, then simplified; `record` takes the triangles before and after and the deviation measured between
/// the result and the mesh given.
mesh::TriangleMesh lighter(const mesh::TriangleMesh& mesh, const MeshOptions& options, nlohmann::json& record);

/// The mesh's vertices as points: outward normal, label half a voxel inwards and, with a CT on the labels' grid, HU.
mesh::PointCloud surfaceCloud(const mesh::TriangleMesh& mesh, const image::LabelVolume& labels,
                              const image::CtVolume* ct);

/// The labels' voxels whose centres lie inside the surface, with their own label where that is one of `kept`, else a
/// neighbour's.
image::LabelVolume surfaceVoxels(const levelset::LevelSet& bone, const image::LabelVolume& labels,
                                 const std::set<int>& kept);

/// Where the cortex goes; an empty path leaves a file out.
struct CortexFiles {
  std::string inner, inner_mesh, thickness, picture;  ///< level set, triangles, PLY; the picture goes with thickness
  bool any() const { return !(inner + inner_mesh + thickness).empty(); }
};

/// Labels and the CT on their grid, which may be null.
struct Scan {
  const image::LabelVolume& labels;
  const image::CtVolume* ct;
};

/// Measures the cortex (with a CT, else as the labels tell it), writes what is asked for and returns the record.
/// `cortical_hu` of 0 is measured.
nlohmann::json writeCortex(const levelset::LevelSet& bone, const Scan& scan, const SurfaceOptions& options,
                           double cortical_hu, const CortexFiles& files);

/// The most probable bone as PLY; its vertices tell the standard deviation in mm and whether nothing was seen near
/// them.
void writePosterior(const ShapePosterior& posterior, const std::string& path);

/// Bones drawn from the posterior into a folder, bone_001.ply and so on; `count` up to 999.
void writeDraws(const ShapeModel& model, const ShapePosterior& posterior, int count, std::uint64_t seed,
                const std::string& folder);

}  // namespace osteo::reconstruct
