#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "design_scaffold/anatomical_model.h"
#include "design_scaffold/guide.h"
#include "design_scaffold/resection.h"

namespace osteo::design_scaffold {

/// How a lesion is cut out: with its margin and drawn out to the side from which the saw comes, with its margin all
/// around, or by two planes across the bone.
enum class LesionCut { DrawnOut, Around, Across };

/// What `resect` is asked for; an empty path leaves one out.
struct ResectionJob {
  std::string bone, lesion, lesion_label, planes;
  LesionCut cut = LesionCut::DrawnOut;
  std::optional<Eigen::Vector3d> access = {};          ///< where saw and guide come from; absent: found
  double margin_mm = 10, kerf_mm = 0, voxel_mm = 0.4;  ///< the voxel is that of meshes
  std::optional<GuideShape> guide = {};
  struct Files {
    std::string piece, host, guide, guide_mesh, picture;
  } files = {};
};

/// The inputs of a resection, read and found to fit together.
struct ResectionInputs {
  levelset::LevelSet bone;
  std::optional<Lesion> lesion;
};
/// Throws Usage when nothing says what to resect, or a direction has no length; DataError for frames that differ.
ResectionInputs readInputs(const ResectionJob& job);

/// Resects, makes the guide, writes every file and adds to the record.
void finish(const ResectionInputs& inputs, const ResectionJob& job, nlohmann::json& results);

/// What `anatomical-model` is asked for; an empty path leaves one out.
struct ModelJob {
  std::string bone, defect, soft;
  std::vector<std::string> soft_labels;  ///< none: all
  double voxel_mm = 0.4;
  ModelShape shape = {};
  struct Files {
    std::string model, mesh, plug, picture;
  } files = {};
};

struct ModelInputs {
  levelset::LevelSet bone;
  std::optional<levelset::LevelSet> defect;
  std::vector<SoftTissue> soft;
};
ModelInputs readInputs(const ModelJob& job);
/// Makes the model, writes every file and adds to the record.
void finish(const ModelInputs& inputs, const ModelJob& job, nlohmann::json& results);

}  // namespace osteo::design_scaffold
