#pragma once
#include <Eigen/Core>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"

namespace osteo::design_scaffold {

/// A cut: the piece lies where normal·(p − point) < 0.
struct CutPlane {
  Eigen::Vector3d point_mm, normal;  ///< of unit length, out of the piece
};
/// Planes that bound one resection together.
using PlaneCut = std::vector<CutPlane>;

struct PlanesFile {
  std::vector<PlaneCut> cuts;  ///< their union is taken out
  std::string frame_id;
};
/// Reads and validates a planes file (configs/schema/planes.json). Throws NoInput, Config.
PlanesFile readPlanes(const std::string& path);
/// The cuts as a planes file has them.
nlohmann::json asResections(const std::vector<PlaneCut>& cuts);

/// Two planes across the bone's long axis near a lesion, at the margin from the lesion's ends: the axis is the line
/// through the middles of the bone's sections around the lesion.
PlaneCut planesAcross(const levelset::LevelSet& bone, const mesh::TriangleMesh& lesion, double margin_mm);

}  // namespace osteo::design_scaffold
