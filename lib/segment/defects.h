#pragma once
#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "image/volume.h"
#include "segment/instances.h"

namespace osteo::segment {

/// What a defect's shape and surroundings tell.
enum class DefectKind {
  Cavity,     ///< bone all around
  Breach,     ///< open on one side
  Hole,       ///< open on two sides or more, the host in one piece
  Segmental,  ///< the host is in two pieces or more
};
std::string nameOf(DefectKind kind);

/// One connected piece of missing bone.
struct DefectReport {
  DefectKind kind = DefectKind::Breach;
  double volume_mm3 = 0;
  Eigen::Vector3d centre_mm = Eigen::Vector3d::Zero();
  Eigen::Vector3d box_min_mm = Eigen::Vector3d::Zero(), box_max_mm = Eigen::Vector3d::Zero();  ///< LPS, voxel faces
  Eigen::Vector3d extent_mm = Eigen::Vector3d::Zero();  ///< along its principal axes, longest first
  double cortical_mm2 = 0, cancellous_mm2 = 0;          ///< surface shared with host bone
  double open_mm2 = 0;                                  ///< surface towards soft tissue or air: cortex that is lost
  bool critical = false;                                ///< longest extent at least DefectLimits::critical_mm
  bool cut_off = false;                                 ///< reaches the image's border
  std::vector<int> bones;                               ///< labels of the bones that it touches
  std::optional<double> joint_mm = {};                  ///< distance to the nearest joint surface of its bones
  std::optional<double> score = {};                     ///< mean probability, where a map of it is given
};

struct DefectLimits {
  double min_mm3 = 50;  ///< smaller pieces are not listed
  /// Defects from about 25 mm on have a poor natural history (Schemitsch, J Orthop Trauma 31 (10S), S20-S22, 2017).
  double critical_mm = 25;
};

/// What besides the labels is known; pointers may be null.
struct DefectSurroundings {
  const Bones* bones = nullptr;                  ///< on the same grid
  const image::CtVolume* probability = nullptr;  ///< of the defect, on the same grid
};

/// Pieces of the label Defect, largest first. Two pieces of host bone count as such when each shares at least a tenth
/// of the defect's surface with bone and no bone joins them within 5 mm of the defect.
std::vector<DefectReport> describeDefects(const image::LabelVolume& labels, const DefectSurroundings& around,
                                          const DefectLimits& limits);

nlohmann::json asJson(const DefectReport& defect);

}  // namespace osteo::segment
