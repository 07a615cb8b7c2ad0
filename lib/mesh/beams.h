#pragma once
#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <vector>

#include "mesh/triangle_mesh.h"

namespace osteo::mesh {

/// How a beam ends: a whole ball, half a ball beyond its end, or a flat disc.
enum class BeamCap { Sphere, Hemisphere, Butt };

/// A straight strut, thick as a truncated cone.
struct Beam {
  std::array<std::uint32_t, 2> node = {};
  std::array<double, 2> radius_mm = {};
  std::array<BeamCap, 2> cap = {BeamCap::Sphere, BeamCap::Sphere};
};

struct BeamLattice {
  std::vector<Eigen::Vector3d> nodes;
  std::vector<Beam> beams;
};

/// Closed, overlapping triangle meshes of all beams and of one ball at each node that asks for one, with the largest
/// radius asked for: their union is the lattice. Circles have `sides` corners and the area of the true circle.
/// Throws DataError for radii that are not positive and for nodes that are not there.
TriangleMesh triangulated(const BeamLattice& lattice, int sides = 32);

}  // namespace osteo::mesh
