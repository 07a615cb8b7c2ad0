#include "simulate/materials.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "simulate/document.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;

Fatigue fatigue(const json& j) {
  return {j["strength_mpa"],       j["cycles"], j["ultimate_mpa"], j["slope_b"], j.value("lattice_factor", 1.0),
          j.value("reference", "")};
}

Material material(const std::string& name, const json& j) {
  Material m;
  m.name = name;
  m.reference = j.value("reference", "");
  m.modulus_mpa = j.value("modulus_mpa", 0.0);
  m.poisson = j.value("poisson", 0.3);
  m.density_law = j.value("density_law", "");
  if (j.contains("fatigue")) m.fatigue = fatigue(j["fatigue"]);
  if (!j.contains("failure")) return m;
  const json& f = j["failure"];
  const std::string criterion = f["criterion"];
  m.failure_reference = f.value("reference", "");
  if (criterion == "von_mises") {
    m.criterion = Criterion::VonMises;
    m.strength_mpa = f["yield_mpa"];
  } else if (criterion == "tensile_principal") {
    m.criterion = Criterion::TensilePrincipal;
    m.strength_mpa = f["tensile_strength_mpa"];
    m.weibull_modulus = f.value("weibull_modulus", 0.0);
    m.weibull_volume_mm3 = f.value("weibull_volume_mm3", 0.0);
  } else {
    m.criterion = Criterion::AsymmetricStrain;
    m.compression_strain = f["compression_strain"];
    m.tension_strain = f["tension_strain"];
  }
  return m;
}

DensityLaw densityLaw(const std::string& name, const json& j) {
  const auto& range = j["range_g_cm3"];
  return {name, j["density"], j.value("reference", ""), j["a_mpa"], j["b"], range[0], range[1], j["cap_mpa"]};
}

LatticeLaw latticeLaw(const std::string& name, const json& j) {
  const auto &n = j["exponents"], &range = j["range"];
  return {name, j.value("reference", ""), n["c11"], n["c12"], n["c44"], range[0], range[1]};
}

Calibration calibration(const json& j) {
  return {j["calibrated"],          j["qct_slope_g_cm3_per_hu"], j["qct_intercept_g_cm3"], j["ash_per_qct"],
          j["ash_intercept_g_cm3"], j["ash_per_apparent"],       j.value("reference", "")};
}

void requireMaterial(const Materials& all, const std::string& name) {
  const Material& m = all.at(name);
  if (!m.density_law.empty() && !all.density_laws.count(m.density_law))
    throw core::Error(core::Exit::Config, {.what = "no density law is named " + m.density_law, .file = all.path});
  if (m.density_law.empty() && m.modulus_mpa <= 0)
    throw core::Error(core::Exit::Config, {.what = "has neither modulus nor density law: " + name, .file = all.path});
}

}  // namespace

const Material& Materials::at(const std::string& name) const {
  const auto found = materials.find(name);
  if (found != materials.end()) return found->second;
  std::string known;
  for (const auto& [key, value] : materials) known += (known.empty() ? "" : ", ") + key;
  throw core::Error(core::Exit::Config, {.what = "no material is named " + name, .file = path, .expected = known});
}

Materials readMaterials(const std::string& path) {
  const json document = readDocument(path, "materials");
  Materials result;
  result.path = path;
  const auto each = [&](const char* key, const auto& use) {
    if (document.contains(key))
      for (const auto& [name, j] : document[key].items()) use(name, j);
  };
  each("materials", [&](const std::string& n, const json& j) { result.materials[n] = material(n, j); });
  each("density_laws", [&](const std::string& n, const json& j) { result.density_laws[n] = densityLaw(n, j); });
  each("lattice_laws", [&](const std::string& n, const json& j) { result.lattice_laws[n] = latticeLaw(n, j); });
  if (document.contains("calibration")) result.calibration = calibration(document["calibration"]);
  if (!document.contains("assign"))
    throw core::Error(core::Exit::Config, {.what = "does not say which material fills what",
                                           .file = path,
                                           .expected = "assign: {labels, level_set, hu}"});
  const json& assign = document["assign"];
  if (assign.contains("labels")) result.assign.labels = assign["labels"].get<std::map<std::string, std::string>>();
  result.assign.level_set = assign.value("level_set", "");
  result.assign.hu = assign.value("hu", "");
  result.assign.empty_below_hu = assign.value("empty_below_hu", 0.0);
  for (const auto& [label, name] : result.assign.labels)
    if (name != "empty") requireMaterial(result, name);
  for (const auto& name : {result.assign.level_set, result.assign.hu})
    if (!name.empty()) requireMaterial(result, name);
  return result;
}

Elastic LatticeLaw::stiffness(const Elastic& solid, double fraction) const {
  return {solid.c11 * std::pow(fraction, c11), solid.c12 * std::pow(fraction, c12),
          solid.c44 * std::pow(fraction, c44)};
}

std::string Filler::name() const { return law == Law::Lattice ? material.name + " " + lattice.name : material.name; }

Elastic Filler::stiffness(float value) const {
  if (law == Law::Modulus) return isotropic(value, material.poisson);
  const Elastic solid = isotropic(material.modulus_mpa, material.poisson);
  return law == Law::Lattice ? lattice.stiffness(solid, value) : value * solid;
}

}  // namespace osteo::simulate
