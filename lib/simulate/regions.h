#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "levelset/level_set.h"
#include "simulate/loads.h"
#include "simulate/materials.h"
#include "simulate/voxel_model.h"

namespace osteo::simulate {

/// What regions may refer to.
struct Scene {
  const VoxelModel& model;
  std::map<int, std::string> label_names;
  std::function<levelset::LevelSet(const std::string& name)> level_set;  ///< "host" or a path beside the loads file
  const std::vector<Filler>* fillers = nullptr;                          ///< for body forces

  /// exposedFaces(model), found when they are first asked for.
  const std::vector<Face>& faces() const {
    if (!faces_) faces_ = std::make_shared<std::vector<Face>>(exposedFaces(model));
    return *faces_;
  }
  bool hasFaces() const { return faces_ != nullptr; }
  mutable std::shared_ptr<std::vector<Face>> faces_ = {};
};

/// Chosen nodes, and the outward direction (LPS) when the region is an `outer` one.
struct Selection {
  std::vector<std::uint8_t> nodes;
  std::optional<Eigen::Vector3d> outward = {};
  std::int64_t count() const;
};

/// Corners of the box of all nodes in LPS mm.
struct ModelBox {
  Eigen::Vector3d min_mm, max_mm;
};
ModelBox modelBox(const VoxelModel& model);

/// Nodes of a region. Throws DataError (naming `what`) when there are none, Config for unknown labels.
Selection select(const Scene& scene, const Region& region, const std::string& what);

/// Outer faces whose four nodes are all selected and, for an `outer` region, that look outward.
std::vector<const Face*> selectFaces(const Scene& scene, const Selection& selection);

/// Outward unit normal of a face in LPS.
Eigen::Vector3d faceNormal(const VoxelModel& model, const Face& face);
/// Area of a face, mm².
double faceArea(const VoxelModel& model, const Face& face);

}  // namespace osteo::simulate
