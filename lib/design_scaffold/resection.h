#pragma once
#include <Eigen/Core>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "design_scaffold/cut_planes.h"
#include "levelset/level_set.h"
#include "mesh/measures.h"

namespace osteo::design_scaffold {

/// What has to come out of the bone: a solid and its surface.
struct Lesion {
  levelset::LevelSet solid;
  mesh::TriangleMesh surface;
};

/// A lesion from a level set, a closed mesh or one label of a segmentation (on voxels of `voxel_mm`). Throws DataError
/// for an empty lesion and for a label that is not there.
Lesion readLesion(const std::string& path, const std::string& label, double voxel_mm);

/// What is resected: signed distance to its border, negative within; exact, but outside of edges between planes.
struct Region {
  std::function<double(const Eigen::Vector3d&)> distance_mm;
  mesh::Bounds box;                            ///< holds all of it that lies in the bone
  std::vector<PlaneCut> cuts;                  ///< empty for a region around a lesion
  std::optional<Eigen::Vector3d> access = {};  ///< along which the walls have no undercut, when one is known
};

/// The lesion grown by the margin, by exact distances to its triangles. Keeps a reference to the lesion.
Region regionAround(const Lesion& lesion, double margin_mm);
/// The union of the cuts, as far as the bone goes.
Region regionOf(std::vector<PlaneCut> cuts, const levelset::LevelSet& bone);

/// Peak memory of a resection, in bytes.
double estimatedBytes(const levelset::LevelSet& bone, bool with_guide);

struct Resected {
  levelset::LevelSet piece, host;
};

/// Bone within the region less half the kerf, and bone beyond it less the other half. Throws DataError when the lesion
/// (may be null) lies outside the bone or in another frame, when the region misses the bone, takes all of it, or cuts
/// into two bones.
Resected resect(const levelset::LevelSet& bone, const Lesion* lesion, const Region& region, double kerf_mm);

/// Volumes, pieces, the cut's area and, with a lesion, the margin between it and the cut, all measured on the finished
/// surfaces; the planes as a planes file has them. Warns of a piece in parts, and of less than `wanted_mm` of margin.
void report(const Resected& resected, const levelset::LevelSet& bone, const Lesion* lesion, const Region& region,
            double wanted_mm, nlohmann::json& results);

}  // namespace osteo::design_scaffold
