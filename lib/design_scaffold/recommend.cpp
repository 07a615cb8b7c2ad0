#include "design_scaffold/recommend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/names.h"
#include "design_scaffold/envelope.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;

constexpr double kGravity_m_s2 = 9.80665;
constexpr double kSegmentalShare = 0.5;    // of the section: half the circumference is the usual criterion
constexpr double kDense = 0.03;            // pores of a specimen that still counts as solid
constexpr double kPorousMetalShare = 0.1;  // of the ultimate strength (Kelly 2019), measured on Ti-6Al-4V
constexpr double kWantedMargin = 2;
constexpr double kAdult_years = 18;

struct Reason {
  Verdict verdict;
  std::string text, reference;
};

/// Three digits, or all before the point.
std::string shown(double value) {
  return std::abs(value) >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

std::string keyOf(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// A material on trial: what speaks for and against it.
struct Trial {
  const ImplantMaterial& material;
  const ImplantCase& wanted;
  const Demand& demand;
  const Site& site;
  double bone_modulus_mpa;
  std::vector<Reason> reasons = {};
  double strength = 0, stiffness = 0, resorption = 0, printing = 0;
  double endured_mpa = 0, margin = 0, scaffold_mpa = 0;

  void say(Verdict verdict, std::string text, std::string reference = "") {
    reasons.push_back({verdict, std::move(text), std::move(reference)});
  }
  Verdict verdict() const {
    Verdict worst = Verdict::Suits;
    for (const Reason& r : reasons) worst = std::max(worst, r.verdict);
    return worst;
  }
  double score() const { return 100 * (0.4 * strength + 0.2 * stiffness + 0.25 * resorption + 0.15 * printing); }
};

struct Endured {
  double mpa = 0;
  std::string basis, reference;
};

double staticStrength(const ImplantMaterial& m) {
  const bool is_stress =
      m.solid.criterion == simulate::Criterion::VonMises || m.solid.criterion == simulate::Criterion::TensilePrincipal;
  return is_stress ? m.solid.strength_mpa : m.ultimate_mpa ? m.ultimate_mpa->value : 0;
}

Endured enduredInLattice(const ImplantMaterial& m) {
  if (m.lattice_fatigue_peak_mpa)
    return {m.lattice_fatigue_peak_mpa->value, "its struts endure", m.lattice_fatigue_peak_mpa->reference};
  const auto& f = m.solid.fatigue;
  if (f && f->lattice_factor > 0 && f->lattice_factor < 1)
    return {f->lattice_factor * f->ultimate_mpa,
            fmt::format("its printed lattice endures {:.3g} % of the ultimate strength,", 100 * f->lattice_factor),
            f->reference};
  const double ultimate = f ? f->ultimate_mpa : m.ultimate_mpa ? m.ultimate_mpa->value : 0;
  if (m.kind == "metal" && ultimate > 0)
    return {kPorousMetalShare * ultimate, "a printed metal lattice endures 10 % of the ultimate strength,",
            "Kelly et al., Materials Science and Engineering C 98 (2019) 726-736, of Ti-6Al-4V, taken over"};
  return {};
}

/// The greatest stress that may come and go for good, in the solid.
Endured endured(const ImplantMaterial& m, bool is_lattice) {
  if (is_lattice)
    if (const Endured own = enduredInLattice(m); own.mpa > 0) return own;
  if (m.fatigue_peak_mpa) return {m.fatigue_peak_mpa->value, "it endures", m.fatigue_peak_mpa->reference};
  if (const auto& f = m.solid.fatigue)
    return {2 / (1 / f->strength_mpa + 1 / f->ultimate_mpa), "by Goodman's line between 0 and the peak it endures",
            f->reference};
  return {0.5 * staticStrength(m), "no fatigue strength is known, so half of the static strength counts,",
          m.solid.failure_reference.empty() && m.ultimate_mpa ? m.ultimate_mpa->reference : m.solid.failure_reference};
}

void judgeSite(Trial& t) {
  const ImplantMaterial& m = t.material;
  if (m.kind == "hydrogel")
    t.say(Verdict::Suits, fmt::format("a hydrogel of {:.3g} kPa", 1000 * m.solid.modulus_mpa), m.solid.reference);
  if (t.demand.load_bearing && t.demand.segmental) {
    Advice advice = t.wanted.plated ? m.plated : m.alone;
    // Whatever a file says: in a gap through the whole bone neither ceramics nor polymers bear load by themselves.
    if (m.kind != "metal" && !t.wanted.plated) advice.verdict = Verdict::Refused;
    t.say(advice.verdict,
          fmt::format("a {} {} in a load-bearing segmental defect: {}", m.kind, t.wanted.plated ? "plated" : "alone",
                      advice.reason),
          m.load_reference);
  } else if ((m.kind == "ceramic" || m.kind == "glass") && t.wanted.extent_mm >= t.site.critical_extent_mm.value) {
    t.say(Verdict::Reservations,
          fmt::format("brittle, and {:.3g} mm long where {:.3g} mm is critical: a blow breaks it", t.wanted.extent_mm,
                      t.site.critical_extent_mm.value),
          t.site.critical_extent_mm.reference);
  }
}

/// Moduli and strengths of a specimen with pores already are those of strut and pore together.
void judgeConstants(Trial& t) {
  const Sourced& pores = t.material.specimen_porosity;
  if (pores.value <= kDense) return;
  const bool is_lattice = t.wanted.porosity > 0;
  t.say(is_lattice ? Verdict::Refused : Verdict::Suits,
        fmt::format("its constants are those of a specimen with {:.3g} % pores: {}", 100 * pores.value,
                    is_lattice ? "never the solid phase of a lattice" : "they count as a whole"),
        pores.reference);
}

void judgeStrength(Trial& t) {
  const Endured e = endured(t.material, t.wanted.porosity > 0);
  t.endured_mpa = e.mpa;
  t.margin = e.mpa / t.demand.stress_mpa;
  t.strength = std::min(1.0, t.margin / kWantedMargin);
  const Verdict breaks = t.demand.load_bearing ? Verdict::Refused : Verdict::Reservations;
  if (e.mpa <= 0) {
    t.say(breaks, "no strength is known of it");
    return;
  }
  t.say(t.margin < 1               ? breaks
        : t.margin < kWantedMargin ? Verdict::Reservations
                                   : Verdict::Suits,
        fmt::format("{} {} MPa, {} times the {} MPa of {} N on {} mm² with {:.3g} % solid{}", e.basis, shown(e.mpa),
                    shown(t.margin), shown(t.demand.stress_mpa), shown(t.demand.implant_load * t.demand.peak_load_n),
                    shown(t.demand.section_mm2), 100 * (1 - t.wanted.porosity),
                    t.margin < 1               ? ": it breaks"
                    : t.margin < kWantedMargin ? fmt::format(": a margin of {:.3g} is wanted", kWantedMargin)
                                               : ""),
        e.reference);
}

void judgeStiffness(Trial& t) {
  const double solid = 1 - t.wanted.porosity, away = std::log10(t.scaffold_mpa / t.bone_modulus_mpa);
  t.stiffness = std::max(0.0, 1 - std::abs(away) / 2);
  t.say(Verdict::Suits,
        fmt::format("{} MPa{} against {} MPa of {} bone: {} times as stiff{}", shown(t.scaffold_mpa),
                    solid < 1 ? " as a scaffold" : "", shown(t.bone_modulus_mpa), t.site.bone,
                    shown(t.scaffold_mpa / t.bone_modulus_mpa),
                    away > 0.5    ? ", it shields bone from stress"
                    : away < -0.5 ? ", bone around takes the load"
                                  : ""),
        t.material.solid.reference);
}

void judgeResorption(Trial& t) {
  const auto& d = t.material.degradation;
  const double months = t.wanted.resorption_months;
  if (!d) {
    t.say(Verdict::Reservations, "nothing is known of how long it lasts in the body");
    return;
  }
  if (!d->resorbs) {
    t.resorption = months > 0 ? 0 : 1;
    t.say(months > 0 ? Verdict::Refused : Verdict::Suits,
          months > 0 ? fmt::format("it stays, but is to be gone after {:.3g} months", months) : "it stays, as wanted",
          d->reference);
    return;
  }
  const std::string span = fmt::format("gone after {:.3g} to {:.3g} months", d->months_low, d->months_high);
  if (months <= 0) {
    t.say(Verdict::Reservations, span + ", but it is to stay", d->reference);
    return;
  }
  const double away = std::max({1.0, d->months_low / months, months / d->months_high});
  const double middle = std::sqrt(d->months_low * d->months_high);
  t.resorption = std::max(0.0, 1 - std::abs(std::log(months / middle)) / std::log(4.0));
  t.say(away > 2 ? Verdict::Reservations : Verdict::Suits,
        fmt::format("{}, {:.3g} wanted{}", span, months, away > 2 ? ": more than a factor of two off" : ""),
        d->reference);
  if (!d->caution.empty()) t.say(Verdict::Reservations, d->caution, d->reference);
}

void judgePrinting(Trial& t) {
  const ImplantMaterial& m = t.material;
  if (m.smallest_feature_mm <= 0) {
    const bool is_lattice = t.wanted.porosity > 0;
    t.printing = is_lattice ? 0 : 1;
    t.say(is_lattice ? Verdict::Refused : Verdict::Suits,
          m.process + (is_lattice ? ": no lattice can be made" : ": solid parts can be made"), m.printing_reference);
    return;
  }
  const bool is_known = t.wanted.wall_mm > 0;
  t.printing = is_known ? std::min(1.0, t.wanted.wall_mm / m.smallest_feature_mm) : 1;
  t.say(t.printing < 1 ? Verdict::Reservations : Verdict::Suits,
        fmt::format("{}: down to {:.3g} mm{}", m.process, m.smallest_feature_mm,
                    is_known ? fmt::format(", the thinnest wall has {:.3g} mm", t.wanted.wall_mm) : ""),
        m.printing_reference);
}

void judgeSterilisation(Trial& t) {
  if (!t.wanted.sterilisation) return;
  std::string method = keyOf(*t.wanted.sterilisation);
  const auto& known = t.material.sterilisation;
  const bool is_known = known && known->methods.count(method);
  const Advice advice = is_known ? known->methods.at(method) : Advice{Verdict::Reservations, "nothing is known of it"};
  std::replace(method.begin(), method.end(), '_', ' ');
  t.say(advice.verdict,
        fmt::format("{} {}{}{}", method, advice.verdict == Verdict::Refused ? "is refused" : nameOf(advice.verdict),
                    advice.reason.empty() ? "" : ": ", advice.reason),
        known ? known->reference : "");
}

Trial judge(const ImplantLibrary& library, const ImplantMaterial& material, const ImplantCase& wanted,
            const Demand& demand) {
  const Site& site = library.site(wanted.site);
  Trial t{.material = material,
          .wanted = wanted,
          .demand = demand,
          .site = site,
          .bone_modulus_mpa = library.materials.at(site.bone).solid.modulus_mpa};
  t.scaffold_mpa = material.solid.modulus_mpa * std::pow(1 - wanted.porosity, 2);
  judgeSite(t);
  judgeConstants(t);
  judgeStrength(t);
  judgeStiffness(t);
  judgeResorption(t);
  judgePrinting(t);
  judgeSterilisation(t);
  std::stable_sort(t.reasons.begin(), t.reasons.end(),
                   [](const Reason& a, const Reason& b) { return a.verdict > b.verdict; });
  return t;
}

json entryOf(const Trial& t) {
  const simulate::Material& solid = t.material.solid;
  json reasons = json::array();
  for (const Reason& r : t.reasons) {
    reasons.push_back({{"verdict", nameOf(r.verdict)}, {"text", r.text}});
    if (!r.reference.empty()) reasons.back()["reference"] = r.reference;
  }
  json entry = {
      {"name", solid.name},
      {"class", t.material.kind},
      {"verdict", nameOf(t.verdict())},
      {"score", t.score()},
      {"terms",
       {{"strength", t.strength}, {"stiffness", t.stiffness}, {"resorption", t.resorption}, {"printing", t.printing}}},
      {"endured_mpa", t.endured_mpa},
      {"margin", t.margin},
      {"poisson", solid.poisson},
      {"density_g_cm3", solid.density_g_cm3},
      {"scaffold_modulus_mpa", t.scaffold_mpa},
      {"reasons", reasons}};
  const bool is_gel = t.material.kind == "hydrogel";
  entry[is_gel ? "modulus_kpa" : "modulus_mpa"] = is_gel ? 1000 * solid.modulus_mpa : solid.modulus_mpa;
  return entry;
}

std::vector<std::string> warningsOf(const ImplantCase& wanted) {
  if (!wanted.age_years || *wanted.age_years >= kAdult_years) return {};
  return {
      fmt::format("at {:.3g} years the physes may be open: an implant must neither cross nor tether one, and one that "
                  "stays doesn't grow",
                  *wanted.age_years)};
}

/// Says a warning once, however many questions are asked about the case.
void warnOnce(const std::string& message) {
  const auto said = core::warnings();
  if (std::find(said.begin(), said.end(), message) == said.end()) core::warn(message);
}

void requirePositive(double value, const char* what) {
  if (!(value > 0) || !std::isfinite(value))
    throw core::Error(core::Exit::Usage, {.what = std::string("a material is chosen for a defect with ") + what,
                                          .expected = "more than 0",
                                          .got = fmt::format("{:g}", value)});
}

void requireMethod(const std::string& name) {
  const std::vector<std::string> known = {"steam", "ethylene_oxide", "gamma", "electron_beam", "hydrogen_peroxide"};
  if (std::find(known.begin(), known.end(), keyOf(name)) != known.end()) return;
  const std::string near = core::didYouMean(name, known);
  throw core::Error(core::Exit::Config, {.what = "no sterilisation is named " + name,
                                         .expected = fmt::format("{}", fmt::join(known, ", ")),
                                         .hint = near.empty() ? "" : "did you mean " + near + "?"});
}

json caseOf(const ImplantCase& wanted, const Demand& d) {
  json out = {{"site", wanted.site},
              {"load_bearing", d.load_bearing},
              {"segmental", d.segmental},
              {"extent_mm", wanted.extent_mm},
              {"volume_mm3", wanted.volume_mm3},
              {"section_mm2", d.section_mm2},
              {"peak_load_n", d.peak_load_n},
              {"peak_load_reference", d.load_reference},
              {"load_share", d.implant_load},
              {"load_share_reference", d.share_reference},
              {"stress_mpa", d.stress_mpa},
              {"porosity", wanted.porosity},
              {"plated", wanted.plated},
              {"resorption_months", wanted.resorption_months}};
  if (wanted.wall_mm > 0) out["wall_mm"] = wanted.wall_mm;
  if (wanted.age_years) out["age_years"] = *wanted.age_years;
  if (wanted.sterilisation) out["sterilisation"] = *wanted.sterilisation;
  return out;
}

}  // namespace

Demand demandOf(const ImplantLibrary& library, const ImplantCase& wanted) {
  const Site& site = library.site(wanted.site);
  requirePositive(wanted.extent_mm, "an extent");
  requirePositive(wanted.volume_mm3, "a volume");
  requirePositive(1 - wanted.porosity, "something solid in it");
  if (wanted.sterilisation) requireMethod(*wanted.sterilisation);
  Demand d{.load_bearing = site.load_bearing, .section_mm2 = wanted.volume_mm3 / wanted.extent_mm};
  const double whole = site.section_mm2.value;
  d.segmental = wanted.segmental.value_or(site.load_bearing && wanted.extent_mm >= site.critical_extent_mm.value &&
                                          d.section_mm2 >= kSegmentalShare * whole);
  if (wanted.peak_load_n) {
    d.peak_load_n = *wanted.peak_load_n;
    d.load_reference = "given";
  } else {
    const double weight_n = wanted.body_mass_kg * kGravity_m_s2;
    const Sourced& load = site.peak_load_n ? *site.peak_load_n : *site.peak_load_body_weights;
    d.peak_load_n = load.value * (site.peak_load_n ? 1 : weight_n);
    d.load_reference = load.reference;
  }
  requirePositive(d.peak_load_n, "a load");
  const double part = d.segmental || whole <= 0 ? 1 : std::min(1.0, d.section_mm2 / whole);
  const Sourced& beside = library.load_share_beside_plate;
  const bool plate_counts = wanted.plated && beside.value < part;
  d.implant_load = plate_counts ? beside.value : part;
  d.share_reference = plate_counts ? beside.reference
                      : part < 1   ? "its part of the bone's section; " + site.section_mm2.reference
                                   : "nothing shares the load";
  d.stress_mpa = d.peak_load_n * d.implant_load / (d.section_mm2 * (1 - wanted.porosity));
  return d;
}

json recommendMaterials(const ImplantLibrary& library, const ImplantCase& wanted) {
  const Demand demand = demandOf(library, wanted);
  std::vector<Trial> trials;
  for (const auto& [name, material] : library.materials)
    if (material.kind != "bone") trials.push_back(judge(library, material, wanted, demand));
  std::vector<const Trial*> order;
  for (const Trial& t : trials) order.push_back(&t);
  // The library is sorted by name, so equal scores stay so.
  std::stable_sort(order.begin(), order.end(), [](const Trial* a, const Trial* b) {
    return a->verdict() != b->verdict() ? a->verdict() < b->verdict() : a->score() > b->score();
  });
  json ranking = json::array();
  for (const Trial* t : order) ranking.push_back(entryOf(*t));
  for (const std::string& warning : warningsOf(wanted)) warnOnce(warning);
  return {{"case", caseOf(wanted, demand)}, {"warnings", warningsOf(wanted)}, {"ranking", ranking}};
}

json requireSuitable(const ImplantLibrary& library, const std::string& name, const ImplantCase& wanted) {
  const ImplantMaterial& material = library.at(name);
  const Demand demand = demandOf(library, wanted);
  const Trial trial = judge(library, material, wanted, demand);
  if (trial.verdict() == Verdict::Refused) {
    std::string suits;
    for (const auto& [other, candidate] : library.materials)
      if (candidate.kind != "bone" && judge(library, candidate, wanted, demand).verdict() != Verdict::Refused)
        suits += (suits.empty() ? "" : ", ") + other;
    throw core::Error(core::Exit::Config,
                      {.what = fmt::format("{} is refused for this defect of the {}", name, wanted.site),
                       .file = library.materials_path,
                       .expected = suits.empty() ? "no material of the library suits" : suits,
                       .got = trial.reasons.front().text,
                       .hint = "--recommend-material ranks them and says why"});
  }
  for (const std::string& warning : warningsOf(wanted)) warnOnce(warning);
  for (const Reason& r : trial.reasons)
    if (r.verdict == Verdict::Reservations) warnOnce(name + ": " + r.text);
  return entryOf(trial);
}

ImplantCase caseFor(ImplantCase wanted, const levelset::LevelSet& defect, const Infill& infill) {
  wanted.extent_mm = longestExtent_mm(defect);
  wanted.volume_mm3 = levelset::measureSurface(defect).volume_mm3;
  wanted.porosity = 1 - infill.spec().volume_fraction;
  wanted.wall_mm = infill.thinnestWall_mm();
  return wanted;
}

std::string recommended(const ImplantLibrary& library, const ImplantCase& wanted, const std::string& chosen,
                        json& results) {
  const json& best = (results["material_recommendation"] = recommendMaterials(library, wanted)).at("ranking").at(0);
  const std::string name = chosen.empty() ? best.at("name").get<std::string>() : chosen;
  if (best.at("verdict") == "refused") requireSuitable(library, name, wanted);  // says why
  return name;
}

std::string chosenMaterial(const ImplantLibrary& library, const ImplantCase& wanted, const MaterialWish& wish,
                           nlohmann::json& results) {
  if (wish.recommend) return recommended(library, wanted, wish.is_chosen ? wish.name : "", results);
  results["material_check"] = requireSuitable(library, wish.name, wanted);
  return wish.name;
}

}  // namespace osteo::design_scaffold
