#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "design_scaffold/recommend.h"

using namespace osteo;
using namespace osteo::design_scaffold;
using nlohmann::json;

namespace {

const ImplantLibrary& library() {
  static const ImplantLibrary kLibrary = readImplantLibrary();
  return kLibrary;
}

/// Six centimetres of the femur's shaft.
ImplantCase femurGap() { return {.site = "femur", .extent_mm = 60, .volume_mm3 = 30000, .wall_mm = 0.5}; }
/// A palm-sized piece of the skull, 5 mm thick.
ImplantCase cranialPlate() { return {.site = "cranial", .extent_mm = 60, .volume_mm3 = 14000, .wall_mm = 1}; }
/// A void of a vertebral body that bone is to take over within a year.
ImplantCase smallVoid() {
  return {.site = "spine", .extent_mm = 14, .volume_mm3 = 1400, .wall_mm = 0.5, .resorption_months = 12};
}

json entry(const json& ranking, const std::string& name) {
  for (const json& e : ranking["ranking"])
    if (e["name"] == name) return e;
  FAIL("not ranked: " + name);
  return {};
}

std::string verdict(const json& ranking, const std::string& name) { return entry(ranking, name)["verdict"]; }

/// All reasons of one entry as one text.
std::string reasons(const json& e) {
  std::string all;
  for (const json& r : e["reasons"])
    all += r["verdict"].get<std::string>() + ": " + r["text"].get<std::string>() + "\n";
  return all;
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class Call>
core::Complaint complaintOf(const Call& call) {
  try {
    call();
  } catch (const core::Error& e) {
    CHECK(e.code() == core::Exit::Config);
    return e.complaint();
  }
  FAIL("nothing was thrown");
  return {};
}

/// Fails for every {value} without a reference, and for every block that holds numbers but no reference.
void requireReferences(const json& block, const std::string& place) {
  bool has_number = false;
  for (const auto& [key, value] : block.items()) {
    has_number = has_number || value.is_number();
    if (value.is_object() && key != "composite") requireReferences(value, place + "/" + key);
  }
  INFO(place);
  if (has_number && !place.ends_with("/printing")) CHECK(block.value("reference", "").size() >= 10);
}

json libraryFile() {
  std::ifstream in(OSTEO_SOURCE_DIR "/configs/materials/library.json");
  return json::parse(in);
}

}  // namespace

TEST_CASE("every materials file is valid and its implant is in the library") {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(OSTEO_SOURCE_DIR "/configs/materials")) {
    if (file.path().extension() != ".json") continue;
    INFO(file.path());
    const auto all = simulate::readMaterials(file.path().string());
    CHECK_NOTHROW(readImplantLibrary(file.path().string()));
    CHECK(library().materials.count(all.assign.implant));
    ++files;
  }
  CHECK(files >= 16);
}

TEST_CASE("the library holds what the choice needs, each value with its reference") {
  const std::set<std::string> wanted = {"ti6al4v",      "tantalum", "cocr",       "peek",
                                        "pcl",          "pla",      "plga",       "hydroxyapatite",
                                        "beta_tcp",     "bioglass", "magnesium",  "hydroxyapatite_pcl",
                                        "beta_tcp_pcl", "cortical", "cancellous", "gelma"};
  for (const std::string& name : wanted) CHECK(library().materials.count(name));
  for (const auto& [name, m] : library().materials) {
    INFO(name);
    CHECK(m.solid.modulus_mpa > 0);
    CHECK(m.solid.density_g_cm3 > 0);
    if (m.kind == "bone") continue;
    CHECK((m.degradation && m.degradation->reference.size() >= 10));
    CHECK((m.sterilisation && m.sterilisation->methods.size() == 5));
    CHECK(!m.process.empty());
    CHECK(!m.load_reference.empty());
    if (m.degradation->resorbs) CHECK(m.degradation->months_low < m.degradation->months_high);
  }
  const json file = libraryFile();
  for (const auto& [name, block] : file["materials"].items()) requireReferences(block, name);
}

