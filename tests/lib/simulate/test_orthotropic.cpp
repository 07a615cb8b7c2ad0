#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>

#include "core/random.h"
#include "simulate/orthotropic.h"

using namespace osteo;
using namespace osteo::simulate;
using Eigen::Matrix3d;
using Eigen::Vector3d;

namespace {

Matrix6d orthotropic(const std::array<double, 9>& c) {
  Matrix6d out = Matrix6d::Zero();
  for (int n = 0; n < 6; ++n) out(n, n) = c[n];
  out(1, 2) = out(2, 1) = c[6], out(0, 2) = out(2, 0) = c[7], out(0, 1) = out(1, 0) = c[8];
  return out;
}

const Matrix6d kBone = orthotropic({354, 410, 583, 150, 128, 117, 149, 155, 146});
const Matrix6d kCubic = orthotropic({300, 300, 300, 130, 130, 130, 80, 80, 80});
const Matrix6d kTetragonal = orthotropic({300, 300, 420, 130, 130, 140, 95, 95, 80});
const Matrix6d kAlongAxis = orthotropic({354, 354, 583, 136, 136, 104, 149, 149, 146});  // c66 = (c11 − c12)/2
const Matrix6d kIsotropic = orthotropic({300, 300, 300, 100, 100, 100, 100, 100, 100});

Matrix3d turnOf(int n) {
  const core::Random random(31, static_cast<std::uint64_t>(n));
  return Eigen::Quaterniond(random.normal(0), random.normal(1), random.normal(2), random.normal(3))
      .normalized()
      .toRotationMatrix();
}

/// Largest entry of the difference, over the largest of the second.
double off(const Matrix6d& a, const Matrix6d& b) { return (a - b).cwiseAbs().maxCoeff() / b.cwiseAbs().maxCoeff(); }

/// The same with the axes of `a` called in the order that fits best.
double offInAnyOrder(const Matrix6d& a, const Matrix6d& b) {
  double out = 1e300;
  std::array<int, 3> order = {0, 1, 2};
  do {
    Matrix3d axes = Matrix3d::Zero();
    for (int row = 0; row < 3; ++row) axes(row, order[row]) = 1;
    out = std::min(out, off(rotated(a, axes), b));
  } while (std::next_permutation(order.begin(), order.end()));
  return out;
}

double degrees(const Matrix3d& rotation) { return Eigen::AngleAxisd(rotation).angle() * 180 / M_PI; }

}  // namespace

TEST_CASE("an orthotropic stiffness finds its axes again from any turn") {
  for (int n = 0; n < 60; ++n) {
    const Matrix3d turn = turnOf(n);
    const std::vector<OrthotropicFrame> found = orthotropicFrames(rotated(kBone, turn));
    REQUIRE(found.size() == 1);
    CHECK(found[0].skew_share < 1e-5);
    CHECK(found[0].axes.determinant() == Approx(1));
    CHECK(offInAnyOrder(rotated(rotated(kBone, turn), found[0].axes), kBone) < 1e-5);
    // The axes are those of the file, but for their names and signs.
    const Matrix3d back = found[0].axes * turn;
    for (int row = 0; row < 3; ++row) CHECK(back.row(row).cwiseAbs().maxCoeff() == Approx(1).epsilon(1e-8));
    CHECK(degrees(found[0].axes) < 63);
    CHECK(leastTurned(found[0].axes) == found[0].axes);
  }
}

TEST_CASE("axes that fit stay, whatever rounding leaves beside them") {
  const core::Random random(5);
  for (const Matrix6d& along : {kBone, kCubic, kTetragonal, kAlongAxis, kIsotropic}) {
    CHECK(orthotropicFrames(along)[0].axes == Matrix3d::Identity());
    Matrix6d rough = along;
    for (int p = 0; p < 6; ++p)
      for (int q = 0; q <= p; ++q) rough(p, q) = rough(q, p) += 3e-2 * (random.uniform(6 * p + q) - 0.5);
    CHECK(orthotropicFrames(rough)[0].axes == Matrix3d::Identity());
  }
  CHECK(orthotropicFrames(kIsotropic).size() == 1);
  CHECK(orthotropicFrames(kBone).size() == 1);
  CHECK(orthotropicFrames(kCubic).size() == 2);
  CHECK(orthotropicFrames(kTetragonal).size() == 2);
}

