#pragma once
#include <Eigen/Core>
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace osteo::simulate {

/// A region of the model in LPS mm; where several parts are given, a node must lie in all of them. An empty region is
/// the whole model.
struct Region {
  struct Sphere {
    Eigen::Vector3d centre_mm;
    double radius_mm;
  };
  struct Box {
    Eigen::Vector3d min_mm, max_mm;
  };
  struct Plane {
    Eigen::Vector3d normal;
    double from_mm, to_mm;  ///< nodes with from <= n·x <= to, n of unit length
  };
  struct Near {
    std::string level_set;  ///< "host", or a VDB beside the loads file
    double distance_mm;
  };
  struct Outer {
    std::string away_from;  ///< as Near::level_set
    double radius_mm;
  };
  std::string side;     ///< "x-", "x+", … of the model's box; empty: unused
  double depth_mm = 0;  ///< how deep below that side
  std::string label;    ///< a label's value or name; empty: unused
  std::optional<Sphere> sphere = {};
  std::optional<Box> box = {};
  std::optional<Plane> plane = {};
  std::optional<Near> near = {};    ///< within a distance of another level set
  std::optional<Outer> outer = {};  ///< the patch of a plate-like model that faces away from another level set
};

/// A small rotation as a linear displacement field: u = angle·axis × (x − centre), LPS.
struct Rotation {
  Eigen::Vector3d axis;  ///< unit length
  double angle_rad = 0;
  std::optional<Eigen::Vector3d> centre_mm = {};  ///< absent: the middle of the box of the region's nodes
};

/// Displacement components in LPS; absent ones are free. A strain is multiplied by the model's length along its axis.
struct Constraint {
  std::string name;
  Region region;
  std::array<std::optional<double>, 3> displacement_mm = {}, strain = {};
  std::optional<Rotation> rotation = {};  ///< instead of both: all three components are held
};

/// A total force spread evenly over the region's outer faces, or a pressure on them.
struct Load {
  std::string name;
  Region region;
  std::optional<Eigen::Vector3d> force_n = {};
  std::optional<double> inward_force_n = {};  ///< against the outward direction of an `outer` region
  std::optional<double> pressure_mpa = {};
};

struct LoadCase {
  std::string name, reference;
  std::vector<Constraint> constraints;
  std::vector<Load> loads;
  bool pin_rigid_motion = false;
};

/// Reads and validates a loads file (configs/schema/loads.json). Throws NoInput, Config.
std::vector<LoadCase> readLoads(const std::string& path);

}  // namespace osteo::simulate
