#pragma once
#include <Eigen/Core>
#include <vector>

#include "design_scaffold/tpms.h"

namespace osteo::design_scaffold {

/// A periodic lattice: its cell, its solid share and where its phase is zero.
struct LatticeSpec {
  Kind kind = Kind::Network;
  double cell_mm = 3.0;
  double volume_fraction = 0.35;
  Eigen::Vector3d origin_mm =
      Eigen::Vector3d::Zero();  ///< LPS; the same origin and cell make the same lattice everywhere
  Tpms surface = Tpms::Gyroid;
};

/// True signed distances to the unclipped lattice. One cell is tabulated once: surface points around the zero of F − t
/// are handed on from node to node over the periodic grid (Danielsson, CGIP 14, 1980), then moved to the nearest
/// surface point by Newton steps; between the nodes the distances are interpolated linearly (error below 0.0005 cell
/// near the surface).
class Lattice {
 public:
  explicit Lattice(const LatticeSpec& spec);

  /// Distance in mm to the lattice's surface, negative in the solid.
  double distance_mm(const Eigen::Vector3d& point_mm) const;

  /// The same lattice with its surface moved outwards; the nominal values stay those of the lattice that was asked for.
  Lattice grown(double outward_mm) const;

  /// Surface per volume of the lattice, 1/mm.
  double area_per_mm() const;

  const LatticeSpec& spec() const { return spec_; }
  double iso() const { return iso_; }
  /// Diameter of the largest sphere in the solid (network), or the sheet's smallest thickness.
  double wall_mm() const { return wall_mm_; }
  /// Diameter of the largest sphere in the pore space.
  double pore_mm() const { return pore_mm_; }

 private:
  LatticeSpec spec_;
  double iso_, wall_mm_, pore_mm_;
  int nodes_;                 ///< along an edge of the cell
  std::vector<float> table_;  ///< nodes_³ distances in cells, x fastest
};

}  // namespace osteo::design_scaffold
