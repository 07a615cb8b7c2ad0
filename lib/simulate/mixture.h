#pragma once
#include <map>
#include <string>

#include "simulate/materials.h"

namespace osteo::simulate {

/// Isotropic elasticity as bulk and shear modulus, MPa.
struct Moduli {
  double bulk_mpa = 0, shear_mpa = 0;
  double young_mpa() const { return 9 * bulk_mpa * shear_mpa / (3 * bulk_mpa + shear_mpa); }
  double poisson() const { return (3 * bulk_mpa - 2 * shear_mpa) / (2 * (3 * bulk_mpa + shear_mpa)); }
};
Moduli moduliOf(double young_mpa, double poisson);

/// Rules of mixtures, the softest first: Reuss's mean of compliances, Hashin and Shtrikman's bounds of isotropic
/// mixtures, Voigt's mean of stiffnesses.
enum class MixtureRule { Reuss, HashinShtrikmanLower, HashinShtrikmanUpper, Voigt };

/// Of particles of `filler` that take `share` of the volume in `matrix`. Reuss and Voigt on bulk and shear (Hill, Proc
/// Phys Soc A 65 (1952) 349-354), Hashin, Shtrikman, J Mech Phys Solids 11 (1963) 127-140. Either phase may be stiffer.
Moduli mix(const Moduli& matrix, const Moduli& filler, double share, MixtureRule rule);

/// Share of the matrix's yield strength that is left with round particles which do not stick to it, 1 − 1.21 φ^⅔
/// (Nicolais, Narkis, Polym Eng Sci 11 (1971) 194-199), at least 0; a careful value, as bonded particles do better.
double unbondedStrengthShare(double filler_share);

/// What a materials file says of a composite: the names of its constituents, the volume share of the filler, the rule.
struct Composite {
  std::string matrix, filler;
  double filler_volume_share = 0;
  MixtureRule rule = MixtureRule::HashinShtrikmanLower;
};

/// Fills in modulus, Poisson's ratio, density and, where none is stated, the strength of a composite; its reference
/// then says rule and bounds. Throws Config unless both constituents are isotropic with a modulus of their own.
void makeComposite(const Composite& recipe, const std::map<std::string, Material>& all, const std::string& file,
                   Material& composite);

}  // namespace osteo::simulate
