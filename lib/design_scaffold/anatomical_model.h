#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "levelset/level_set.h"
#include "mesh/triangle_mesh.h"

namespace osteo::design_scaffold {

/// What a printed model of a patient's bone is to be; lengths in mm, before the scale.
struct ModelShape {
  double wall_mm = 0;                       ///< of a hollow model; 0: solid
  double drain_mm = 4;                      ///< diameter of the holes of a hollow model
  double gap_mm = 0.3;                      ///< between the bone and the part that plugs into its defect
  double rib_mm = 1.6, rib_spacing_mm = 8;  ///< of the cages that outline soft tissue
  double scale = 1;
};

/// A soft tissue to outline.
struct SoftTissue {
  std::string name;
  levelset::LevelSet solid;
};

struct AnatomicalModel {
  levelset::LevelSet model;
  std::optional<levelset::LevelSet> plug;  ///< the defect's part
};

/// A printable model in one piece: the bone without its closed cavities, or hollow with two drain holes; soft tissues
/// as cages of ribs in three directions under their surface, joined to the bone by struts where they don't touch it.
/// The defect, less the gap, is a part of its own. A scaled model leaves the patient's frame. Volumes, pieces and the
/// distance between the given bone's surface and the model's go to `results`. Throws DataError when a closed cavity
/// is left, or a soft tissue lies too far off to be joined.
AnatomicalModel anatomicalModel(const levelset::LevelSet& bone, const levelset::LevelSet* defect,
                                const std::vector<SoftTissue>& soft, const ModelShape& shape, nlohmann::json& results);

/// The named labels of a segmentation as solids, or all of them.
std::vector<SoftTissue> readSoftTissues(const std::string& path, const std::vector<std::string>& names,
                                        double voxel_mm);

/// The model and its plug (may be null) beside the bone they were made of.
void draw(const AnatomicalModel& made, const std::string& png_path);

}  // namespace osteo::design_scaffold
