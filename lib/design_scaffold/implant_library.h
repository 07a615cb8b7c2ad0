#pragma once
#include <map>
#include <optional>
#include <string>

#include "simulate/materials.h"

namespace osteo::design_scaffold {

/// The worse, the larger.
enum class Verdict { Suits, Reservations, Refused };
const char* nameOf(Verdict verdict);

struct Sourced {
  double value = 0;
  std::string reference;
};

struct Advice {
  Verdict verdict = Verdict::Suits;
  std::string reason;
};

struct Degradation {
  bool resorbs = false;
  double months_low = 0, months_high = 0;  ///< until it is gone; 0: it stays
  std::string reference, caution;          ///< caution: why it is accepted with reservations only; may be empty
};

struct Sterilisation {
  std::map<std::string, Advice> methods;  ///< steam, ethylene_oxide, gamma, electron_beam, hydrogen_peroxide
  std::string reference;
};

/// A material of the library that implants may be made of, or the bone that they replace.
struct ImplantMaterial {
  simulate::Material solid;                  ///< constants of the solid phase, unless specimen_porosity says otherwise
  std::string kind;                          ///< metal, polymer, ceramic, glass, composite, hydrogel or bone
  Sourced specimen_porosity = {};            ///< of the specimen behind the constants
  std::optional<Sourced> ultimate_mpa = {};  ///< tensile; compressive of hydrogels
  std::optional<Sourced> fatigue_peak_mpa = {},
                         lattice_fatigue_peak_mpa = {};  ///< endured between 0 and it, net stress
  std::optional<Degradation> degradation = {};
  std::optional<Sterilisation> sterilisation = {};
  Advice alone = {}, plated = {};  ///< at load-bearing segmental defects
  std::string load_reference = {}, process = {}, printing_reference = {};
  double smallest_feature_mm = 0;  ///< 0: no lattice can be made
};

/// Where a defect lies: typical values for when the patient's are not known.
struct Site {
  std::string name, bone;
  bool load_bearing = false;
  std::optional<Sourced> peak_load_n = {}, peak_load_body_weights = {};  ///< one of both
  Sourced section_mm2 = {};  ///< of the whole bone; 0: a shell such as the skull's
  Sourced critical_extent_mm = {};
};

struct ImplantLibrary {
  std::map<std::string, ImplantMaterial> materials;
  std::map<std::string, Site> sites;
  Sourced load_share_beside_plate;
  std::string materials_path, sites_path;

  /// Both throw Config with "did you mean" for an unknown name; at() also for bone.
  const ImplantMaterial& at(const std::string& name) const;
  const Site& site(const std::string& name) const;
};

/// The `implant` blocks of a materials file (configs/materials; composites without their own take sterilisation and
/// degradation from the material around their particles) and the sites of configs/design-scaffold/sites.json; both are
/// validated. Empty paths stand for the files that are shipped. Throws NoInput, Config.
ImplantLibrary readImplantLibrary(const std::string& materials_path = "", const std::string& sites_path = "");

}  // namespace osteo::design_scaffold
