#include "simulate/materials.h"

#include <Eigen/LU>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/schema.h"
#include "simulate/document.h"
#include "simulate/grid.h"
#include "simulate/mixture.h"

namespace osteo::simulate {
namespace {

using nlohmann::json;

Fatigue fatigue(const json& j) {
  return {j["strength_mpa"],       j["cycles"], j["ultimate_mpa"], j["slope_b"], j.value("lattice_factor", 0.0),
          j.value("reference", "")};
}

Material material(const std::string& name, const json& j) {
  Material m;
  m.name = name;
  m.reference = j.value("reference", "");
  m.modulus_mpa = j.value("modulus_mpa", 0.0);
  m.poisson = j.value("poisson", 0.3);
  m.density_law = j.value("density_law", "");
  m.density_g_cm3 = j.value("density_g_cm3", 0.0);
  if (j.contains("orthotropic")) {
    const auto three = [&](const char* key) {
      const json& v = j["orthotropic"][key];
      return Eigen::Vector3d(v[0].get<double>(), v[1].get<double>(), v[2].get<double>());
    };
    m.orthotropic = Orthotropic{three("moduli_mpa"), three("poisson"), three("shear_mpa")};
  }
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

Composite composite(const json& j) {
  const std::string rule = j["rule"];
  return {j["matrix"], j["filler"], j["filler_volume_share"],
          rule == "voigt"                    ? MixtureRule::Voigt
          : rule == "reuss"                  ? MixtureRule::Reuss
          : rule == "hashin_shtrikman_upper" ? MixtureRule::HashinShtrikmanUpper
                                             : MixtureRule::HashinShtrikmanLower};
}

/// Composites take their constants from their constituents, which must not be composites themselves.
void makeComposites(const json& materials, Materials& result) {
  const std::map<std::string, Material> plain = result.materials;
  for (const auto& [name, j] : materials.items())
    if (j.contains("composite")) makeComposite(composite(j["composite"]), plain, result.path, result.materials[name]);
}

DensityLaw densityLaw(const std::string& name, const json& j) {
  const auto& range = j["range_g_cm3"];
  return {name,
          j["density"],
          j.value("reference", ""),
          j["a_mpa"],
          j["b"],
          range[0],
          range[1],
          j["cap_mpa"],
          j.value("intercept_mpa", 0.0),
          j.value("floor_mpa", 0.0)};
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
  if (m.orthotropic) {
    if (!isPositive(m.orthotropic->stiffness()))
      throw core::Error(core::Exit::Config,
                        {.what = "the orthotropic constants of " + name + " make no stable material",
                         .file = all.path,
                         .hint = "nu_ij is -strain_j / strain_i under a stress along i"});
    return;
  }
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
  if (document.contains("materials")) makeComposites(document["materials"], result);
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
  result.assign.cap = assign.value("cap", "");
  result.assign.implant = assign.value("implant", "");
  result.assign.interface = assign.value("interface", "");
  result.assign.empty_below_hu = assign.value("empty_below_hu", 0.0);
  for (const auto& [label, name] : result.assign.labels)
    if (name != "empty") requireMaterial(result, name);
  for (const auto& name :
       {result.assign.level_set, result.assign.hu, result.assign.cap, result.assign.implant, result.assign.interface})
    if (!name.empty()) requireMaterial(result, name);
  return result;
}

void useCalibration(const std::string& path, Materials& materials) {
  const json document = core::parseJson(core::readFile(path, std::size_t{1} << 26), path, core::Exit::DataError, true);
  const json* block = &document;
  if (document.contains("results")) {
    if (!document["results"].contains("calibration"))
      throw core::Error(core::Exit::DataError, {.what = "the record holds no calibration",
                                                .file = path,
                                                .expected = "results.calibration",
                                                .hint = "a record of segment, or the block of a materials file"});
    block = &document["results"]["calibration"];
  }
  json schema = core::parseJson(core::readFile(core::configsFolder() + "/schema/materials.json", std::size_t{1} << 26),
                                "materials.json", core::Exit::Config, true);
  core::validateJson(schema["properties"]["calibration"], *block, path, core::Exit::DataError);
  materials.calibration = calibration(*block);
}

Elastic Orthotropic::stiffness() const {
  const auto &E = moduli_mpa, &nu = poisson_yz_xz_xy;
  Eigen::Matrix3d S;
  S << 1 / E[0], -nu[2] / E[0], -nu[1] / E[0], -nu[2] / E[0], 1 / E[1], -nu[0] / E[1], -nu[1] / E[0], -nu[0] / E[1],
      1 / E[2];
  const Eigen::Matrix3d C = S.inverse();
  const auto& G = shear_yz_xz_xy_mpa;
  return {C(0, 0), C(0, 1), G[0], C(1, 1), C(2, 2), C(0, 2), C(1, 2), G[1], G[2]};
}

Elastic onGrid(const Elastic& e, const Eigen::Matrix3d& direction) {
  if (e.isCubic() && std::abs(e.c11 - e.c12 - 2 * e.c44) <= 1e-9 * e.c11) return e;
  std::array<int, 3> axis = {-1, -1, -1};
  for (int a = 0; a < 3; ++a)
    if (const int g = gridAxis(direction, a); g >= 0) axis[g] = a;
  if (axis[0] < 0 || axis[1] < 0 || axis[2] < 0)
    throw core::Error(core::Exit::DataError, {.what = "an orthotropic material needs a grid along the LPS axes",
                                              .hint = "resample the volume to an axis-aligned grid"});
  Eigen::Matrix3d C, G;
  C << e.c11, e.c12, e.c13, e.c12, e.c22, e.c23, e.c13, e.c23, e.c33;
  G << 0, e.c66, e.c55, e.c66, 0, e.c44, e.c55, e.c44, 0;
  const auto c = [&](int g, int h) { return C(axis[g], axis[h]); };
  const auto shear = [&](int g, int h) { return G(axis[g], axis[h]); };
  return {c(0, 0), c(0, 1), shear(1, 2), c(1, 1), c(2, 2), c(0, 2), c(1, 2), shear(0, 2), shear(0, 1)};
}

Elastic LatticeLaw::stiffness(const Elastic& solid, double fraction) const {
  return cubic(solid.c11 * std::pow(fraction, c11), solid.c12 * std::pow(fraction, c12),
               solid.c44 * std::pow(fraction, c44));
}

std::string Filler::name() const { return law == Law::Lattice ? material.name + " " + lattice.name : material.name; }

Elastic Filler::stiffness(float value) const {
  if (law == Law::Modulus) return isotropic(value, material.poisson);
  const Elastic solid =
      material.orthotropic ? material.orthotropic->stiffness() : isotropic(material.modulus_mpa, material.poisson);
  return law == Law::Lattice ? lattice.stiffness(solid, value) : value * solid;
}

}  // namespace osteo::simulate
