#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "registration/geometry.h"
#include "registration/points.h"

using namespace osteo;
using Eigen::Vector3d;
using Points = std::vector<Vector3d>;

namespace {

const Points kFiducials{{0, 0, 0}, {80, 0, 0}, {0, 60, 0}, {0, 0, 70}};

Eigen::Affine3d motion(double scale) {
  Eigen::Affine3d t = Eigen::Affine3d::Identity();
  t.linear() = scale * Eigen::AngleAxisd(2.1, Vector3d(1, -2, 0.5).normalized()).toRotationMatrix();
  t.translation() = Vector3d(12, -40, 7);
  return t;
}

Points mapped(const Points& points, const Eigen::Affine3d& t) {
  Points out;
  for (const auto& p : points) out.push_back(t * p);
  return out;
}

}  // namespace

TEST_CASE("paired points give back their motion and their similarity") {
  for (const double scale : {1.0, 1.3}) {
    const auto truth = motion(scale);
    const auto fit = registration::fitPoints(kFiducials, mapped(kFiducials, truth), scale != 1);
    CHECK((fit.transform.matrix() - truth.matrix()).cwiseAbs().maxCoeff() < 1e-10);
    CHECK(fit.scale == Approx(scale));
    CHECK(fit.fre_mm < 1e-10);
    CHECK(fit.mirrored_fre_mm > 10);
  }
}

TEST_CASE("a mirrored set of points is told, not fitted with a reflection") {
  Points mirrored = kFiducials;
  for (auto& p : mirrored) p.x() = -p.x();
  const auto fit = registration::fitPoints(kFiducials, mirrored);
  CHECK(fit.transform.linear().determinant() == Approx(1));
  CHECK(fit.fre_mm > 10);
  CHECK(fit.mirrored_fre_mm < 1e-5);
}

TEST_CASE("predicted errors are Fitzpatrick's, and those of simulated localisation errors") {
  const Vector3d target(40, 40, 90);
  CHECK(registration::predictedTre_mm(kFiducials, {target}, 1).front() == Approx(0.952).margin(0.0005));
  CHECK(registration::predictedFre_mm(4, 1) == Approx(0.7071).margin(0.0001));
  const core::Random random(5);
  double tre2 = 0, fre2 = 0;
  constexpr int kTrials = 20000;
  for (int trial = 0; trial < kTrials; ++trial) {
    Points noisy = kFiducials;
    for (int i = 0; i < 4; ++i)
      for (int axis = 0; axis < 3; ++axis) noisy[i][axis] += random.normal(12 * trial + 3 * i + axis) / std::sqrt(3.0);
    const auto fit = registration::fitPoints(noisy, kFiducials);
    tre2 += (fit.transform * target - target).squaredNorm() / kTrials;
    fre2 += fit.fre_mm * fit.fre_mm / kTrials;
  }
  CHECK(std::sqrt(tre2) == Approx(0.952).epsilon(0.02));
  CHECK(std::sqrt(fre2) == Approx(0.7071).epsilon(0.02));
}

TEST_CASE("points that leave a turn open are refused, points in a plane are not") {
  const Points line{{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {5, 5, 5}}, two{{0, 0, 0}, {1, 0, 0}};
  const Points same(5, Vector3d(1, 2, 3)), plane{{0, 0, 0}, {8, 0, 0}, {0, 6, 0}, {5, 5, 0}};
  for (const Points& bad : {line, two, same}) {
    CHECK_THROWS_AS(registration::fitPoints(bad, bad), core::Error);
    CHECK_THROWS_AS(registration::predictedTre_mm(bad, {Vector3d(1, 1, 1)}, 1), core::Error);
  }
  CHECK_THROWS_AS(registration::fitPoints(plane, kFiducials.size() == 4 ? two : plane), core::Error);
  const auto fit = registration::fitPoints(plane, mapped(plane, motion(1)));
  CHECK((fit.transform.matrix() - motion(1).matrix()).cwiseAbs().maxCoeff() < 1e-9);
}

TEST_CASE("points with names are paired by name in the order of the first list, however long the lists") {
  constexpr int kMany = 200000;  // comparing every name with every other would take minutes
  registration::Geometry a, b;
  for (int i = 0; i < kMany; ++i) {
    a.names.push_back("p" + std::to_string(i));
    a.points.emplace_back(i, 0, 0);
    const int j = kMany - 1 - i;  // every third is missing on this side, which has names of its own
    b.names.push_back((j % 3 == 0 ? "q" : "p") + std::to_string(j));
    b.points.emplace_back(j, 1, 0);
  }
  Points of_a, of_b;
  registration::pairPoints(a, b, of_a, of_b);
  REQUIRE(of_a.size() == std::size_t{kMany} - (kMany + 2) / 3);
  REQUIRE(of_b.size() == of_a.size());
  bool pairs = true;
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    pairs = pairs && of_b[i] == of_a[i] + Vector3d(0, 1, 0);
    pairs = pairs && (i == 0 || of_a[i].x() > of_a[i - 1].x());
  }
  CHECK(pairs);
}
