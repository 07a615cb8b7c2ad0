#include "design_scaffold/implant_library.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"
#include "core/names.h"
#include "core/schema.h"
#include "simulate/document.h"

namespace osteo::design_scaffold {
namespace {

using nlohmann::json;

Sourced sourced(const json& j) { return {j["value"], j["reference"]}; }

std::optional<Sourced> maybeSourced(const json& j, const char* key) {
  return j.contains(key) ? std::optional(sourced(j[key])) : std::nullopt;
}

Advice advice(const json& j) {
  const std::string verdict = j["verdict"];
  return {verdict == "suits"     ? Verdict::Suits
          : verdict == "refused" ? Verdict::Refused
                                 : Verdict::Reservations,
          j["reason"]};
}

Degradation degradation(const json& j) {
  return {j["resorbs"], j.value("months_low", 0.0), j.value("months_high", 0.0), j["reference"],
          j.value("caution", "")};
}

Sterilisation sterilisation(const json& j) {
  Sterilisation out{.methods = {}, .reference = j["reference"]};
  for (const json& method : j["suits"]) out.methods[method] = {Verdict::Suits, ""};
  const auto add = [&](const char* key, Verdict verdict) {
    if (j.contains(key))
      for (const auto& [method, reason] : j[key].items()) out.methods[method] = {verdict, reason};
  };
  add("reservations", Verdict::Reservations);
  add("refused", Verdict::Refused);
  return out;
}

ImplantMaterial implantMaterial(const simulate::Material& solid, const json& j) {
  ImplantMaterial m{.solid = solid, .kind = j["class"]};
  if (j.contains("specimen_porosity")) m.specimen_porosity = sourced(j["specimen_porosity"]);
  m.ultimate_mpa = maybeSourced(j, "ultimate_mpa");
  m.fatigue_peak_mpa = maybeSourced(j, "fatigue_peak_mpa");
  m.lattice_fatigue_peak_mpa = maybeSourced(j, "lattice_fatigue_peak_mpa");
  if (j.contains("degradation")) m.degradation = degradation(j["degradation"]);
  if (j.contains("sterilisation")) m.sterilisation = sterilisation(j["sterilisation"]);
  if (m.kind == "bone") return m;
  m.alone = advice(j["load_bearing"]["alone"]);
  m.plated = advice(j["load_bearing"]["plated"]);
  m.load_reference = j["load_bearing"]["reference"];
  m.process = j["printing"]["process"];
  m.smallest_feature_mm = j["printing"].value("smallest_feature_mm", 0.0);
  m.printing_reference = j["printing"]["reference"];
  return m;
}

/// What water and heat do to a composite they do to the material around its particles.
void inherit(const json& materials, std::map<std::string, ImplantMaterial>& result) {
  for (auto& [name, m] : result) {
    if (!materials[name].contains("composite")) continue;
    const auto around = result.find(materials[name]["composite"]["matrix"]);
    if (around == result.end()) continue;
    if (!m.sterilisation) m.sterilisation = around->second.sterilisation;
    if (!m.degradation) m.degradation = around->second.degradation;
  }
}

Site site(const std::string& name, const json& j) {
  Site s{.name = name, .bone = j["bone"], .load_bearing = j["load_bearing"]};
  s.peak_load_n = maybeSourced(j, "peak_load_n");
  s.peak_load_body_weights = maybeSourced(j, "peak_load_body_weights");
  if (j.contains("section_mm2")) s.section_mm2 = sourced(j["section_mm2"]);
  s.critical_extent_mm = sourced(j["critical_extent_mm"]);
  return s;
}

template <class Map>
const typename Map::mapped_type& found(const Map& map, const std::string& name, const char* kind,
                                       const std::string& file) {
  const auto at = map.find(name);
  if (at != map.end()) return at->second;
  std::vector<std::string> known;
  std::string list;
  for (const auto& [key, value] : map) {
    known.push_back(key);
    list += (list.empty() ? "" : ", ") + key;
  }
  const std::string near = core::didYouMean(name, known);
  throw core::Error(core::Exit::Config, {.what = std::string("no ") + kind + " is named " + name,
                                         .file = file,
                                         .expected = list,
                                         .hint = near.empty() ? "" : "did you mean " + near + "?"});
}

}  // namespace

const char* nameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::Suits:
      return "suits";
    case Verdict::Reservations:
      return "with reservations";
    case Verdict::Refused:
      break;
  }
  return "refused";
}

const ImplantMaterial& ImplantLibrary::at(const std::string& name) const {
  const ImplantMaterial& material = found(materials, name, "implant material", materials_path);
  if (material.kind == "bone")
    throw core::Error(core::Exit::Config, {.what = "no implant is made of " + name + ", the host's bone",
                                           .file = materials_path,
                                           .expected = "a metal, polymer, ceramic, glass, composite or hydrogel"});
  return material;
}

const Site& ImplantLibrary::site(const std::string& name) const {
  std::string key = name;
  std::replace(key.begin(), key.end(), '-', '_');
  return found(sites, key, "site", sites_path);
}

ImplantLibrary readImplantLibrary(const std::string& materials_path, const std::string& sites_path) {
  const std::string configs = core::configsFolder();
  ImplantLibrary library;
  library.materials_path = materials_path.empty() ? configs + "/materials/library.json" : materials_path;
  library.sites_path = sites_path.empty() ? configs + "/design-scaffold/sites.json" : sites_path;
  const simulate::Materials constants = simulate::readMaterials(library.materials_path);
  const json materials = simulate::readDocument(library.materials_path, "materials").value("materials", json::object());
  for (const auto& [name, j] : materials.items())
    if (j.contains("implant")) library.materials[name] = implantMaterial(constants.at(name), j["implant"]);
  inherit(materials, library.materials);
  const json sites = simulate::readDocument(library.sites_path, "sites");
  for (const auto& [name, j] : sites["sites"].items()) {
    library.sites[name] = site(name, j);
    found(library.materials, library.sites[name].bone, "material", library.materials_path);
  }
  library.load_share_beside_plate = sourced(sites["load_share_beside_plate"]);
  return library;
}

}  // namespace osteo::design_scaffold
