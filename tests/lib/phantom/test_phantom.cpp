#include <catch2/catch.hpp>
#include <numbers>

#include "core/error.h"
#include "core/parallel.h"
#include "phantom/kinds.h"
#include "phantom/measure.h"
#include "phantom/resect.h"
#include "phantom/scan.h"

using namespace osteo;
using Eigen::Vector3d;
using phantom::Anatomy;

namespace {

/// The quadrature alone, without the closed forms.
phantom::Measured integrated(Anatomy anatomy) {
  anatomy.bodies.front().exact_volume_mm3 = std::nullopt;
  return phantom::measure(anatomy).front();
}

double greyVolume(const image::CtVolume& ct, double inside, double outside) {
  double sum = 0;
  for (const float hu : ct.voxels) sum += (hu - outside) / (inside - outside);
  return sum * ct.frame.voxelVolume_mm3();
}

}  // namespace

TEST_CASE("the quadrature meets closed forms to 1e-6") {
  constexpr double kPi = std::numbers::pi;
  const phantom::Measured ball = integrated(phantom::sphere(20, 1000));
  CHECK(ball.volume_mm3 == Approx(4.0 / 3 * kPi * 8000).epsilon(1e-8));
  CHECK(ball.area_mm2 == Approx(4 * kPi * 400).epsilon(1e-6));
  const phantom::Measured ring = integrated(phantom::torus(24, 9, 1000));
  CHECK(ring.volume_mm3 == Approx(2 * kPi * kPi * 24 * 81).epsilon(1e-6));
  CHECK(ring.area_mm2 == Approx(4 * kPi * kPi * 24 * 9).epsilon(1e-6));
  const Vector3d axes(30, 22, 16);
  const phantom::Measured egg = integrated(phantom::ellipsoid(axes, 1000));
  CHECK(egg.volume_mm3 == Approx(4.0 / 3 * kPi * axes.prod()).epsilon(1e-6));
  CHECK(egg.area_mm2 == Approx(phantom::ellipsoidArea_mm2(axes)).epsilon(1e-6));
}

TEST_CASE("the ellipsoid's area agrees with its limits") {
  constexpr double kPi = std::numbers::pi;
  CHECK(phantom::ellipsoidArea_mm2({5, 5, 5}) == Approx(100 * kPi));
  const double e = std::sqrt(0.75);  // prolate, a = 2c
  CHECK(phantom::ellipsoidArea_mm2({10, 5, 5}) == Approx(2 * kPi * 25 * (1 + 2 / e * std::asin(e))).epsilon(1e-9));
}

TEST_CASE("a ball cut from a ball leaves what two caps say") {
  Anatomy ball = phantom::sphere(20, 1000);
  phantom::addDefect(ball, {false, {20, 0, 0}, 16});
  const auto measured = phantom::measure(ball);
  const double d = 20, r = 8, big = 20;  // lens of two spheres
  const double lens = std::numbers::pi * std::pow(big + r - d, 2) *
                      (d * d + 2 * d * r - 3 * r * r + 2 * d * big + 6 * r * big - 3 * big * big) / (12 * d);
  CHECK(measured.back().key == "defect");
  CHECK(measured.back().volume_mm3 == Approx(lens).epsilon(1e-6));
  CHECK(measured.front().volume_mm3 == Approx(4.0 / 3 * std::numbers::pi * 8000 - lens).epsilon(1e-7));
}

TEST_CASE("the share of a box below a plane is exact") {
  const Vector3d half(0.5, 0.25, 0.5);
  CHECK(phantom::negativeShare(0, {1, 0, 0}, half) == Approx(0.5).margin(1e-4));
  CHECK(phantom::negativeShare(0.25, {1, 0, 0}, half) == Approx(0.25).margin(1e-4));
  CHECK(phantom::negativeShare(5, {1, 2, 3}, half) == 0);
  CHECK(phantom::negativeShare(-5, {1, 2, 3}, half) == 1);
  // The corner tetrahedron cut off by x + y + z = -0.2 from the cube |x| <= 0.5: edge 1.3 minus three of 0.3.
  CHECK(phantom::negativeShare(0.2, {1, 1, 1}, Vector3d::Constant(0.5)) ==
        Approx((std::pow(1.3, 3) - 3 * std::pow(0.3, 3)) / 6).margin(1e-9));
}

TEST_CASE("partial volume keeps the volume to 0.1 percent at 1 and 3 mm") {
  Anatomy ball = phantom::sphere(15, 1000);
  phantom::addSoftTissue(ball, 6, 2);
  const double truth = 4.0 / 3 * std::numbers::pi * 3375;
  // Air and fat are lifted to muscle, so that what is above it adds up to the volume.
  for (const double spacing : {1.0, 3.0}) {
    phantom::Scan scan = phantom::scan(ball, {Vector3d::Constant(spacing), 0, 0, 0, {}});
    for (std::size_t v = 0; v < scan.ct.voxels.size(); ++v) {
      scan.ct.voxels[v] = std::max(scan.ct.voxels[v], static_cast<float>(phantom::kMuscle_hu));
    }
    CHECK(greyVolume(scan.ct, 1000, phantom::kMuscle_hu) == Approx(truth).epsilon(1e-3));
  }
}

