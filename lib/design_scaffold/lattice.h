#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <vector>

#include "design_scaffold/lattice_type.h"

namespace osteo::design_scaffold {

/// A periodic lattice: its cell, its solid share and where its phase is zero.
struct LatticeSpec {
  Kind kind = Kind::Network;
  double cell_mm = 3.0;  ///< mean distance of the points of a foam, wavelength of a spinodoid
  double volume_fraction = 0.35;
  Eigen::Vector3d origin_mm =
      Eigen::Vector3d::Zero();  ///< LPS; the same origin and cell make the same lattice everywhere
  LatticeType type = LatticeType::Gyroid;
  double fillet = 0.2;                                       ///< of struts, in radii (struts.h)
  Eigen::Vector3d cone_deg = Eigen::Vector3d::Constant(90);  ///< of a spinodoid (spinodoid.h)
  std::uint64_t seed = 0;                                    ///< of a foam or a spinodoid
};

/// True signed distances to the unclipped lattice. One period is tabulated once (periodic_distance.h; surfaces of
/// tpms.h by their formulas, the others by samples of their fields); between the nodes the distances are interpolated
/// linearly (error below 0.0005 cell near the surfaces of tpms.h).
class Lattice {
 public:
  /// Throws Config for volume fractions outside of kMinFraction…kMaxFraction, and for a kind that the type has not.
  explicit Lattice(const LatticeSpec& spec);

  /// Distance in mm to the lattice's surface, negative in the solid.
  double distance_mm(const Eigen::Vector3d& point_mm) const { return distanceAt(phaseOf(point_mm)) * spec_.cell_mm; }
  /// The same in cells at a point in cells from the origin, whatever the size of the cells there.
  double distanceAt(const Eigen::Vector3d& cells) const;
  Eigen::Vector3d phaseOf(const Eigen::Vector3d& point_mm) const {
    return (point_mm - spec_.origin_mm) / spec_.cell_mm;
  }

  /// The same lattice with its surface moved outwards; the nominal values stay those of the lattice that was asked for.
  Lattice grown(double outward_mm) const;

  /// Surface per volume of the lattice, 1/mm.
  double area_per_mm() const;

  const LatticeSpec& spec() const { return spec_; }
  double iso() const { return iso_; }  ///< t of the surface; radius of struts in cells
  /// Diameter of the largest sphere in the solid (network of tpms.h), of the struts, or the sheet's smallest thickness.
  double wall_mm() const { return wall_cells_ * spec_.cell_mm; }
  /// Diameter of the largest sphere in the pore space.
  double pore_mm() const { return pore_cells_ * spec_.cell_mm; }
  /// Cells along an edge of the period, and nodes of the table along it.
  int cells() const { return cells_; }
  int nodes() const { return nodes_; }
  /// The lattice with cells of another size, from the same table.
  Lattice scaled(double cell_mm) const;

 private:
  LatticeSpec spec_;
  double iso_ = 0, wall_cells_ = 0, pore_cells_ = 0;
  double outward_cells_ = 0;  ///< by which the surface was moved
  int cells_ = 1;
  int nodes_;                                        ///< along an edge of the period
  std::shared_ptr<const std::vector<float>> table_;  ///< nodes_³ distances in cells, x fastest

  /// What the interpolation between nodes takes off thin walls, so that the share between the nodes is as wanted.
  double missingOutward() const;
};

/// The name that goes into files: type and kind.
std::string latticeName(const LatticeSpec& spec);

}  // namespace osteo::design_scaffold
