#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "mesh/measures.h"
#include "reconstruct/complete.h"
#include "view.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

/// The calvarium of the figures: an ellipsoid-like shell of uneven thickness, asymmetric in y and open below; signed
/// roughly in mm.
double calvarium(const Vector3d& p, double asymmetry) {
  const double r = p.norm() + 1e-9, theta = std::atan2(p.y(), p.x()), phi = std::atan2(p.z(), std::hypot(p.x(), p.y()));
  const Vector3d u = p / r;
  const double c = std::cos(phi);
  const double outer = (1 + 0.03 * std::cos(2 * theta) * c * c + 0.02 * std::sin(3 * phi) + asymmetry * u.y() * 0.04) /
                       Vector3d(u.x() / 88, u.y() / 72, u.z() / 70).norm();
  const double thickness = 6 * (1 + 0.25 * std::sin(2 * phi) + 0.15 * std::cos(3 * theta) * c);
  return std::max({r - outer, outer - thickness - r, -35 - p.z()});
}

constexpr double kScale = 0.65;  // keeps the test short

/// Mirror axis y of the formula turned to x of the patient, with a tilt.
const Eigen::Matrix3d& pose() {
  static const Eigen::Matrix3d turn =
      (Eigen::AngleAxisd(0.1, Vector3d::UnitY()) * Eigen::AngleAxisd(-M_PI / 2 + 0.15, Vector3d::UnitZ()))
          .toRotationMatrix();
  return turn;
}

const Vector3d kLeft = Vector3d(0.2, 0.85, 0.49).normalized(), kTop = Vector3d(0.3, 0, 0.95).normalized();

levelset::LevelSet shell(double asymmetry, double hole_radius, double part, const Vector3d& axis = kLeft) {
  return levelset::fromFunction(
      [&](const Vector3d& world) {
        const Vector3d p = pose().transpose() * world / kScale;
        const double bone = calvarium(p, asymmetry), side = p.dot(axis);
        const double hole = side > 0 ? (p - side * axis).norm() - hole_radius : 1e3;
        return part > 0 ? std::max(bone, hole) : std::max(bone, -hole);
      },
      Vector3d::Constant(-95 * kScale), Vector3d::Constant(95 * kScale), 0.8);
}

}  // namespace

TEST_CASE("the missing piece of an asymmetric calvarium comes from its other side") {
  const auto host = shell(0.25, 25, -1), truth = shell(0.25, 25, 1);
  reconstruct::CompletionReport report;
  core::setThreads(2);
  const auto piece = reconstruct::complete(host, wideView(), {.method = "mirror"}, report);
  const double common = levelset::volume_mm3(levelset::intersect(piece, truth));
  const double dice = 2 * common / (levelset::volume_mm3(piece) + levelset::volume_mm3(truth));
  WARN("Dice " << dice << ", rim step " << report.rim_step_mm << " mm");
  CHECK(dice > 0.95);  // 0.811 with the exact plane and no fit to the rim
  CHECK(levelset::intersect(piece, host).empty());
  CHECK(mesh::topology(levelset::toMesh(piece)).closed());
  CHECK(std::abs(report.mirror->plane.normal.dot(pose().col(1))) > std::cos(2.0 / 57.3));
  CHECK(report.rim_step_mm < 1);
}

TEST_CASE("a hole across the midline is closed by its rim, which is measured") {
  core::setThreads(2);
  const auto host = shell(0.25, 20, -1, kTop), truth = shell(0.25, 20, 1, kTop);
  reconstruct::CompletionOptions options;
  options.piece.defect_at_mm = pose() * kTop * 70 * kScale;
  reconstruct::CompletionReport report;
  const auto piece = reconstruct::complete(host, wideView(), options, report);
  const double common = levelset::volume_mm3(levelset::intersect(piece, truth));
  const double dice = 2 * common / (levelset::volume_mm3(piece) + levelset::volume_mm3(truth));
  WARN("Dice " << dice << ", expected error " << report.expected_error_mm << " mm");
  CHECK(dice > 0.93);
  CHECK(report.method == "rim");
  CHECK(report.expected_error_mm < 0.5);
  CHECK(levelset::intersect(piece, host).empty());
  CHECK(report.piece.rim_length_mm == Approx(2 * M_PI * 20 * kScale).epsilon(0.12));
  CHECK(report.piece.outer_area_mm2 == Approx(M_PI * std::pow(20 * kScale, 2)).epsilon(0.2));
  CHECK(report.piece.normal.dot(pose() * kTop) > 0.95);
  CHECK(report.piece.rim_mm.size() == static_cast<std::size_t>(report.piece.rim_length_mm));
  CHECK((report.piece.centre_mm - pose() * kTop * 68 * kScale).norm() < 5);
}

TEST_CASE("auto takes what misses the hidden ring least, on any number of threads") {
  const auto host = shell(0.25, 25, -1);
  reconstruct::CompletionReport report[2];
  levelset::LevelSet pieces[2];
  for (const int threads : {1, 2}) {
    core::setThreads(threads);
    pieces[threads - 1] = reconstruct::complete(host, wideView(), {}, report[threads - 1]);
  }
  CHECK(levelset::volume_mm3(pieces[0]) == levelset::volume_mm3(pieces[1]));
  REQUIRE(report[0].trials.size() == 2);
  double least = 1e300;
  for (const auto& trial : report[0].trials) {
    REQUIRE(trial.failure.empty());
    least = std::min(least, trial.rim.hidden_error_mm);
  }
  CHECK(report[0].expected_error_mm <= least / 0.9);
  CHECK(report[0].expected_error_mm == report[1].expected_error_mm);
  CHECK_THROWS_AS(reconstruct::complete(host, wideView(), {.method = "shape"}, report[0]), core::Error);
  CHECK_THROWS_AS(reconstruct::complete(host, wideView(), {.method = "network"}, report[0]), core::Error);
}

TEST_CASE("nothing is made up where nothing is missing") {
  reconstruct::CompletionReport report;
  CHECK_THROWS_AS(reconstruct::complete(shell(0.25, 0, -1), wideView(), {}, report), core::Error);
}