TEST_CASE("solid phases are never those of porous specimens") {
  CHECK(library().at("beta_tcp").solid.modulus_mpa > 100000);
  CHECK(library().at("bioglass").solid.modulus_mpa > 30000);
  for (const std::string name : {"beta_tcp_sintered", "beta_tcp_porous", "tantalum_porous"}) {
    for (auto wanted : {femurGap(), cranialPlate(), smallVoid()}) {
      wanted.plated = true;
      const json e = entry(recommendMaterials(library(), wanted), name);
      CHECK(e["verdict"] == "refused");
      CHECK(says(reasons(e), "never the solid phase"));
    }
    CHECK(library().at(name).specimen_porosity.value > 0.03);
  }
  ImplantCase block = cranialPlate();
  block.porosity = 0;
  CHECK(says(reasons(entry(recommendMaterials(library(), block), "tantalum_porous")), "they count as a whole"));
  CHECK(verdict(recommendMaterials(library(), block), "tantalum_porous") != "refused");
  // A modulus below a tenth of the other metals', ceramics' or glasses' is that of a specimen with pores.
  for (const auto& [name, m] : library().materials)
    if ((m.kind == "metal" || m.kind == "ceramic" || m.kind == "glass") && m.specimen_porosity.value <= 0.03) {
      INFO(name);
      CHECK(m.solid.modulus_mpa > 30000);
    }
}

TEST_CASE("ceramics and polymers alone are refused for load-bearing segmental defects, unless plated") {
  ImplantCase gap = femurGap();
  const json alone = recommendMaterials(library(), gap);
  CHECK(alone["case"]["segmental"] == true);
  for (const json& e : alone["ranking"]) {
    INFO(e["name"]);
    if (e["class"] == "metal") continue;
    CHECK(e["verdict"] == "refused");
    CHECK(says(reasons(e), "alone in a load-bearing segmental defect: "));
  }
  CHECK(verdict(alone, "ti6al4v_lpbf") == "suits");
  CHECK(alone["ranking"][0]["class"] == "metal");
  gap.plated = true;
  gap.porosity = 0.5;
  const json plated = recommendMaterials(library(), gap);
  CHECK(verdict(plated, "peek") == "suits");
  CHECK(verdict(plated, "hydroxyapatite") == "with reservations");
  CHECK(verdict(plated, "pla") == "with reservations");
  // By itself a gel bears nothing, whatever stands beside it.
  CHECK(verdict(plated, "gelma") == "refused");
}

TEST_CASE("a file can't talk a ceramic into a gap") {
  ImplantLibrary bold = library();
  bold.materials["hydroxyapatite"].alone = {Verdict::Suits, "says the file"};
  CHECK(verdict(recommendMaterials(bold, femurGap()), "hydroxyapatite") == "refused");
}

TEST_CASE("magnesium is a metal that a gap outlives") {
  const json alone = entry(recommendMaterials(library(), femurGap()), "magnesium");
  CHECK(alone["verdict"] == "refused");
  CHECK(says(reasons(alone), "corrodes"));
}

TEST_CASE("steam is refused for PCL and PLA, and for what is made of them") {
  ImplantCase plate = cranialPlate();
  plate.sterilisation = "steam";
  const json steam = recommendMaterials(library(), plate);
  for (const char* name : {"pcl", "pla", "plga", "hydroxyapatite_pcl", "beta_tcp_pcl", "hydroxyapatite_pla", "gelma"}) {
    INFO(name);
    CHECK(verdict(steam, name) == "refused");
    CHECK(says(reasons(entry(steam, name)), "steam is refused: "));
    CHECK(says(reasons(entry(steam, name)), "121 °C"));
  }
  for (const char* name : {"ti6al4v_lpbf", "peek"}) CHECK(verdict(steam, name) == "suits");
  CHECK(says(reasons(entry(steam, "magnesium")), "steam with reservations"));
  plate.sterilisation = "hydrogen-peroxide";
  CHECK(verdict(recommendMaterials(library(), plate), "pcl") != "refused");
  plate.sterilisation = "gama";
  CHECK(says(complaintOf([&] { recommendMaterials(library(), plate); }).hint, "did you mean gamma?"));
}

TEST_CASE("hydrogels come with their kPa") {
  const json ranking = recommendMaterials(library(), cranialPlate());
  int gels = 0;
  for (const json& e : ranking["ranking"]) {
    if (e["class"] != "hydrogel") continue;
    ++gels;
    CHECK(e["modulus_kpa"].get<double>() > 1);
    CHECK(e["modulus_kpa"].get<double>() < 1000);
    CHECK(!e.contains("modulus_mpa"));
    CHECK(says(reasons(e), " kPa"));
  }
  CHECK(gels >= 3);
  CHECK(says(reasons(entry(ranking, "gelma")), "a hydrogel of 21 kPa"));
}

