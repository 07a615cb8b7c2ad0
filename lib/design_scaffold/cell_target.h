#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "design_scaffold/implant_library.h"
#include "design_scaffold/stiffness.h"
#include "simulate/effective.h"

namespace osteo::design_scaffold {

/// What a lattice's cell should be like (configs/schema/target.json).
struct CellTarget {
  simulate::Matrix6d stiffness_mpa;  ///< Voigt xx yy zz yz xz xy, engineering shear
  double porosity = 0;
  SolidPhase solid;
  double cell_mm = 3;       ///< geometric mean of the sides
  double tolerance = 0.05;  ///< of tensorError()
};

/// Throws NoInput; Config for a document that doesn't fit its schema, a tensor that is not symmetric or not positive
/// definite, and what requireBelowBounds() refuses.
CellTarget readCellTarget(const std::string& path, const ImplantLibrary& library);

/// The largest factor by which a load finds `stiffness` stiffer than `bound`, both Voigt and positive definite.
double mostTimesStiffer(const simulate::Matrix6d& stiffness, const simulate::Matrix6d& bound);

/// Upper bounds of bulk and shear modulus of an isotropic porous solid (Hashin & Shtrikman, J Mech Phys Solids 11
/// (1963) 127-140).
struct IsotropicModuli {
  double bulk_mpa = 0, shear_mpa = 0;
};
IsotropicModuli hashinShtrikman(const IsotropicModuli& solid, double solid_share);

/// Throws Config for a target that no structure of this solid has: stiffer under some load than Voigt's bound (solid
/// share times the solid), or isotropic and beyond Hashin and Shtrikman's.
void requireBelowBounds(const CellTarget& target, const std::string& file);

}  // namespace osteo::design_scaffold
