#pragma once
#include <nlohmann/json_fwd.hpp>

#include "mesh/triangle_mesh.h"
#include "picture/canvas.h"
#include "reconstruct/complete.h"
#include "reconstruct/surface.h"

namespace osteo::reconstruct {

/// The record of the bone's surface, whose mesh has been made from a level set of `voxel_mm`.
nlohmann::json describe(const mesh::TriangleMesh& mesh, const SurfaceReport& report, double voxel_mm);

/// Volume, area, triangles and whether it is closed.
nlohmann::json describe(const mesh::TriangleMesh& mesh);

/// The record of the missing piece, of every method tried and of what it rests on.
nlohmann::json describe(const CompletionReport& report);
/// Takes a flap out of the bone and its surface; what `describe` says of the new surface, nothing without a flap.
nlohmann::json leaveOut(const std::optional<Flap>& flap, levelset::LevelSet& bone, mesh::TriangleMesh& surface);

/// The bone and the missing piece with its rim, which may be empty, from two sides.
picture::Canvas draw(const mesh::TriangleMesh& bone, const mesh::TriangleMesh& defect,
                     const std::vector<Eigen::Vector3d>& rim = {});

/// The bone from two sides and its cortical thickness, one value per vertex of `outer`.
picture::Canvas drawCortex(const mesh::TriangleMesh& bone, const mesh::TriangleMesh& outer,
                           const std::vector<float>& thickness_mm);

/// A surface coloured by its vertices' distance to the points it was made from, from two sides.
picture::Canvas draw(const mesh::TriangleMesh& surface, const std::vector<float>& distance_mm, double gap_mm);

}  // namespace osteo::reconstruct
