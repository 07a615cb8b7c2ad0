#pragma once
#include <Eigen/Core>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "design_scaffold/fixation.h"

namespace osteo::design_scaffold {

/// What navigation and the theatre need of a design: LPS, mm.
struct Plan {
  std::string frame_id;      ///< of the patient's CT; empty when unknown
  std::string implant_file;  ///< base name of the implant's mesh or level set
  std::string implant_sha256;
  Eigen::Matrix4d pose = Eigen::Matrix4d::Identity();  ///< patient from implant; implants are designed in place
  std::optional<Eigen::Vector3d> insertion;            ///< unit vector of the way in
  std::vector<Screw> screws;
  std::map<std::string, Eigen::Vector3d> landmarks;
};

/// Named points of an implant: implant_centre, the extremes of its outer rim along the host (rim_anterior, …) and each
/// screw's entry (screw_1_entry). Without a host, or where both don't meet, extremes are those of the defect.
std::map<std::string, Eigen::Vector3d> planLandmarks(const levelset::LevelSet& defect, const levelset::LevelSet* host,
                                                     const Eigen::Vector3d& outward, const std::vector<Screw>& screws);

/// Writes a plan as JSON (configs/schema/plan.json) to a plain path. Throws Software for a plan that doesn't fit the
/// schema, IoError.
void writePlan(const std::string& path, const Plan& plan);

/// Reads a plan. Throws NoInput; DataError for what is no plan, or has a pose that isn't rigid or directions that are
/// no unit vectors.
Plan readPlan(const std::string& path);

}  // namespace osteo::design_scaffold
