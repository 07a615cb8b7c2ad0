#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/app.h"
#include "cli/common.h"
#include "cli/document.h"
#include "cli/pages.h"
#include "cli/parse.h"
#include "core/error.h"
#include "core/files.h"

using namespace osteo;
using namespace osteo::cli;
using nlohmann::json;

namespace {

const App kApp{.name = "toy",
               .summary = "Does nothing.",
               .jobs = {{.name = "",
                         .summary = "Does nothing.",
                         .examples = {"toy a.nrrd -o b.nrrd"},
                         .parameters = {input("ct", {".nrrd"}, "the CT"), output({".nrrd"}, "the result"),
                                        number("voxel-mm", "mm", 0.5, {0.01, 10}, "voxel size"),
                                        integer("layers", "", 3, {1, 100}, "layers"), flag("fast", "be fast"),
                                        numbers("centre-mm", "mm", 3, {}, "centre"),
                                        choice("kind", {"one", "two"}, "one", "a kind")},
                         .run = nullptr}}};

json parsed(const std::vector<std::string>& words) {
  json given = json::object();
  parseWords(kApp, kApp.jobs[0], words, given);
  return given;
}

core::Exit codeOf(const std::vector<std::string>& words) {
  try {
    parsed(words);
  } catch (const core::Error& e) {
    return e.code();
  }
  return core::Exit::Ok;
}

core::Exit configCode(const std::string& text) {
  const std::string path = "/tmp/osteo-cli-test.json";
  core::writeFile(path, text);
  try {
    json document = defaults(kApp.jobs[0]);
    document.update(readConfig(kApp.jobs[0], path));
    document.update(parsed({"a.nrrd", "-o", "b.nrrd"}));
    validate(kApp, kApp.jobs[0], document);
  } catch (const core::Error& e) {
    return e.code();
  }
  return core::Exit::Ok;
}

}  // namespace

TEST_CASE("Flags become typed JSON") {
  const json p =
      parsed({"a.nrrd", "-o", "b.nrrd", "--voxel_mm=0.25", "--layers", "7", "--fast", "--centre-mm", "-30,10.5,5"});
  CHECK(p["ct"] == "a.nrrd");
  CHECK(p["output"] == "b.nrrd");
  CHECK(p["voxel_mm"] == 0.25);
  CHECK(p["layers"] == 7);
  CHECK(p["fast"] == true);
  CHECK(p["centre_mm"] == json({-30.0, 10.5, 5.0}));
}

TEST_CASE("Bad values on the command line are refused") {
  for (const char* bad : {"nan", "inf", "abc", "", "0.001", "11", "1e400", "0.5mm"})
    CHECK(codeOf({"a.nrrd", "-o", "b", std::string("--voxel-mm=") + bad}) == core::Exit::Usage);
  CHECK(codeOf({"a.nrrd", "-o", "b", "--layers=1.5"}) == core::Exit::Usage);
  CHECK(codeOf({"a.nrrd", "-o", "b", "--kind=three"}) == core::Exit::Usage);
  CHECK(codeOf({"a.nrrd", "-o", "b", "--centre-mm=1,2"}) == core::Exit::Usage);
  CHECK(codeOf({"a.nrrd", "b.nrrd", "-o", "b"}) == core::Exit::Usage);
  CHECK(codeOf({"a.nrrd", "-o", "b", "--fast", "--layers", "2"}) == core::Exit::Ok);
}

TEST_CASE("An unknown option is answered with the nearest known one") {
  try {
    parsed({"a.nrrd", "-o", "b", "--voxel-m", "1"});
    FAIL("accepted");
  } catch (const core::Error& e) {
    CHECK(std::string(e.what()).find("--voxel-mm") != std::string::npos);
  }
}

