#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "design_scaffold/implant_library.h"
#include "design_scaffold/infill.h"
#include "levelset/level_set.h"

namespace osteo::design_scaffold {

/// What an implant is wanted for.
struct ImplantCase {
  std::string site;
  double extent_mm = 0;                           ///< of the defect, its longest
  double volume_mm3 = 0;                          ///< of the defect
  std::optional<bool> segmental = {};             ///< through the whole bone; default: from extent and mean section
  std::optional<double> peak_load_n = {};         ///< default: the site's
  double body_mass_kg = 75;                       ///< where the site's load is a multiple of the body's weight
  double porosity = 0.65;                         ///< of the scaffold; 0: solid
  double wall_mm = 0;                             ///< thinnest wall or strut; 0: not known
  bool plated = false;                            ///< a plate or nail bridges the defect as well
  std::optional<double> age_years = {};           ///< below 18 the physes may be open
  double resorption_months = 0;                   ///< after which the implant should be gone; 0: it is to stay
  std::optional<std::string> sterilisation = {};  ///< steam, ethylene_oxide, gamma, electron_beam, hydrogen_peroxide
};

/// The numbers that a case comes to.
struct Demand {
  bool load_bearing = false, segmental = false;
  double peak_load_n = 0;   ///< of the whole bone
  double implant_load = 0;  ///< share of it on the implant
  double section_mm2 = 0;   ///< of the implant: volume over extent
  double stress_mpa = 0;    ///< in the solid: load × share / (section × (1 − porosity))
  std::string load_reference = {}, share_reference = {};
};

/// Peak load from the site unless given. A defect is segmental where the site bears load, its extent is critical and
/// its mean section takes at least half of the bone's. A segmental implant carries the whole load, or the site table's
/// share beside a plate; a contained one the part of the bone's section that it takes. Throws Config for an unknown
/// site, Usage for a case without extent, volume or solid.
Demand demandOf(const ImplantLibrary& library, const ImplantCase& wanted);

/// The case with the numbers of its defect and of what fills it.
ImplantCase caseFor(ImplantCase wanted, const levelset::LevelSet& defect, const Infill& infill);

/// Every implant material of the library, the best first: {case, warnings, ranking: [{name, class, verdict, score,
/// terms, margin, modulus_mpa or modulus_kpa, …, reasons: [{verdict, text, reference}]}]}. Sorted by verdict, then
/// score, then name.
///
/// score = 100 × (0.4 strength + 0.2 stiffness + 0.25 resorption + 0.15 printing), each from 0 to 1:
/// * strength: margin / 2, at most 1; margin = endured stress / stress in the solid. Endured is what pulsates for good:
///   the lattice's own fatigue strength, Goodman's line between fatigue and ultimate strength, or half of the static
///   strength where no fatigue strength is known.
/// * stiffness: 1 − |log10(scaffold / bone)| / 2, at least 0; scaffold = modulus × (1 − porosity)² (Gibson, Ashby
/// 1997).
/// * resorption: 1 at the geometric middle of the material's months, falling to 0 at four times or a quarter; where the
///   implant is to stay, 1 or 0.
/// * printing: thinnest wall / smallest printable feature, at most 1; 0 without a way to make the lattice.
///
/// Refused: all but metals alone at load-bearing segmental defects, and what the library refuses there; constants of a
/// porous specimen as a lattice's solid; a lattice that can't be made; the wanted sterilisation where it destroys; a
/// margin below 1 where load is borne; a material that stays where it has to be gone.
nlohmann::json recommendMaterials(const ImplantLibrary& library, const ImplantCase& wanted);

/// Throws Config with the reason and what would suit when the material is refused for the case or is not known; else
/// the material's entry of the ranking. Warns of reservations, and below 18 years.
nlohmann::json requireSuitable(const ImplantLibrary& library, const std::string& material, const ImplantCase& wanted);

/// Ranks the materials into results.material_recommendation; the first, or the one that was chosen already. Throws
/// Config when even the first is refused.
std::string recommended(const ImplantLibrary& library, const ImplantCase& wanted, const std::string& chosen,
                        nlohmann::json& results);

/// The named material, held against the case, or with `recommend` the first of the ranking unless the name was chosen.
struct MaterialWish {
  std::string name;
  bool is_chosen = false, recommend = false;
};
std::string chosenMaterial(const ImplantLibrary& library, const ImplantCase& wanted, const MaterialWish& wish,
                           nlohmann::json& results);

}  // namespace osteo::design_scaffold
