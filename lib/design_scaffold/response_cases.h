#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simulate/conditions.h"

/// Procedural implants under loads, from which the response surrogate learns.
namespace osteo::design_scaffold {

/// A body with the stiffness of its elements, and a case on it.
struct ResponseCase {
  std::string kind;
  std::unique_ptr<simulate::VoxelModel> model;
  simulate::Conditions conditions;
};

/// Names of the kinds of bodies: those that teach, those that only set the intervals, and those that only judge.
const std::vector<std::string>& teachingBodies();
const std::vector<std::string>& calibratingBodies();
const std::vector<std::string>& judgingBodies();

/// Depth of a point below a body's surface in voxels, negative inside; points count from the middle of the grid.
using BodyShape = std::function<double(const Eigen::Vector3d&)>;
/// A shape of a kind within 30 voxels, its proportions, place and turn by the seed.
BodyShape drawnBody(const std::string& kind, std::uint64_t seed);

/// A body of so many voxels at most along each axis, filled with a lattice or a solid whose relative density is even,
/// graded, random, levelled by stress or covered by a skin; held and loaded or moved at random. The same for the same
/// seed. `scale` is 1 for voxels as the shape's own, more for finer ones.
ResponseCase drawnResponseCase(const std::string& kind, std::uint64_t seed, double scale = 1);
/// The same of any shape (kind is its name).
ResponseCase responseCase(const std::string& kind, const BodyShape& shape, int most_voxels, std::uint64_t seed);

}  // namespace osteo::design_scaffold