TEST_CASE("A configuration is checked as strictly") {
  CHECK(configCode(R"({"voxel_mm": 1, "layers": 5})") == core::Exit::Ok);
  CHECK(configCode(R"({"layer": 5})") == core::Exit::Config);
  CHECK(configCode(R"({"layers": 1.5})") == core::Exit::Config);
  CHECK(configCode(R"({"voxel_mm": 100})") == core::Exit::Config);
  CHECK(configCode(R"({"voxel_mm": NaN})") == core::Exit::Config);
  CHECK(configCode(R"([1])") == core::Exit::Config);
  CHECK(configCode("") == core::Exit::Config);
}

TEST_CASE("A missing required parameter is a usage error") {
  try {
    validate(kApp, kApp.jobs[0], defaults(kApp.jobs[0]));
    FAIL("accepted");
  } catch (const core::Error& e) {
    CHECK(e.code() == core::Exit::Usage);
  }
}

TEST_CASE("The pages show every parameter") {
  const std::string help = helpPage(kApp, kApp.jobs[0]), xml = slicerXml(kApp), guide = guideHead(kApp),
                    man = manPage(kApp);
  CHECK(help.find("  $ toy a.nrrd -o b.nrrd") != std::string::npos);
  for (const Parameter& p : kApp.jobs[0].parameters) {
    CHECK(help.find(p.name) != std::string::npos);
    CHECK(guide.find(p.name) != std::string::npos);
    CHECK(xml.find("<name>" + keyOf(p.name) + "</name>") != std::string::npos);
  }
  CHECK(xml.find("<longflag>--voxel_mm</longflag>") != std::string::npos);
  CHECK(man.find("voxel\\-mm") != std::string::npos);
}

TEST_CASE("A job without a name takes every call that names no other, and its pages show the others") {
  App app = kApp;
  app.jobs.push_back(
      {"cut", "Cuts.", {"toy cut a.nrrd"}, {input("ct", {".nrrd"}, "the CT"), flag("deep", "")}, nullptr});
  const auto chosen = [&app](std::vector<std::string> words) { return chooseJob(app, words)->name; };
  CHECK(chosen({"cut", "a.nrrd"}) == "cut");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"a.nrrd", "cut"}, {"--help"}, {"./cut"}, {}})
    CHECK(chosen(words).empty());
  std::vector<std::string> words{"cut", "a.nrrd"};
  chooseJob(app, words);
  CHECK(words == std::vector<std::string>{"a.nrrd"});
  CHECK(helpPage(app, app.jobs[0]).find("Other jobs: toy JOB") != std::string::npos);
  CHECK(helpPage(app, app.jobs[1]).find("Other jobs:") == std::string::npos);
  CHECK(guideHead(app).find("## toy cut") != std::string::npos);
  const std::string completion = bashCompletion(app);
  CHECK(completion.find("cut) words='--config --deep") != std::string::npos);
  CHECK(completion.find("--guide cut' ;;") != std::string::npos);
}

TEST_CASE("A job that has its own name among its options takes the calls that give it") {
  App app = kApp;
  app.jobs.push_back({.name = "backwards",
                      .summary = "Goes back.",
                      .examples = {"toy --backwards b.json -o a.nrrd"},
                      .parameters = {inputOption("backwards", {".json"}, "where from").must(),
                                     output({".nrrd"}, "the start"), flag("slow", "be slow")},
                      .run = nullptr});
  const auto chosen = [&app](std::vector<std::string> words) { return chooseJob(app, words)->name; };
  CHECK(chosen({"--backwards", "b.json", "-o", "a.nrrd"}) == "backwards");
  CHECK(chosen({"-o", "a.nrrd", "--slow", "--backwards=b.json"}) == "backwards");
  CHECK(chosen({"backwards", "--schema"}) == "backwards");
  CHECK(chosen({"ct.nrrd", "-o", "backwards"}).empty());
  CHECK(chosen({"ct.nrrd", "--", "--backwards"}).empty());
  std::vector<std::string> words{"--backwards", "b.json", "-o", "a.nrrd"};
  const Job* job = chooseJob(app, words);
  json given = json::object();
  parseWords(app, *job, words, given);
  CHECK(given == json{{"backwards", "b.json"}, {"output", "a.nrrd"}});
}