TEST_CASE("noise and metal give the same bytes for any thread count") {
  Anatomy ball = phantom::sphere(14, 1200);
  phantom::addSoftTissue(ball, 4, 2);
  phantom::addMetal(ball, 1, 7);
  const phantom::Scanner scanner{Vector3d(2, 1.8, 2.5), 0.5, 20, 7, {}};
  core::setThreads(1);
  const phantom::Scan one = phantom::scan(ball, scanner);
  core::setThreads(2);
  const phantom::Scan two = phantom::scan(ball, scanner);
  CHECK(one.ct.voxels == two.ct.voxels);
  CHECK(one.labels.voxels == two.labels.voxels);
  CHECK(*std::max_element(one.ct.voxels.begin(), one.ct.voxels.end()) <= 3071);
}

TEST_CASE("metal darkens and brightens what lies beside it") {
  Anatomy ball = phantom::sphere(14, 300);
  phantom::addSoftTissue(ball, 10, 2);
  const phantom::Scanner scanner{Vector3d::Constant(2), 0, 0, 1, {}};
  const image::CtVolume clean = phantom::scan(ball, scanner).ct;
  phantom::addMetal(ball, 1, 1);
  const phantom::Scan scan = phantom::scan(ball, scanner);
  double darkest = 0, brightest = 0;
  for (std::size_t v = 0; v < clean.voxels.size(); ++v) {
    if (scan.metal_fraction.voxels[v] > 0) continue;
    darkest = std::min<double>(darkest, scan.ct.voxels[v] - clean.voxels[v]);
    brightest = std::max<double>(brightest, scan.ct.voxels[v] - clean.voxels[v]);
  }
  CHECK(darkest < -25);
  CHECK(brightest > 10);
}

TEST_CASE("a skull cap differs from its mirror image, unless told to be symmetric") {
  const auto worst = [](const Anatomy& cap) {
    std::vector<double> left(static_cast<std::size_t>(cap.functions)), right(left.size());
    double out = 0;
    for (int i = 0; i < 200; ++i) {
      const double a = 0.1 * i, z = 0.3 + 0.002 * i;
      const Vector3d p = 78 * Vector3d(std::cos(a), std::sin(a), z).normalized();
      cap.evaluate(p, left.data());
      cap.evaluate({-p[0], p[1], p[2]}, right.data());
      out = std::max(out, std::abs(left[0] - right[0]));
    }
    return out;
  };
  CHECK(worst(phantom::skullCap({6, 1}, 0)) > 1.5);
  CHECK(worst(phantom::skullCap({6, 0}, 0)) < 1e-9);
}

TEST_CASE("a tilted phantom keeps its volume") {
  Anatomy egg = phantom::ellipsoid({14, 10, 8}, 1000);
  phantom::tilt(egg, {20, -30, 10});
  CHECK(integrated(egg).volume_mm3 == Approx(4.0 / 3 * std::numbers::pi * 14 * 10 * 8).epsilon(1e-6));
}

TEST_CASE("resection turns bone inside the ball into soft tissue and nothing else changes") {
  Anatomy ball = phantom::sphere(16, 1200);
  phantom::addSoftTissue(ball, 8, 3);
  const image::CtVolume ct = phantom::scan(ball, {Vector3d::Ones(), 0, 12, 3, "f"}).ct;
  const phantom::Resection r{{16, 0, 0}, 16, 250, 2, 0};
  const phantom::Resected cut = phantom::resect(ct, r);
  const double lens = 871.3;  // balls of 16 and 8 mm, centres 16 mm apart
  CHECK(cut.piece_mm3 == Approx(lens).epsilon(0.06));
  CHECK(cut.noise.std_hu == Approx(12).epsilon(0.15));
  CHECK(cut.ct.frame.frame_id == "f");
  double mean = 0, square = 0, n = 0;
  for (int k = 0; k < ct.frame.size[2]; ++k) {
    for (int j = 0; j < ct.frame.size[1]; ++j) {
      for (int i = 0; i < ct.frame.size[0]; ++i) {
        const double distance = (ct.frame.toWorld(Vector3d(i, j, k)) - r.centre_mm).norm();
        if (distance > 9) REQUIRE(cut.ct.at(i, j, k) == ct.at(i, j, k));
        if (cut.piece.at(i, j, k) && distance < 6.5) {
          mean += cut.ct.at(i, j, k);
          square += std::pow(cut.ct.at(i, j, k), 2);
          ++n;
        }
      }
    }
  }
  mean /= n;
  CHECK(mean == Approx(phantom::kMuscle_hu).margin(6));
  CHECK(std::sqrt(square / n - mean * mean) == Approx(12).epsilon(0.3));
  CHECK_THROWS_AS(phantom::resect(ct, {{200, 0, 0}, 16, 250, 2, 0}), core::Error);
}
