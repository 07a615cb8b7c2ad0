#include <catch2/catch.hpp>
#include <cmath>

#include "core/parallel.h"
#include "segment/sheetness.h"

using namespace osteo;
using Eigen::Vector3d;

namespace {

constexpr double kSoft_hu = 40, kStep_hu = 300;

/// `depth` is the distance into the solid in mm; its edge is sampled with the partial volume of one voxel.
template <class Depth>
image::CtVolume draw(const Vector3d& spacing_mm, double step_hu, const Depth& depth) {
  image::Frame frame;
  frame.size = (24.0 * spacing_mm.cwiseInverse()).cast<int>();
  frame.spacing_mm = spacing_mm;
  frame.origin_mm = -frame.size.cast<double>().cwiseProduct(spacing_mm) / 2;
  image::CtVolume ct(frame);
  for (std::int64_t v = 0; v < frame.voxelCount(); ++v) {
    const double inside = std::clamp(0.5 + depth(frame.centre(v)) / spacing_mm.minCoeff(), 0.0, 1.0);
    ct.voxels[static_cast<std::size_t>(v)] = static_cast<float>(kSoft_hu + step_hu * inside);
  }
  return ct;
}

double atCentre(const image::CtVolume& ct, const segment::Sheets& how) {
  const auto all = image::LabelVolume(ct.frame, 1);
  const Eigen::Vector3i c = ct.frame.size / 2;
  return segment::sheetness(ct, all, how).at(c[0], c[1], c[2]) / 255.0;
}

double density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); }

}  // namespace

TEST_CASE("a plate of known thickness answers as the second derivative of its blurred profile says") {
  const Vector3d normal = Vector3d(1, 2, 2) / 3;
  for (const double thickness_mm : {1.5, 3.0, 5.0}) {
    for (const double sigma_mm : {1.5, 2.0}) {
      const image::CtVolume ct = draw({0.4, 0.4, 0.5}, kStep_hu,
                                      [&](const Vector3d& p) { return thickness_mm / 2 - std::abs(p.dot(normal)); });
      const double ratio = thickness_mm / sigma_mm, strength = kStep_hu * ratio * density(ratio / 2) / 60;
      CHECK(atCentre(ct, {{sigma_mm}, 60}) == Approx(1 - std::exp(-strength * strength / 2)).margin(0.04));
    }
  }
}

TEST_CASE("of several scales the one that fits a plate counts") {
  const image::CtVolume ct = draw(Vector3d::Constant(0.6), 60, [](const Vector3d& p) { return 0.75 - std::abs(p[2]); });
  const double both = atCentre(ct, {{0.75, 3.0}, 60});
  CHECK(both == atCentre(ct, {{0.75}, 60}));
  CHECK(both > 1.5 * atCentre(ct, {{3.0}, 60}));
}

TEST_CASE("rods, balls, dark plates, edges and ramps are no plates") {
  const segment::Sheets how{{1.0}, 60};
  const Vector3d h = Vector3d::Constant(0.6);
  CHECK(atCentre(draw(h, kStep_hu, [](const Vector3d& p) { return 1 - p.head<2>().norm(); }), how) < 0.2);
  CHECK(atCentre(draw(h, kStep_hu, [](const Vector3d& p) { return 1.2 - p.norm(); }), how) < 0.2);
  CHECK(atCentre(draw(h, -kStep_hu, [](const Vector3d& p) { return 1 - std::abs(p[1]); }), how) == 0);
  CHECK(atCentre(draw(h, kStep_hu, [](const Vector3d& p) { return 5 + p[1]; }), how) == 0);
}

TEST_CASE("sheetness is worked where it is asked for, to the same bytes for any thread count") {
  const image::CtVolume ct =
      draw(Vector3d::Constant(0.4), kStep_hu, [](const Vector3d& p) { return 1 - std::abs(p.norm() - 8); });
  image::LabelVolume half(ct.frame);
  for (std::int64_t v = 0; v < ct.frame.voxelCount(); ++v)
    half.voxels[static_cast<std::size_t>(v)] = ct.frame.centre(v)[0] < 0 ? 1 : 0;
  core::setThreads(1);
  const auto one = segment::sheetness(ct, half, {}).voxels;
  core::setThreads(2);
  CHECK(one == segment::sheetness(ct, half, {}).voxels);
  int beyond = 0, within = 0;
  for (std::size_t v = 0; v < one.size(); ++v) (half.voxels[v] ? within : beyond) += one[v] > 128;
  CHECK(beyond == 0);
  CHECK(within > 1000);
}