TEST_CASE("below 18 years there is a warning of open physes, said once") {
  ImplantCase child = femurGap();
  child.age_years = 11;
  const auto before = core::warnings().size();
  const json first = recommendMaterials(library(), child);
  REQUIRE(first["warnings"].size() == 1);
  CHECK(says(first["warnings"][0], "physes"));
  requireSuitable(library(), "ti6al4v_lpbf", child);
  CHECK(core::warnings().size() == before + 1);
  child.age_years = 18;
  CHECK(recommendMaterials(library(), child)["warnings"].empty());
  CHECK(recommendMaterials(library(), femurGap())["warnings"].empty());
}

TEST_CASE("a defect is segmental by extent and section where load is borne") {
  CHECK(demandOf(library(), femurGap()).segmental);
  ImplantCase gap = femurGap();
  gap.extent_mm = 20;
  gap.volume_mm3 = 10000;
  CHECK(!demandOf(library(), gap).segmental);  // too short
  gap = femurGap();
  gap.volume_mm3 = 60 * 250;
  CHECK(!demandOf(library(), gap).segmental);  // less than half of the section
  gap.segmental = true;
  CHECK(demandOf(library(), gap).segmental);
  CHECK(!demandOf(library(), cranialPlate()).segmental);
}

TEST_CASE("load, share and stress") {
  ImplantCase gap = femurGap();
  const Demand d = demandOf(library(), gap);
  CHECK(d.peak_load_n == Approx(2.6 * 75 * 9.80665));
  CHECK(d.section_mm2 == Approx(500));
  CHECK(d.implant_load == 1);
  CHECK(d.stress_mpa == Approx(d.peak_load_n / (500 * 0.35)));
  gap.plated = true;
  CHECK(demandOf(library(), gap).stress_mpa == Approx(0.5 * d.stress_mpa));
  gap.plated = false;
  gap.peak_load_n = 700;
  CHECK(demandOf(library(), gap).stress_mpa == Approx(4));
  const Demand v = demandOf(library(), smallVoid());
  CHECK(v.implant_load == Approx(100 / 1300.0));
  CHECK(v.stress_mpa == Approx(1650 / 1300.0 / 0.35));
}

TEST_CASE("the margin holds the lattice to its own fatigue strength") {
  const json e = entry(recommendMaterials(library(), femurGap()), "ti6al4v_lpbf");
  CHECK(e["endured_mpa"].get<double>() == Approx(106));
  CHECK(e["margin"].get<double>() == Approx(106 / demandOf(library(), femurGap()).stress_mpa));
  ImplantCase solid = femurGap();
  solid.porosity = 0;
  const json s = entry(recommendMaterials(library(), solid), "ti6al4v");
  CHECK(s["endured_mpa"].get<double>() == Approx(2 / (1 / 500.0 + 1 / 860.0)));
  ImplantCase heavy = femurGap();
  heavy.peak_load_n = 30000;
  CHECK(verdict(recommendMaterials(library(), heavy), "ti6al4v_lpbf") == "refused");
}

TEST_CASE("what can't be printed makes no lattice, and thin walls cost score") {
  const json ranking = recommendMaterials(library(), femurGap());
  CHECK(verdict(ranking, "ti6al4v") == "refused");
  CHECK(says(reasons(entry(ranking, "ti6al4v")), "no lattice can be made"));
  ImplantCase thin = cranialPlate();
  thin.wall_mm = 0.2;
  const json e = entry(recommendMaterials(library(), thin), "peek");
  CHECK(e["verdict"] == "with reservations");
  CHECK(e["terms"]["printing"].get<double>() == Approx(0.5));
  CHECK(e["score"].get<double>() < entry(recommendMaterials(library(), cranialPlate()), "peek")["score"].get<double>());
}

TEST_CASE("a cranial plate that stays is printed titanium or PEEK") {
  const json ranking = recommendMaterials(library(), cranialPlate());
  CHECK(ranking["ranking"][0]["verdict"] == "suits");
  CHECK(ranking["ranking"][0]["class"] == "metal");
  CHECK(verdict(ranking, "peek") == "suits");
  CHECK(says(reasons(entry(ranking, "hydroxyapatite")), "brittle"));
  CHECK(verdict(ranking, "pcl") == "with reservations");
}

