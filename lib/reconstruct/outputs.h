#pragma once
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
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
  bool any() const { return remesh_mm > 0 || simplify_mm > 0; }
};

/// Whether a point lies within two voxels of the missing piece: its rim and walls on the bone.
std::function<bool(const Eigen::Vector3d&)> nearPiece(const levelset::LevelSet& piece);

/// The mesh remeshed, then simplified; `record` takes the triangles before and after and the deviation measured between
/// the result and the mesh given.
mesh::TriangleMesh lighter(const mesh::TriangleMesh& mesh, const MeshOptions& options, nlohmann::json& record);

/// The mesh's vertices as points: outward normal, label half a voxel inwards and, with a CT on the labels' grid, HU.
mesh::PointCloud surfaceCloud(const mesh::TriangleMesh& mesh, const image::LabelVolume& labels,
                              const image::CtVolume* ct);

/// The same without labels: points and normals.
mesh::PointCloud surfaceCloud(const mesh::TriangleMesh& mesh);

/// The image that labels were cropped from, and the values that count as bone.
struct Cropped {
  const image::Frame& whole;
  const image::Box& box;
  const std::set<int>& labels;
};

/// Writes, on the whole image's grid, the voxels whose centres lie inside the surface, with their own label where that
/// counts as bone, else a neighbour's.
void writeVoxels(const levelset::LevelSet& bone, const image::Segmentation& cropped, const Cropped& from,
                 const std::string& path);

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

/// Bones drawn from the posterior: up to 999.
struct Draws {
  int count = 10;
  std::uint64_t seed = 0;
};

/// Where the shape model's answer goes; an empty path leaves it out.
struct PosteriorFiles {
  std::string whole;    ///< most probable bone as PLY: at its vertices standard deviation in mm and whether unseen
  std::string samples;  ///< folder of drawn bones, bone_001.ply and so on
};

/// Throws DataError when files are wanted and no shape model fitted.
void writePosterior(const std::optional<ShapeModel>& model, const std::optional<ShapePosterior>& posterior,
                    const Draws& draws, const PosteriorFiles& files);

}  // namespace osteo::reconstruct
