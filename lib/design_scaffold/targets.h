#pragma once
#include <functional>
#include <optional>

#include "design_scaffold/lattice.h"
#include "design_scaffold/stiffness.h"

namespace osteo::design_scaffold {

/// What a user asks of a lattice. Two things are free, the volume fraction and the cell: whoever says less gets a
/// volume fraction of 0.35 and pores of 0.6 mm (Taniguchi et al., Materials Science and Engineering C 59:690, 2016).
struct Wishes {
  std::optional<double> volume_fraction, cell_mm;
  std::optional<double> pore_mm, wall_mm;  ///< means of the largest spheres (thickness.h)
  std::optional<double> modulus_mpa;       ///< mean of the Young's moduli along the axes
  std::optional<double> permeability_m2;   ///< along x
};

constexpr double kUsualFraction = 0.35, kUsualPore_mm = 0.6;

/// The lattice that meets the wishes: the modulus sets the volume fraction; pore, wall and permeability set the cell,
/// or two of them both. Throws Config, naming the wishes, when they say too much or no lattice of the type meets them.
LatticeSpec fulfilled(LatticeSpec spec, const Wishes& wishes, const SolidPhase& solid);

}  // namespace osteo::design_scaffold
