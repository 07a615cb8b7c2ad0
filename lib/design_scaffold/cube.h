#pragma once
#include <optional>
#include <vector>

#include "design_scaffold/design.h"
#include "design_scaffold/periodic_distance.h"

namespace osteo::design_scaffold {

/// A cube of the lattice, taken as one period of an endless structure: signed distances in mm, negative in the solid.
struct Cube {
  PeriodicNodes nodes;
  double size_mm = 0;
  std::vector<float> distance_mm;
  bool is_of_result = false;  ///< cut from the finished piece, not from the lattice that it was made of
  bool is_exact = true;       ///< the structure does repeat like this; false: a cut out of a graded one
  double step_mm() const { return size_mm / nodes.side; }
  /// Share of the cube outside of the solid.
  double porosity() const;
};

/// A cube of whole cells with about `nodes_per_cell` nodes along a cell (the side is a multiple of 8), cut from the
/// core of the finished piece nearest to its middle; where no such cube fits, from the lattice itself. Distances are
/// made true over the whole period.
Cube representativeCube(const Design& made, int nodes_per_cell);

/// Mean intercept lengths over the directions of a cube's surface (Harrigan & Mann, Journal of Materials Science 19,
/// 1984; by the surface's normals, which tell how often lines cross it): the fabric's axes, longest first, and how
/// anisotropic it is.
struct Fabric {
  Eigen::Matrix3d axes;        ///< columns, unit vectors in LPS
  Eigen::Vector3d lengths_mm;  ///< of the solid, along the axes
  double anisotropy = 0;       ///< 1 − shortest/longest
};
Fabric fabricOf(const Cube& cube);

/// The same on every second node, for what takes long, such as the flow; the side has to be even.
Cube everySecond(const Cube& cube);

}  // namespace osteo::design_scaffold
