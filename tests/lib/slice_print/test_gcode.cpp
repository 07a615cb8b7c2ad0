#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/parallel.h"
#include "shapes.h"
#include "slice_print/gcode_read.h"
#include "slice_print/paste_flow.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

GcodeSums sums(const std::string& text) {
  GcodeMeter meter;
  meter.read(text);
  return meter.finish();
}

std::string jobOf(const Part& part, const Settings& settings) {
  const Stack stack = stackOf(part, settings);
  std::string job = gcodeStart(settings.gcode, stack);
  const JobWriter writer = {[&](const Layer& layer) { return gcodeLayer(settings.gcode, layer); },
                            [&job](const std::string& text) { job += text; }, [] {}};
  Layer kept;
  run(part, settings, writer, -1, kept);
  return job + gcodeEnd(settings.gcode);
}

}  // namespace

TEST_CASE("A job's moves are summed in either mode of E and of axes") {
  const char* absolute =
      "G21\nG90\nM82\nG92 E0\nG1 Z0.2 F600\nG0 X10 Y0 F6000\nG1 X20 E1.5 F1200 ; way\nG1 E0.5 F1800\nG0 X30\n"
      "G1 E1.5\nG1 X30 Y10 E3\n";
  const char* relative =
      "G21\nG90\nM83\nG1 Z0.2 F600\nG0 X10 Y0 F6000\nG1 X20 E1.5 F1200\nG1 E-1 F1800\nG0 X30\nG1 E1\nG91\n"
      "G1 Y10 E1.5\nG90\n";
  for (const char* text : {absolute, relative}) {
    const GcodeSums job = sums(text);
    CHECK(job.feed_mm == Approx(3));
    CHECK(job.extruding_mm == Approx(20));
    CHECK(job.travel_mm == Approx(0.2 + 10 + 10));
    CHECK(job.retractions == 1);
    CHECK(job.layers == 1);
    CHECK(job.min_mm.isApprox(Eigen::Vector3d(10, 0, 0.2)));
    CHECK(job.max_mm.isApprox(Eigen::Vector3d(30, 10, 0.2)));
  }
  CHECK(sums("N5 G1 X3 E1 *71\nM117 Printing layer 1\nSTART_PRINT BED=60\nT0\n\n;LAYER:0\n").extruding_mm == Approx(3));
}

TEST_CASE("G-code that is none, arcs and inches are refused with their line") {
  for (const char* text :
       {"G1 X\n", "G1 X1e9\n", "G1 Xnan\n", "%%\n", "G2 X1 Y1 I1\n", "G20\n", "G1 X1 Y--2\n", "\x01\x02\n"}) {
    INFO(text);
    CHECK_THROWS_AS(sums(std::string("G90\n") + text), core::Error);
  }
  const auto file = std::filesystem::temp_directory_path() / "osteo_test.gcode";
  core::writeFile(file, "G90\nG2 X1\n");
  try {
    gcodeRecord(file);
    FAIL();
  } catch (const core::Error& error) {
    CHECK(std::string(error.what()).find("line 2") != std::string::npos);
    CHECK(std::string(error.what()).find("osteo_test.gcode") != std::string::npos);
  }
  std::filesystem::remove(file);
}

TEST_CASE("Moves take the time of trapezoids") {
  const Move slow{{100, 0, 0}, 0, 50, 1000};  // 50 ms and 1.25 mm to speed up and to slow down
  CHECK(duration_s({slow}) == Approx(0.1 + 97.5 / 50));
  const Move shortest{{1, 0, 0}, 0, 50, 1000};  // never reaches its speed
  CHECK(duration_s({shortest}) == Approx(2 * std::sqrt(1.0 / 1000)));
  // Straight on nothing is lost; back again it stops.
  CHECK(duration_s({{{50, 0, 0}, 0, 50, 1000}, {{50, 0, 0}, 0, 50, 1000}}) == Approx(0.1 + 97.5 / 50));
  CHECK(duration_s({{{50, 0, 0}, 0, 50, 1000}, {{-50, 0, 0}, 0, 50, 1000}}) == Approx(2 * (0.1 + 47.5 / 50)));
  const double corner2 = 1000 * kDeviation_mm * std::sqrt(0.5) / (1 - std::sqrt(0.5));  // a right angle
  const double lost = (50 - std::sqrt(corner2)) / 1000, way = (2500 - corner2) / 2000;
  CHECK(duration_s({{{50, 0, 0}, 0, 50, 1000}, {{0, 50, 0}, 0, 50, 1000}}) ==
        Approx(0.1 + 2 * lost + (100 - 2.5 - 2 * way) / 50));
  CHECK(duration_s({{{0, 0, 0}, -1, 20, 1000}}) == Approx(0.04 + 0.6 / 20));  // feed alone
  CHECK(sums("G4 P500\nG4 S2\n").time_s == Approx(2.5));
}

TEST_CASE("Filament of the length that holds a volume") {
  const GcodeSettings filament;
  CHECK(3194.33 * feedPerVolume_mm2(filament) == Approx(1328.05).epsilon(1e-5));
}

