#pragma once
#include <Eigen/Core>
#include <array>
#include <map>
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
    double from_mm, to_mm;  ///< nodes with from <= n·(x − through) <= to, n of unit length
    Eigen::Vector3d through_mm = Eigen::Vector3d::Zero();
  };
  struct Facing {
    Eigen::Vector3d direction;  ///< unit length
    double max_angle_deg;
  };
  struct Visible {
    std::string from;  ///< as `side`
    std::optional<double> depth_mm = {};
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
  std::optional<Facing> facing = {};    ///< outer nodes where the smoothed surface looks along a direction
  std::optional<Visible> visible = {};  ///< the uneven surface seen from a side
  std::optional<Near> near = {};    ///< within a distance of another level set
  std::optional<Outer> outer = {};  ///< the patch of a plate-like model that faces away from another level set
};

/// A small rotation as a linear displacement field: u = angle·axis × (x − centre), LPS.
struct Rotation {
  Eigen::Vector3d axis;  ///< unit length
  double angle_rad = 0;
  std::optional<Eigen::Vector3d> centre_mm = {};  ///< absent: the middle of the box of the region's nodes
};

/// A region that moves as a rigid body, held or loaded at a point; LPS. What is absent is free and takes the force or
/// the moment.
struct Remote {
  Eigen::Vector3d point_mm;
  std::array<std::optional<double>, 3> displacement_mm = {}, rotation_rad = {};
  Eigen::Vector3d force_n = Eigen::Vector3d::Zero(), moment_n_mm = Eigen::Vector3d::Zero();
};

/// Displacement components in LPS; absent ones are free. A strain is multiplied by the model's length along its axis.
struct Constraint {
  std::string name;
  Region region;
  std::array<std::optional<double>, 3> displacement_mm = {}, strain = {};
  std::optional<Rotation> rotation = {};  ///< instead of both: all three components are held
  std::optional<Remote> remote = {};      ///< instead of all
};

/// A load on the region's outer faces: a total force spread evenly, a moment, or a pressure; or the body force of an
/// acceleration on its elements.
struct Load {
  std::string name;
  Region region;
  std::optional<Eigen::Vector3d> force_n = {};
  std::optional<double> inward_force_n = {};  ///< against the outward direction of an `outer` region
  std::optional<double> pressure_mpa = {};
  std::optional<double> pull_n = {};                 ///< from the middle of the region towards `toward_mm`
  Eigen::Vector3d toward_mm = Eigen::Vector3d::Zero();
  std::optional<Eigen::Vector3d> at_mm = {};         ///< where the force acts; its moment is spread too
  std::optional<Eigen::Vector3d> moment_n_mm = {};
  std::optional<Eigen::Vector3d> acceleration_m_s2 = {};
};

struct LoadCase {
  std::string name, reference;
  std::vector<Constraint> constraints;
  std::vector<Load> loads;
  bool pin_rigid_motion = false;
};

/// What a loads file may leave to the patient.
struct Patient {
  std::string landmarks;     ///< a JSON file with "landmarks": {name: [x, y, z]}; may be empty
  double body_weight_n = 0;  ///< 0: the loads file's own
};

/// Reads and validates a loads file (configs/schema/loads.json); named points become positions, body weights newtons.
/// Throws NoInput, Config; DataError for landmarks that are missing.
std::vector<LoadCase> readLoads(const std::string& path, const Patient& patient = {});

}  // namespace osteo::simulate