TEST_CASE(
    "more symmetry than three planes: cubes along their edges, one axis by the least turn, isotropic not at all") {
  for (int n = 0; n < 30; ++n) {
    const Matrix3d turn = turnOf(100 + n);
    const std::vector<OrthotropicFrame> cubic = orthotropicFrames(rotated(kCubic, turn));
    REQUIRE(cubic.size() == 2);
    CHECK(off(rotated(rotated(kCubic, turn), cubic[0].axes), kCubic) < 1e-5);
    const std::vector<OrthotropicFrame> tetragonal = orthotropicFrames(rotated(kTetragonal, turn));
    REQUIRE(tetragonal.size() == 2);
    double nearest = 1;
    for (const OrthotropicFrame& frame : tetragonal)
      nearest = std::min(nearest, offInAnyOrder(rotated(rotated(kTetragonal, turn), frame.axes), kTetragonal));
    CHECK(nearest < 1e-5);
    const std::vector<OrthotropicFrame> one = orthotropicFrames(rotated(kAlongAxis, turn));
    REQUIRE(one.size() == 1);
    CHECK(offInAnyOrder(rotated(rotated(kAlongAxis, turn), one[0].axes), kAlongAxis) < 1e-4);
    // No farther than the shortest way from one of the given axes to that of the stiffness.
    const Vector3d axis = turn.col(2);
    CHECK(degrees(one[0].axes) < std::acos(axis.cwiseAbs().maxCoeff()) * 180 / M_PI + 0.1);
    CHECK(orthotropicFrames(rotated(kIsotropic, turn))[0].axes == Matrix3d::Identity());
    CHECK(orthotropicFrames(rotated(kIsotropic, turn)).size() == 1);
  }
}

TEST_CASE("frames move little when the numbers do") {
  for (int n = 0; n < 20; ++n) {
    const core::Random random(6, static_cast<std::uint64_t>(n));
    for (const Matrix6d& own : {kBone, kAlongAxis, kIsotropic}) {
      const Matrix6d wanted = rotated(own, turnOf(200 + n));
      Matrix6d rough = wanted;
      for (int p = 0; p < 6; ++p)
        for (int q = 0; q <= p; ++q) rough(p, q) = rough(q, p) += 1e-3 * (random.uniform(6 * p + q) - 0.5);
      const Matrix3d a = orthotropicFrames(wanted)[0].axes, b = orthotropicFrames(rough)[0].axes;
      CHECK(degrees(a * b.transpose()) < 0.1);
    }
  }
}

TEST_CASE("what no orthotropic stiffness has is measured, and no turn finds less of it") {
  Matrix6d skew = kBone;
  skew(0, 5) = skew(5, 0) = 40, skew(1, 5) = skew(5, 1) = -35, skew(3, 4) = skew(4, 3) = 20;
  const double wanted = std::sqrt(4 * (40. * 40 + 35. * 35) + 8 * 20. * 20);
  Matrix6d mandel = skew;
  mandel.bottomRows<3>() *= std::sqrt(2), mandel.rightCols<3>() *= std::sqrt(2);
  CHECK(skewShare(skew) == Approx(wanted / mandel.norm()));
  CHECK(skewShare(kBone) == 0);
  const OrthotropicFrame best = orthotropicFrames(skew)[0];
  CHECK(best.skew_share < skewShare(skew));
  CHECK(best.skew_share > 0.01);
  for (int n = 0; n < 300; ++n) {
    const Matrix3d turn = turnOf(300 + n);
    CHECK(skewShare(rotated(skew, turn)) >= best.skew_share);
    if (n < 20) CHECK(orthotropicFrames(rotated(skew, turn))[0].skew_share == Approx(best.skew_share).epsilon(1e-3));
  }
}

TEST_CASE("the nearest frame takes a turn back, and leaves what fits as it is") {
  for (int n = 0; n < 20; ++n) {
    const Matrix3d turn = turnOf(700 + n);
    for (const Matrix6d& own : {kBone, kCubic, kTetragonal}) {
      const Matrix6d turned = rotated(own, turn);
      CHECK(off(rotated(turned, nearestFrame(turned, own)), own) < 1e-5);
    }
  }
  CHECK(nearestFrame(kBone, kBone).isApprox(Matrix3d::Identity(), 1e-9));
  CHECK(nearestFrame(kIsotropic, kBone).isApprox(Matrix3d::Identity(), 1e-6));
}
