#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "lib/registration/shapes.h"
#include "mesh/closest.h"
#include "registration/drift.h"
#include "registration/surface.h"

using namespace osteo;
using Eigen::Affine3d;
using Eigen::Vector3d;
using Points = std::vector<Vector3d>;

namespace {

Affine3d motion(double angle, double scale = 1) {
  Affine3d t = Affine3d::Identity();
  t.linear() = scale * Eigen::AngleAxisd(angle, Vector3d(1, 2, -1).normalized()).toRotationMatrix();
  t.translation() = Vector3d(70, -30, 110);
  return t;
}

double worst(const Affine3d& found, const Affine3d& truth, const Points& points) {
  double most = 0;
  for (const auto& p : points) most = std::max(most, (found * (truth.inverse() * p) - p).norm());
  return most;
}

/// Points of the shape, moved away by the inverse of `truth`.
Points away(Points points, const Affine3d& truth) {
  for (auto& p : points) p = truth.inverse() * p;
  return points;
}

}  // namespace

TEST_CASE("a shape is found from any turn, with and without a scale, and its mirror image does not fit") {
  const auto shape = registration::test::bumpyMesh();
  const Points on = registration::sampleSurface(shape, 800);
  for (const double angle : {0.3, 1.4, 2.9}) {
    for (const double scale : {1.0, 0.8}) {
      const Affine3d truth = motion(angle, scale);
      const auto fit = registration::fitToMesh(away(on, truth), shape,
                                               {.with_scale = scale != 1, .try_mirrored = scale == 1 && angle < 1});
      CHECK(worst(fit.transform, truth, on) < 0.01);
      CHECK(fit.scale == Approx(scale).epsilon(1e-4));
      CHECK(fit.median_mm < 0.001);
      CHECK(fit.mean_mm < 0.01);
      CHECK(fit.runner_up_mm > 0.3);
      if (scale == 1 && angle < 1) CHECK(fit.mirrored_mm > 0.3);
    }
  }
}

TEST_CASE("a part of a shape among points that are none of it is found") {
  const auto shape = registration::test::bumpyMesh();
  Points on;
  for (const auto& p : registration::sampleSurface(shape, 1500))
    if (p.z() > -20) on.push_back(p);
  const core::Random random(9);
  Points all = on;
  for (int i = 0; i < static_cast<int>(on.size()) / 6; ++i)
    all.push_back({40 * random.normal(3 * i), 40 * random.normal(3 * i + 1), 40 * random.normal(3 * i + 2) + 20});
  const Affine3d truth = motion(2.2);
  const auto fit = registration::fitToMesh(away(all, truth), shape, {.overlap = 0.8});
  CHECK(worst(fit.transform, truth, on) < 0.3);
  CHECK(fit.inlier_share > 0.7);
}

TEST_CASE("sixty digitised points with 0.5 mm noise place the shape within 0.58 mm") {
  const auto shape = registration::test::bumpyMesh();
  const core::Random random(21);
  std::vector<double> errors;
  const Points targets = registration::sampleSurface(shape, 200);
  for (int trial = 0; trial < 12; ++trial) {
    Points points;
    for (int i = 0; i < 60; ++i) {
      const int at = 1000 * trial + 8 * i;
      Vector3d p =
          registration::test::bumpyPoint(std::acos(1 - 2 * random.uniform(at)), 6.2831853 * random.uniform(at + 1));
      for (int axis = 0; axis < 3; ++axis) p[axis] += 0.5 * random.normal(500000 + at + axis);
      points.push_back(p);
    }
    const Affine3d truth = motion(0.2 * trial);
    const auto fit = registration::fitToMesh(away(points, truth), shape, {.try_mirrored = false});
    for (const auto& p : targets) errors.push_back((fit.transform * (truth.inverse() * p) - p).norm());
  }
  std::nth_element(errors.begin(), errors.begin() + errors.size() / 2, errors.end());
  CHECK(errors[errors.size() / 2] < 0.58);
}

