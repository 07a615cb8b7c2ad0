#pragma once
#include <string>
#include <vector>

#include "simulate/regions.h"
#include "simulate/solver.h"

namespace osteo::simulate {

/// A load case on the degrees of freedom of a model, in grid axes.
struct Conditions {
  /// What belongs to one named constraint or load.
  struct Part {
    std::string name;
    std::int64_t nodes = 0;
    double area_mm2 = 0;                ///< of the loaded faces
    double mass_kg = 0;                 ///< of accelerated elements
    std::vector<FixedDof> fixed = {};   ///< of a constraint; a node held twice belongs to the first
    std::vector<FixedDof> forces = {};  ///< of a load: dof and N
    std::array<std::optional<double>, 3> displacement_mm = {};  ///< prescribed, LPS, strains resolved
    std::optional<Rotation> rotation = {};                      ///< of a constraint, its centre resolved
    std::optional<Remote> remote = {};                          ///< of a constraint
  };
  std::vector<Part> constraints, loads;
  std::vector<FixedDof> fixed;
  Field force;  ///< empty without loads
  std::vector<std::string> pinned;  ///< rigid motions held at single nodes
};

/// Displacement, in grid axes, of a point under the unit motion m of a remote point: along x, y, z (LPS), then a unit
/// rotation about x, y, z through it.
Eigen::Vector3d remoteMotion(const VoxelModel& model, const Remote& remote, int m, const Eigen::Vector3d& point_mm);

/// Places a load case on the model. Throws DataError for regions without nodes or faces, contradicting displacements,
/// or rigid motions that stay free (unless the case pins them); Config for partial constraints on an oblique grid.
Conditions place(const Scene& scene, const Operator& K, const LoadCase& load_case);

/// Force (N) and moment (N mm) about a remote point that nodal values make there, LPS.
Vector6d resultantAt(const Operator& K, const Field& values, const Conditions::Part& part);

/// Moment in N mm about the axis and centre of a rotation of nodal forces at some degrees of freedom.
double momentAbout(const Operator& K, const Field& values, const std::vector<FixedDof>& dofs, const Rotation& rotation);

/// Vector in LPS of nodal values summed over some degrees of freedom.
Eigen::Vector3d sumInLps(const Operator& K, const Field& values, const std::vector<FixedDof>& dofs);

}  // namespace osteo::simulate
