#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "folder.h"
#include "simulate/mixture.h"

using namespace osteo;
using namespace osteo::simulate;

namespace {

double young(double share, MixtureRule rule) {
  return mix(moduliOf(650, 0.4), moduliOf(80000, 0.3), share, rule).young_mpa();
}

/// The library with one material of the test's own, which implants are made of.
std::string libraryWith(const test::Folder& folder, const nlohmann::json& material) {
  return folder.write("m.json", {{"include", OSTEO_SOURCE_DIR "/configs/materials/library.json"},
                                 {"materials", {{"mixed", material}}},
                                 {"assign", {{"implant", "mixed"}}}});
}

}  // namespace

TEST_CASE("moduli come back from bulk and shear") {
  const Moduli m = moduliOf(3100, 0.36);
  CHECK(m.young_mpa() == Approx(3100));
  CHECK(m.poisson() == Approx(0.36));
}

TEST_CASE("rules of mixtures are ordered, end at the constituents and don't care which phase is named first") {
  const Moduli soft = moduliOf(650, 0.4), stiff = moduliOf(80000, 0.3);
  for (const auto rule :
       {MixtureRule::Reuss, MixtureRule::HashinShtrikmanLower, MixtureRule::HashinShtrikmanUpper, MixtureRule::Voigt}) {
    CHECK(mix(soft, stiff, 0, rule).young_mpa() == Approx(650));
    CHECK(mix(soft, stiff, 1, rule).young_mpa() == Approx(80000));
    CHECK(mix(soft, soft, 0.3, rule).young_mpa() == Approx(650));
    CHECK(mix(soft, stiff, 0.3, rule).bulk_mpa == Approx(mix(stiff, soft, 0.7, rule).bulk_mpa));
    CHECK(mix(soft, stiff, 0.3, rule).shear_mpa == Approx(mix(stiff, soft, 0.7, rule).shear_mpa));
  }
  for (const double share : {0.05, 0.2, 0.5, 0.9}) {
    CHECK(young(share, MixtureRule::Reuss) < young(share, MixtureRule::HashinShtrikmanLower));
    CHECK(young(share, MixtureRule::HashinShtrikmanLower) < young(share, MixtureRule::HashinShtrikmanUpper));
    CHECK(young(share, MixtureRule::HashinShtrikmanUpper) < young(share, MixtureRule::Voigt));
  }
}

TEST_CASE("the lower bound is exact for few rigid grains in an incompressible matrix") {
  // Einstein: the shear modulus grows by 5/2 of the share.
  const Moduli gel = moduliOf(1, 0.4999999), rigid = moduliOf(1e12, 0.3);
  const double share = 1e-4;
  CHECK(mix(gel, rigid, share, MixtureRule::HashinShtrikmanLower).shear_mpa / gel.shear_mpa ==
        Approx(1 + 2.5 * share).epsilon(1e-6));
}

TEST_CASE("measured hydroxyapatite in polyethylene lies between the bounds") {
  const std::vector<std::pair<double, double>> measured = {{0.1, 980}, {0.2, 1600}, {0.3, 2730}, {0.4, 4290}};
  for (const auto& [share, modulus] : measured) {
    CHECK(young(share, MixtureRule::HashinShtrikmanLower) < modulus);
    CHECK(young(share, MixtureRule::HashinShtrikmanUpper) > modulus);
  }
}

TEST_CASE("unbonded particles cost strength") {
  CHECK(unbondedStrengthShare(0) == 1);
  CHECK(unbondedStrengthShare(0.2) == Approx(0.5862).margin(1e-4));
  CHECK(unbondedStrengthShare(0.9) == 0);
}

TEST_CASE("a composite of a materials file takes its constants from its constituents") {
  const test::Folder folder;
  const nlohmann::json recipe = {{"matrix", "pcl"},
                                 {"filler", "hydroxyapatite"},
                                 {"filler_volume_share", 0.25},
                                 {"rule", "hashin_shtrikman_lower"}};
  const Materials all = readMaterials(libraryWith(folder, {{"composite", recipe}}));
  const Material& mixed = all.at("mixed");
  CHECK(mixed.modulus_mpa > all.at("pcl").modulus_mpa);
  CHECK(mixed.modulus_mpa < 2 * all.at("pcl").modulus_mpa);
  CHECK(mixed.density_g_cm3 == Approx(0.75 * 1.145 + 0.25 * 3.1));
  CHECK(mixed.criterion == Criterion::VonMises);
  CHECK(mixed.strength_mpa == Approx(12 * unbondedStrengthShare(0.25)));
  CHECK(mixed.reference.find("Hashin and Shtrikman's lower bound") != std::string::npos);
}

TEST_CASE("composites of unknown or unfit constituents are refused") {
  const test::Folder folder;
  const auto refused = [&](const char* matrix, double share, const char* rule) {
    const nlohmann::json recipe = {
        {"matrix", matrix}, {"filler", "beta_tcp"}, {"filler_volume_share", share}, {"rule", rule}};
    try {
      readMaterials(libraryWith(folder, {{"composite", recipe}}));
    } catch (const core::Error& e) {
      CHECK(e.code() == core::Exit::Config);
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(refused("pkl", 0.2, "voigt").find("did you mean pcl?") != std::string::npos);
  CHECK(refused("beta_tcp_pcl", 0.2, "voigt").find("isotropic") != std::string::npos);
  CHECK(refused("cortical_femur_orthotropic", 0.2, "voigt").find("isotropic") != std::string::npos);
  CHECK(!refused("pcl", 0.7, "voigt").empty());
  CHECK(!refused("pcl", 0.2, "guess").empty());
  CHECK(refused("pcl", 0.2, "voigt").empty());
}