TEST_CASE("surfaces and drifting points are the same for any number of threads") {
  const auto shape = registration::test::bumpyMesh(24);
  const Points on = registration::sampleSurface(shape, 700), moved = away(on, motion(0.2));
  core::setThreads(1);
  const auto one = registration::fitToMesh(moved, shape);
  const auto drift_one = registration::driftLinear(moved, on, motion(0));
  core::setThreads(2);
  const auto two = registration::fitToMesh(moved, shape);
  const auto drift_two = registration::driftLinear(moved, on, motion(0));
  core::setThreads(core::availableThreads());
  CHECK(one.transform.matrix() == two.transform.matrix());
  CHECK(one.mirrored_mm == two.mirrored_mm);
  CHECK(drift_one.transform.matrix() == drift_two.transform.matrix());
}

TEST_CASE("unfit surfaces and points are refused") {
  const auto shape = registration::test::bumpyMesh(12);
  Points line;
  for (int i = 0; i < 20; ++i) line.push_back({1.0 * i, 2.0 * i, 0});
  CHECK_THROWS_AS(registration::fitToMesh(line, shape), core::Error);
  CHECK_THROWS_AS(registration::fitToMesh({{0, 0, 0}, {1, 0, 0}}, shape), core::Error);
  CHECK_THROWS_AS(registration::fitToMesh(registration::sampleSurface(shape, 50), {}), core::Error);
  CHECK_THROWS_AS(registration::driftLinear({{0, 0, 0}}, line, Affine3d::Identity()), core::Error);
}

TEST_CASE("point sets drift onto one another") {
  const auto shape = registration::test::bumpyMesh();
  const Points fixed = registration::sampleSurface(shape, 900);
  SECTION("by a similarity: as near as the sampling when the points differ, exactly when some are the same") {
    const Affine3d truth = motion(0.4, 1.15);
    Affine3d start = Affine3d::Identity();
    start.translation() = truth.translation();
    const Points on = registration::sampleSurface(shape, 700);  // about 5 mm apart
    Points same = on;
    const core::Random random(4);
    for (int i = 0; i < 150; ++i)
      same.push_back({60 * random.normal(3 * i), 60 * random.normal(3 * i + 1), 60 * random.normal(3 * i + 2)});
    const auto near = registration::driftLinear(away(on, truth), fixed, start, {.with_scale = true});
    CHECK(worst(near.transform, truth, on) < 3.0);
    CHECK(near.scale == Approx(1.15).epsilon(0.01));
    CHECK(near.matched_share > 0.9);
    const auto fit = registration::driftLinear(away(on, truth), same, start, {.outliers = 0.2, .with_scale = true});
    CHECK(worst(fit.transform, truth, on) < 0.05);
    CHECK(fit.matched_share < 0.85);
  }
  SECTION("by a deformation") {
    Points moving = registration::sampleSurface(shape, 700);
    for (auto& p : moving) p += Vector3d(3 * std::sin(p.z() / 25), 2 * std::cos(p.x() / 20), 0.0008 * p.z() * p.z());
    registration::GaussianField field;
    const auto fit = registration::driftDeformable(moving, fixed, field);
    // How far a point slid along the surface can't be seen; how far it is off the surface can.
    const mesh::ClosestPoint nearest(shape);
    double before = 0, after = 0, field_error = 0;
    for (std::size_t i = 0; i < moving.size(); ++i) {
      before += nearest(moving[i]).distance_mm / 700;
      after += nearest(fit.moved[i]).distance_mm / 700;
      field_error = std::max(field_error, (moving[i] + field(moving[i]) - fit.moved[i]).norm());
    }
    INFO("before " << before << " after " << after << " sigma " << fit.sigma_mm << " " << fit.iterations);
    CHECK(after < 0.5 * before);
    CHECK(field_error < 1e-6);
  }
}
