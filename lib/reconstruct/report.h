#pragma once
#include <nlohmann/json_fwd.hpp>

#include "mesh/triangle_mesh.h"
#include "picture/canvas.h"
#include "reconstruct/complete.h"
#include "reconstruct/surface.h"

namespace osteo::reconstruct {

/// The record of the bone's surface, whose mesh has been made from a level set of `voxel_mm`.
nlohmann::json describe(const mesh::TriangleMesh& mesh, const SurfaceReport& report, double voxel_mm);

/// The record of the missing piece, of every method tried and of what it rests on.
nlohmann::json describe(const CompletionReport& report);

/// The bone and the missing piece with its rim, which may be empty, from two sides.
picture::Canvas draw(const mesh::TriangleMesh& bone, const mesh::TriangleMesh& defect,
                     const std::vector<Eigen::Vector3d>& rim = {});

/// A surface coloured by its vertices' distance to the points it was made from, from two sides.
picture::Canvas draw(const mesh::TriangleMesh& surface, const std::vector<float>& distance_mm, double gap_mm);

}  // namespace osteo::reconstruct
