#pragma once
#include <Eigen/Geometry>
#include <vector>

namespace osteo::segment {

/// Directions spread evenly over the sphere, and the five or six next to each.
struct Geodesic {
  std::vector<Eigen::Vector3d> directions;
  std::vector<std::vector<int>> neighbours;

  /// The direction nearest to `d`, found by walking from `start`.
  int nearest(const Eigen::Vector3d& d, int start) const;
};

/// An icosahedron whose faces are cut into four `times` over: 10 4^times + 2 directions.
Geodesic geodesic(int times);

}  // namespace osteo::segment