TEST_CASE("A cuboid's G-code holds its volume, box and layers") {
  Settings settings = defaultsOf(Process::Mex);
  settings.extrusion.skirt_loops = 0;
  const Part part = Part::ofMesh(shapes::box({0, 0, 0}, {10, 12, 2}), {0, 0, 1});
  const GcodeSums job = sums(jobOf(part, settings));
  CHECK(job.feed_mm / feedPerVolume_mm2(settings.gcode) == Approx(240).epsilon(2e-4));
  CHECK(job.layers == 10);
  // Half a bead's spacing inside the walls, shifted onto the bed.
  const double inside = spacingOf_mm(0.45, 0.2) / 2;
  CHECK(job.min_mm.isApprox(Eigen::Vector3d(20 + inside, 20 + inside, 0.2), 1e-3));
  CHECK(job.max_mm.isApprox(Eigen::Vector3d(30 - inside, 32 - inside, 2), 1e-3));
  CHECK(job.extruding_mm_by_type.count("WALL-OUTER") == 1);
  CHECK(job.extruding_mm_by_type.count("FILL") == 1);
}

TEST_CASE("Flow that is limited slows beads down; pressure keeps the flow and opens a valve") {
  Settings settings = defaultsOf(Process::Mex);
  const Part part = Part::ofMesh(shapes::box({0, 0, 0}, {10, 10, 1}), {0, 0, 1});
  const double usual = sums(jobOf(part, settings)).time_s;
  settings.gcode.most_flow_mm3_s = 0.5;  // 1,000 mm³ / 10
  CHECK(sums(jobOf(part, settings)).time_s > 100 / 0.5);
  CHECK(sums(jobOf(part, settings)).time_s > 2 * usual);
  settings.gcode.feed = Feed::Pressure;
  settings.gcode.usual_area_mm2 = spacingOf_mm(0.45, 0.2) * 0.2;
  const std::string job = jobOf(part, settings);
  const GcodeSums pressed = sums(job);
  CHECK(pressed.feed_mm == 0);
  CHECK(pressed.extruding_mm > 1000);
  CHECK(job.find(" E") == std::string::npos);
  CHECK(job.find("M126 S255\n") != std::string::npos);
  CHECK(job.find("M127\n") != std::string::npos);
}

TEST_CASE("A job in G-code is the same for any number of threads") {
  const Part part = Part::ofLevelSet(shapes::gyroidCube(5, 2.5, 0.1), {0, 0, 1});
  const int threads = core::threads();
  std::vector<std::string> jobs;
  for (const int n : {1, 3}) {
    core::setThreads(n);
    jobs.push_back(jobOf(part, defaultsOf(Process::Mex)));
  }
  core::setThreads(threads);
  CHECK(jobs[0].size() > 100000);
  CHECK(jobs[0] == jobs[1]);
}

TEST_CASE("A paste's flow has its three known limits") {
  const Needle needle{0.4, 12.7};
  const double radius_m = 0.2e-3, length_m = 12.7e-3, pressure_pa = 80e3;
  const double wall_pa = pressure_pa * radius_m / (2 * length_m);
  SECTION("Newton: Hagen and Poiseuille") {
    const double expected_m3_s = M_PI * std::pow(radius_m, 4) * pressure_pa / (8 * 5.0 * length_m);
    CHECK(flow_mm3_s({0, 5, 1}, needle, 80) == Approx(1e9 * expected_m3_s).epsilon(1e-12));
    const PasteFlow flow = pasteFlow({0, 5, 1}, needle, 1e9 * expected_m3_s);
    CHECK(flow.pressure_kpa == Approx(80).epsilon(1e-9));
    CHECK(flow.wall_shear_stress_pa == Approx(wall_pa).epsilon(1e-9));
    CHECK(flow.wall_shear_rate_per_s == Approx(4 * expected_m3_s / (M_PI * std::pow(radius_m, 3))).epsilon(1e-9));
  }
  SECTION("A power law: Rabinowitsch and Mooney") {
    const double n = 0.4, k = 60, q_m3_s = 1e-9 * flow_mm3_s({0, k, n}, needle, 80);
    const double rate = 4 * q_m3_s / (M_PI * std::pow(radius_m, 3)) * (3 * n + 1) / (4 * n);
    CHECK(k * std::pow(rate, n) == Approx(wall_pa).epsilon(1e-12));
  }
  SECTION("Bingham: Buckingham and Reiner") {
    const double yield = 150, viscosity = 2, plug = yield / wall_pa;
    const double expected_m3_s = M_PI * std::pow(radius_m, 4) * pressure_pa / (8 * viscosity * length_m) *
                                 (1 - 4 * plug / 3 + std::pow(plug, 4) / 3);
    CHECK(flow_mm3_s({yield, viscosity, 1}, needle, 80) == Approx(1e9 * expected_m3_s).epsilon(1e-12));
  }
  SECTION("Below the yield stress nothing flows, and any flow has its pressure") {
    const Paste paste{200, 40, 0.5};
    const double onset_kpa = 2 * 200 * length_m / radius_m / 1000;
    CHECK(flow_mm3_s(paste, needle, 0.999 * onset_kpa) == 0);
    CHECK(flow_mm3_s(paste, needle, 1.01 * onset_kpa) > 0);
    CHECK(pasteFlow(paste, needle, 0).pressure_kpa == Approx(onset_kpa));
    for (const double wanted : {1e-6, 0.01, 1.0, 50.0})
      CHECK(flow_mm3_s(paste, needle, pasteFlow(paste, needle, wanted).pressure_kpa) == Approx(wanted).epsilon(1e-9));
  }
}
