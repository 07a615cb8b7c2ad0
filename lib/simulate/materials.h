#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "simulate/elastic.h"

namespace osteo::simulate {

/// The failure criterion belongs to the material.
enum class Criterion { None, VonMises, TensilePrincipal, AsymmetricStrain };

/// Engineering constants along LPS axes; poisson ν_ij = −strain_j / strain_i under a stress along i.
struct Orthotropic {
  Eigen::Vector3d moduli_mpa, poisson_yz_xz_xy, shear_yz_xz_xy_mpa;
  Elastic stiffness() const;
};

/// Endurance under fully reversed cycles, Basquin's line through it and the strength that caps the mean stress.
struct Fatigue {
  double strength_mpa = 0;    ///< amplitude endured for `cycles`, R = −1
  double cycles = 0;          ///< at which the strength was measured
  double ultimate_mpa = 0;    ///< where Goodman's line meets the mean stress
  double slope_b = 0;         ///< Basquin's exponent, negative; 0: unknown
  double lattice_factor = 0;  ///< share of ultimate_mpa in place of the strength in homogenised lattices; 0: none
  std::string reference;
};

struct Material {
  std::string name, reference, failure_reference;
  double modulus_mpa = 0, poisson = 0.3;
  std::string density_law;   ///< name; then the modulus comes from the image
  double density_g_cm3 = 0;  ///< mass density, for body forces; 0: unknown
  std::optional<Orthotropic> orthotropic = {};
  Criterion criterion = Criterion::None;
  double strength_mpa = 0;                             ///< yield (von Mises) or tensile strength (tensile principal)
  double compression_strain = 0, tension_strain = 0;   ///< limits of the asymmetric strain, both positive
  double weibull_modulus = 0, weibull_volume_mm3 = 0;  ///< of the tensile strength; 0: no probability of failure
  std::optional<Fatigue> fatigue = {};
  bool is_plain = false;  ///< the one material of --modulus-mpa and --modulus-map, which stands for bone
};

/// E = intercept + a ρ^b in MPa between floor and cap, ρ in g/cm³ of the named density.
struct DensityLaw {
  std::string name, density, reference;
  double a = 0, b = 1, min_g_cm3 = 0, max_g_cm3 = 0, cap_mpa = 0, intercept_mpa = 0, floor_mpa = 0;
};

/// HU → ρ_QCT → ρ_ash → ρ_apparent, each step linear, in g/cm³.
struct Calibration {
  bool calibrated = false;
  double slope_g_cm3_per_hu = 0, intercept_g_cm3 = 0;  ///< ρ_QCT
  double ash_slope = 1, ash_intercept_g_cm3 = 0;       ///< ρ_ash of ρ_QCT
  double ash_per_apparent = 0.6;
  std::string reference;
};

/// Homogenised cubic stiffness of a lattice: C_ij = C_ij(solid) · ρ^n_ij with ρ the local volume fraction.
struct LatticeLaw {
  std::string name, reference;
  double c11 = 1, c12 = 1, c44 = 1;  ///< exponents
  double min_fraction = 0, max_fraction = 1;
  Elastic stiffness(const Elastic& solid, double fraction) const;
};

/// Which material fills what.
struct Assignment {
  std::map<std::string, std::string> labels;  ///< by name or value, "10+" for 10 and above, "*" for the rest; "empty"
  std::string level_set, hu;
  std::string cap, implant, interface;  ///< of end caps, of an implant laid over bone, of a layer between both
  double empty_below_hu = 0;
};

struct Materials {
  std::map<std::string, Material> materials;
  std::map<std::string, DensityLaw> density_laws;
  std::map<std::string, LatticeLaw> lattice_laws;
  Calibration calibration;
  Assignment assign;

  /// Throws Config, naming the file, when there is none of that name.
  const Material& at(const std::string& name) const;
  std::string path;
};

/// Takes the calibration from a file: the block itself, or a run record whose results hold it as `calibration`.
void useCalibration(const std::string& path, Materials& materials);

/// A stiffness along LPS axes seen from a grid whose axes are LPS axes in any order. Throws DataError for an oblique
/// grid, unless the stiffness is isotropic.
Elastic onGrid(const Elastic& elastic, const Eigen::Matrix3d& direction);

/// Reads and validates a materials file (configs/schema/materials.json). Throws NoInput, Config.
Materials readMaterials(const std::string& path);

/// How an element's stored value becomes stiffness and what its stress means.
struct Filler {
  enum class Law { SolidFraction, Lattice, Modulus };
  Material material;
  Law law = Law::SolidFraction;
  LatticeLaw lattice = {};

  std::string name() const;
  Elastic stiffness(float value) const;
  /// Share of the element that carries stress; the stress in the material is the element's divided by it.
  double solidFraction(float value) const { return law == Law::Modulus ? 1.0 : value; }
};

}  // namespace osteo::simulate
