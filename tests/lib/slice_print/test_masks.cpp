#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "shapes.h"
#include "slice_print/layer_viewer.h"
#include "slice_print/manifest.h"
#include "slice_print/mask_process.h"

using namespace osteo;
using namespace osteo::slice_print;

namespace {

const Eigen::Vector3d kUp(0, 0, 1);

// A table: a plate of 10 × 10 × 1 on a leg of 2 × 2 × 4.
Part table() {
  mesh::TriangleMesh mesh = shapes::box({4, 4, 0}, {6, 6, 4});
  shapes::addBox(mesh, {0, 0, 4}, {10, 10, 5});
  return Part::ofMesh(mesh, kUp);
}

Settings vat(double cure_depth_mm) {
  Settings settings = defaultsOf(Process::Vpp);
  settings.layer_mm = 0.1;
  settings.mask.cure_depth_mm = cure_depth_mm;
  return settings;
}

}  // namespace

TEST_CASE("The dose follows Jacobs' working curve") {
  MaskSettings mask = vat(0.15).mask;
  mask.penetration_depth_mm = 0.05, mask.critical_exposure_mj_cm2 = 4, mask.irradiance_mw_cm2 = 20;
  const Exposure exposure = exposureFor(mask, 0.1);
  CHECK(exposure.dose_mj_cm2 == Approx(4 * std::exp(3.0)));
  CHECK(exposure.time_s == Approx(exposure.dose_mj_cm2 / 20));
  // The darkest grey that still cures through the layer: its share of the dose gives a depth of just the layer.
  CHECK(mask.penetration_depth_mm * std::log(exposure.grey_threshold * exposure.dose_mj_cm2 / 4) == Approx(0.1));
  CHECK(exposureFor(mask, 0.05).overcured_layers == 2);
  CHECK(exposureFor(mask, 0.0625).overcured_layers == 1);  // 1.4 layers
  CHECK(exposureFor(mask, 0.0625).print_through_mm == Approx(0.025));
  CHECK_THROWS_AS(exposureFor(mask, 0.2), core::Error);
  mask.cure_depth_mm = 1;
  CHECK_THROWS_AS(exposureFor(mask, 0.1), core::Error);
}

TEST_CASE("Layers above a down-facing surface are left out, those on the plate are not") {
  const Part part = table();
  Layer kept;
  // Depth 0.3 over layers of 0.1: light reaches two layers too deep.
  const Totals totals = run(part, vat(0.3), shapes::discard(), 41, kept);
  REQUIRE(kept.masks.size() == 1);
  CHECK(area_mm2(kept.slice) == Approx(100));
  CHECK(area_mm2(kept.masks[0]) == Approx(4).epsilon(1e-6));  // the second layer of the plate: over the leg alone
  run(part, vat(0.3), shapes::discard(), 42, kept);
  CHECK(area_mm2(kept.masks[0]) == Approx(100).epsilon(1e-6));
  run(part, vat(0.3), shapes::discard(), 0, kept);
  CHECK(area_mm2(kept.masks[0]) == Approx(4).epsilon(1e-6));  // the leg stands on the plate
  CHECK(totals.mask_volume_mm3[0] == Approx(116 - 2 * 0.1 * 96).epsilon(1e-6));
  CHECK(kept.contours.empty());
  CHECK(kept.hatches.empty());
}

TEST_CASE("Outlines that grow when cured are drawn in") {
  Settings settings = vat(0.1);
  settings.mask.growth_mm = 0.2;
  Layer kept;
  run(table(), settings, shapes::discard(), 45, kept);
  CHECK(area_mm2(kept.masks[0]) == Approx(9.6 * 9.6).epsilon(1e-5));
}

TEST_CASE("Material jetting has a stack of masks for each material") {
  std::vector<Solid> solids(3);
  const char* const kMaterials[] = {"VeroClear", "Agilus 30/A", "VeroClear"};
  for (int n = 0; n < 3; ++n) {
    solids[n].mesh = shapes::box({2.0 * n, 0, 0}, {2.0 * n + 2, 2, 1});
    solids[n].material = kMaterials[n];
  }
  const Part part = Part::ofSolids(std::move(solids), kUp);
  Settings settings = defaultsOf(Process::Mjt);
  settings.layer_mm = 0.05;
  settings.body_density_g_cm3 = {1.18, 1.14, 1.18};
  Layer kept;
  const Totals totals = run(part, settings, shapes::discard(), 4, kept);
  REQUIRE(kept.masks.size() == 2);
  CHECK(area_mm2(kept.masks[0]) == Approx(8));
  CHECK(area_mm2(kept.masks[1]) == Approx(4));
  const auto shares = materialShares(part, settings, totals);
  REQUIRE(shares.size() == 2);
  CHECK(shares[0]["volume_mm3"].get<double>() == Approx(8));
  CHECK(shares[1]["mass_g"].get<double>() == Approx(4 * 1.14e-3));
  const auto manifest = nlohmann::json::parse(manifestText(part, settings, totals.stack, {150, 50}));
  CHECK(manifest["stacks"][1]["folder"] == "Agilus_30_A");
  CHECK(manifest["stacks"][1]["material"] == "Agilus 30/A");
  CHECK(manifest["layers"].size() == 20);
  CHECK(manifest["layers"][19]["masks"][0] == "VeroClear/layer_00020.png");
  nlohmann::json results;
  addMaskResults(results, part, settings, totals);
  CHECK(results["drops"].get<double>() == Approx(12 / 30e-6));  // 30 pl
}

TEST_CASE("Binder fills the pores to the wanted saturation") {
  const Part part = table();
  Settings settings = defaultsOf(Process::Bjt);
  settings.mask.saturation_percent = 70, settings.mask.packing_percent = 60;
  Layer kept;
  const Totals totals = run(part, settings, shapes::discard(), -1, kept);
  nlohmann::json results;
  addMaskResults(results, part, settings, totals);
  CHECK(results["binder_volume_mm3"].get<double>() == Approx(116 * 0.4 * 0.7));
  CHECK(results["build_time_s"].get<double>() == Approx(50 * (10.0 / 200 + 10)));
  CHECK(materialShares(part, settings, totals)[0]["mass_g"].get<double>() == Approx(116 * 0.6 * 4.43e-3));
}

TEST_CASE("The viewer's layers hold outlines and lines at a screen's accuracy") {
  Layer layer{.top_mm = 1, .height_mm = 0.1};
  layer.slice = {{{0, 0}, {10, 0}, {10, 5}, {0, 5}}};
  layer.hatches = {{{1, 2}, {9, 2}}};
  const std::string bytes = viewerLayer(layer, 10);
  REQUIRE(bytes.size() == 6 + 4 * 4 + 6 + 2 * 4);
  const auto at = [&](std::size_t n) {
    return static_cast<unsigned char>(bytes[n]) + 256 * static_cast<unsigned char>(bytes[n + 1]);
  };
  CHECK(at(2) == 4);          // four points
  CHECK(at(6 + 4) == 65535);  // x of the second
  CHECK(static_cast<int>(bytes[22]) == static_cast<int>(Shown::Core));
  CHECK(at(28) * 10.0 / 65535 == Approx(1).margin(1e-3));
}
