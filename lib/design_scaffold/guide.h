#pragma once
#include <Eigen/Core>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "design_scaffold/resection.h"

namespace osteo::design_scaffold {

/// What a cutting guide is to be; lengths in mm.
struct GuideShape {
  double thickness_mm = 4, width_mm = 8;
  double gap_mm = 0.2;                         ///< to the bone
  double kerf_mm = 0;                          ///< the guide's face stands half of it beside the region's border
  std::optional<Eigen::Vector3d> access = {};  ///< where the guide comes from; absent: found
};

/// For a pin or wire, through the guide along the way it comes and goes.
struct PinHole {
  Eigen::Vector3d point_mm;
};
constexpr double kPinHole_mm = 2;  ///< diameter

/// A printable guide that sits on the bone.
struct Guide {
  levelset::LevelSet solid;
  mesh::TriangleMesh mesh;
  Eigen::Vector3d access;
  std::vector<PinHole> holes;
};

/// A shell on the bone's outer surface, on the host's side of the cut, with its inner face on the region's border: saw
/// or burr run along it. It covers what is seen along the access direction and not steeper than 80° to it, so that it
/// lifts off without undercut. Where the cut leaves it in two (across a shaft), bars over the piece, along both edges
/// of what is seen, make it one. Distances are exact; the numbers in `results` are measured on the finished mesh.
/// Throws DataError when no guide in one piece is to be had from that side.
Guide makeGuide(const levelset::LevelSet& bone, const Region& region, const GuideShape& shape, nlohmann::json& results);

}  // namespace osteo::design_scaffold
