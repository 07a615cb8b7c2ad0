#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "segment/density.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kSlope = 0.754, kIntercept = 6.33;

/// Rods along an oblique axis in water, with noise; HU follow from the densities by the scale above.
struct Bench {
  image::CtVolume ct;
  segment::CalibrationPhantom phantom{"K2HPO4", "", {}};
};

Bench bench(double noise_hu) {
  image::Frame frame;
  frame.size = {90, 40, 30};
  frame.origin_mm = {-40, 10, -5};
  Bench out{image::CtVolume(frame), {"K2HPO4", "", {}}};
  const Vector3d axis = Vector3d(0.1, 0.05, 1).normalized();
  const double densities[] = {-50, 0, 60, 150, 375};
  for (int r = 0; r < 5; ++r) {
    const Vector3d middle(-28 + 16.0 * r, 30, 9.5);
    out.phantom.rods.push_back({std::to_string(r), middle - 12 * axis, middle + 12 * axis, 6, densities[r]});
  }
  const core::Random random(3);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    double hu = 0;
    for (const segment::Rod& rod : out.phantom.rods) {
      const Vector3d p = frame.centre(v) - rod.from_mm;
      if ((p - p.dot(axis) * axis).norm() < rod.radius_mm) hu = (rod.density_mg_cm3 - kIntercept) / kSlope;
    }
    out.ct.voxels[static_cast<std::size_t>(v)] =
        static_cast<float>(hu + noise_hu * random.normal(static_cast<std::uint64_t>(v)));
  }
  return out;
}

}  // namespace

TEST_CASE("five rods give the published scale") {
  const double hu[] = {490.28414063, 200.31946153, 68.02660165, -77.60183361, -77.74668932};
  const double density[] = {375.83, 157.05, 58.88, -53.4, -51.83};
  std::vector<segment::Reference> references;
  for (int r = 0; r < 5; ++r) references.push_back({"", hu[r], density[r]});
  const auto scale = segment::fitDensity(references);
  CHECK(scale.slope_mg_cm3_per_hu == Approx(0.7539727523297295).epsilon(1e-9));
  CHECK(scale.intercept_mg_cm3 == Approx(6.334410127001945).epsilon(1e-7));
  CHECK(scale.r2 > 0.9999);
}

TEST_CASE("rods are found where they are said to be, and noise does not move them") {
  const Bench quiet = bench(0), noisy = bench(25);
  const auto exact = segment::calibrateByRods(quiet.ct, quiet.phantom);
  CHECK(exact.slope_mg_cm3_per_hu == Approx(kSlope).epsilon(1e-5));
  CHECK(exact.intercept_mg_cm3 == Approx(kIntercept).epsilon(1e-4));
  CHECK(exact.residual_mg_cm3 < 0.01);
  const auto rough = segment::calibrateByRods(noisy.ct, noisy.phantom);
  CHECK(rough.slope_mg_cm3_per_hu == Approx(kSlope).epsilon(0.01));
  CHECK(rough.intercept_mg_cm3 == Approx(kIntercept).margin(1));
  CHECK(rough.references[4].std_hu == Approx(25).epsilon(0.1));
}

TEST_CASE("rods that are not there are refused") {
  Bench b = bench(5);
  const segment::CalibrationPhantom good = b.phantom;
  b.phantom.rods[2].from_mm += Vector3d(8, 0, 0);
  b.phantom.rods[2].to_mm += Vector3d(8, 0, 0);
  b.phantom.rods[4].density_mg_cm3 = -400;
  CHECK_THROWS_AS(segment::calibrateByRods(b.ct, b.phantom), core::Error);
  b.phantom = good;
  b.phantom.rods[0].to_mm += Vector3d(0, 0, 200);
  CHECK_THROWS_WITH(segment::calibrateByRods(b.ct, b.phantom), Catch::Contains("outside the scan"));
  b.phantom = good;
  b.phantom.rods[4].from_mm += Vector3d(0, 7, 0);  // half in water
  b.phantom.rods[4].to_mm += Vector3d(0, 7, 0);
  CHECK_THROWS_WITH(segment::calibrateByRods(b.ct, b.phantom), Catch::Contains("not uniform"));
  b.phantom = good;
  b.phantom.frame_id = "other";
  b.ct.frame.frame_id = "this";
  CHECK_THROWS_AS(segment::calibrateByRods(b.ct, b.phantom), core::Error);
  CHECK_THROWS_AS(segment::fitDensity({{"", 10, 5}, {"", 12, 900}}), core::Error);
  CHECK_THROWS_AS(segment::fitDensity({{"", 10, 500}, {"", 200, 5}}), core::Error);
}

TEST_CASE("air, fat and muscle calibrate a scan that holds them") {
  image::Frame frame;
  frame.size = {60, 60, 30};
  image::CtVolume ct(frame);
  const core::Random random(7);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const double level = v % 60 < 15 ? -990 : v % 60 < 35 ? -105 : 52;
    ct.voxels[static_cast<std::size_t>(v)] =
        static_cast<float>(level + 8 * random.normal(static_cast<std::uint64_t>(v)));
  }
  const auto scale = segment::calibrateByTissues(ct, {-840, -80, 30});
  CHECK(scale.slope_mg_cm3_per_hu == Approx(0.84).epsilon(0.03));
  CHECK(scale.references[1].hu == Approx(-105).margin(5));
  const auto block = segment::calibrationBlock(scale, "HA", false);
  CHECK(block["calibrated"] == false);
  CHECK(block["qct_slope_g_cm3_per_hu"].get<double>() == Approx(scale.slope_mg_cm3_per_hu / 1000));
  for (float& hu : ct.voxels) hu = hu < -40 && hu > -200 ? 52 : hu;
  CHECK_THROWS_WITH(segment::calibrateByTissues(ct, {-840, -80, 30}), Catch::Contains("no fat"));
}
