#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "phantom/scanner.h"
#include "phantom/scene.h"

namespace osteo::phantom {

/// What is asked of a scene; "any" and what is absent are drawn from the seed.
struct SceneWish {
  std::string kind = "any";    ///< one of sceneKinds()
  std::string defect = "any";  ///< "none", "breach", "hole", "cavity", "bite", "gap"
  std::string margin = "any";  ///< of the defect: nameOf(Margin)
  std::optional<bool> fragments, metal, contrast, table, circle;
  std::optional<double> density;  ///< of spongy bone; below 0.6 the cortex is thin too
  std::optional<Eigen::Vector3d> spacing_mm;
  std::optional<int> size_voxels;  ///< along the longest side
  std::optional<double> slice_mm, noise_hu, noise_correlation_mm, overshoot, hu_shift, hu_scale;
  bool upright = false;  ///< no arbitrary orientation
  std::uint64_t seed = 0;
};

const std::vector<std::string>& sceneKinds();
const std::vector<std::string>& defectForms();

/// A scanned scene with its truth and what was drawn.
struct SceneScan {
  image::CtVolume ct;
  image::LabelVolume labels, instances;
  std::vector<std::string> bone_names;  ///< of instances 10, 11, …
  std::string kind, form;               ///< of scene and defect
  Margin margin = Margin::None;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();  ///< of the defect, or of what is shown
  double slice_mm = 0;
  ScanModel scan;
  std::vector<double> volume_mm3;  ///< per label 0 to 4 within the volume, from the voxels' shares
  int holes = 0, fragments = 0;
  double density = 1;
  bool contrast = false, table = false, metal = false;
};

/// Draws, renders and scans. Throws Usage for a kind, form or margin that does not exist.
SceneScan makeScene(const SceneWish& wish);

/// The bones as segments named after them ("femur", "vertebra 2", …).
image::Segmentation instancesOf(const SceneScan& scan);

/// The record of a scene: kind, defect, volumes, scanner.
nlohmann::json describe(const SceneScan& scan);

}  // namespace osteo::phantom