TEST_CASE("a small void to be gone in a year is filled with what is gone in a year") {
  const json ranking = recommendMaterials(library(), smallVoid());
  CHECK(ranking["ranking"][0]["name"] == "beta_tcp");
  CHECK(ranking["ranking"][0]["verdict"] == "suits");
  CHECK(ranking["ranking"][0]["terms"]["resorption"] == 1);
  for (const char* name : {"ti6al4v_lpbf", "peek", "hydroxyapatite", "cocr"})
    CHECK(verdict(ranking, name) == "refused");
  const auto term = [&](const char* name) { return entry(ranking, name)["terms"]["resorption"].get<double>(); };
  CHECK(term("plga") == Approx(1 - std::log(12 / std::sqrt(30)) / std::log(4)));
  CHECK(term("pcl") == Approx(1 - std::log(std::sqrt(24 * 48) / 12) / std::log(4)));
  CHECK(term("beta_tcp") > term("bioglass"));
  CHECK(says(reasons(entry(ranking, "magnesium")), "with reservations: hydrogen"));
}

TEST_CASE("entries are ordered, scored within 0 to 100 and argued") {
  for (const auto& wanted : {femurGap(), cranialPlate(), smallVoid()}) {
    const json ranking = recommendMaterials(library(), wanted);
    CHECK(ranking["ranking"].size() == library().materials.size() - 2);  // all but the two of bone
    const std::map<std::string, int> rank = {{"suits", 0}, {"with reservations", 1}, {"refused", 2}};
    int last_rank = 0;
    double last_score = 101;
    for (const json& e : ranking["ranking"]) {
      const double score = e["score"];
      const int place = rank.at(e["verdict"]);
      CHECK((score >= 0 && score <= 100));
      CHECK((place > last_rank || (place == last_rank && score <= last_score)));
      CHECK(e["reasons"].size() >= 4);
      CHECK(e["reasons"][0]["verdict"] == e["verdict"]);
      last_rank = place;
      last_score = score;
    }
  }
}

TEST_CASE("every site answers, and each of its numbers has a reference") {
  std::ifstream in(OSTEO_SOURCE_DIR "/configs/design-scaffold/sites.json");
  const json file = json::parse(in);
  requireReferences(file["sites"], "sites");
  CHECK(file["sites"].size() >= 10);
  for (const auto& [name, site] : library().sites) {
    INFO(name);
    ImplantCase wanted = smallVoid();
    wanted.site = name;
    CHECK(recommendMaterials(library(), wanted)["case"]["stress_mpa"].get<double>() > 0);
  }
  ImplantCase chest = cranialPlate();
  chest.site = "chest-wall";
  CHECK(demandOf(library(), chest).peak_load_n == 328);
}

TEST_CASE("a chosen material is taken, or refused with the reason and what would suit") {
  CHECK(requireSuitable(library(), "ti6al4v_lpbf", femurGap())["verdict"] == "suits");
  const auto refused = complaintOf([] { requireSuitable(library(), "beta_tcp", femurGap()); });
  CHECK(says(refused.what, "beta_tcp is refused for this defect of the femur"));
  CHECK(says(refused.got, "load-bearing segmental"));
  CHECK(says(refused.expected, "ti6al4v_lpbf"));
  CHECK(!says(refused.expected, "pcl"));
  ImplantCase steam = cranialPlate();
  steam.sterilisation = "steam";
  CHECK(says(complaintOf([&] { requireSuitable(library(), "pcl", steam); }).got, "steam is refused"));
}

TEST_CASE("unknown names are answered with the nearest") {
  CHECK(says(complaintOf([] { requireSuitable(library(), "tantalium", femurGap()); }).hint, "did you mean tantalum?"));
  CHECK(says(complaintOf([] { requireSuitable(library(), "cortical", femurGap()); }).what, "the host's bone"));
  ImplantCase wrong = femurGap();
  wrong.site = "femour";
  CHECK(says(complaintOf([&] { recommendMaterials(library(), wrong); }).hint, "did you mean femur?"));
}

TEST_CASE("cases without a body are a misuse") {
  for (const auto& spoil : std::vector<void (*)(ImplantCase&)>{
           [](ImplantCase& c) { c.extent_mm = 0; }, [](ImplantCase& c) { c.volume_mm3 = -1; },
           [](ImplantCase& c) { c.porosity = 1; }, [](ImplantCase& c) { c.peak_load_n = 0; },
           [](ImplantCase& c) { c.volume_mm3 = std::nan(""); }}) {
    ImplantCase bad = femurGap();
    spoil(bad);
    CHECK_THROWS_AS(recommendMaterials(library(), bad), core::Error);
  }
}
