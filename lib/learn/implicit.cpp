#include "learn/implicit.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace osteo::learn {

using Eigen::Affine3d;
using Eigen::Vector3d;
using registration::OrientedPoint;

namespace {

Vector3d halfBox(const Network& network) {
  return {network.setting("half_x_mm"), network.setting("half_y_mm"), network.setting("half_z_mm")};
}

/// The points and, along their normals, a place outside and one inside; moved by `start`.
Observations observe(const std::vector<OrientedPoint>& points, const Affine3d& start, int count) {
  constexpr double kOff_mm = 2;
  Observations out;
  const double scale = std::cbrt(std::abs(start.linear().determinant()));
  const std::size_t taken = std::min(points.size(), static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < taken; ++i) {
    const OrientedPoint& point = points[i * points.size() / taken];
    for (const double off : {0.0, kOff_mm, -kOff_mm}) {
      const Vector3d p = start * (point.position + off * point.normal);
      for (int a = 0; a < 3; ++a) out.points_mm.push_back(static_cast<float>(p[a]));
      out.distance_mm.push_back(static_cast<float>(off * scale));
    }
  }
  return out;
}

Affine3d similarityOf(const LatentFit& found) {
  Affine3d out;
  out.matrix().topRows<3>() = Eigen::Map<const Eigen::Matrix<double, 3, 4, Eigen::RowMajor>>(found.similarity);
  out.matrix().row(3) << 0, 0, 0, 1;
  return out;
}

/// Starts that place the points' box at fractions of the way along the model's longest side.
std::vector<Affine3d> starts(const Network& network, const std::vector<OrientedPoint>& points) {
  Eigen::AlignedBox3d box;
  for (const OrientedPoint& point : points) box.extend(point.position);
  int longest = 0;
  const Vector3d half = halfBox(network);
  half.maxCoeff(&longest);
  const double spare = std::max(0.0, half[longest] - 0.5 * box.sizes()[longest]);
  std::vector<Affine3d> out;
  for (const double share : {0.0, -0.5, 0.5, -0.95, 0.95})
    out.emplace_back(Eigen::Translation3d(share * spare * Vector3d::Unit(longest) - box.center()));
  return out;
}

Affine3d bestStart(const Network& network, const std::vector<OrientedPoint>& points) {
  Affine3d best = Affine3d::Identity();
  double least = 1e300;
  for (const Affine3d& start : starts(network, points)) {
    LatentFitting how;
    how.steps = 120;
    how.rate = 0.02;
    how.prior = 1;  // the mean shape
    const LatentFit found = fit(network, observe(points, start, 300), how);
    if (found.loss_mm >= least) continue;
    least = found.loss_mm;
    best = similarityOf(found) * start;
  }
  return best;
}

}  // namespace

Weights readImplicit(const std::string& folder) {
  Weights weights = readWeights(folder, "implicit-mlp");
  requireSettings(weights.network, folder,
                  {{"shapes", 1, 1e6},
                   {"latent", 1, 512},
                   {"width", 8, 2048},
                   {"layers", 2, 32},
                   {"frequencies", 0, 16},
                   {"clamp_mm", 0.1, 1000},
                   {"prior", 0, 1e6},
                   {"half_x_mm", 1, 1e5},
                   {"half_y_mm", 1, 1e5},
                   {"half_z_mm", 1, 1e5}});
  return weights;
}

ImplicitShape fitImplicit(const Weights& weights, const std::vector<OrientedPoint>& points,
                          const ImplicitFitting& how) {
  constexpr std::size_t kLeast = 20;
  if (points.size() < kLeast) {
    throw core::Error(core::Exit::DataError, {.what = "too few surface points to find a bone by",
                                              .expected = std::to_string(kLeast),
                                              .got = std::to_string(points.size())});
  }
  const Affine3d start = how.search ? bestStart(weights.network, points) : how.start;
  LatentFitting fitting;
  fitting.steps = how.steps;
  fitting.prior = how.prior;
  fitting.move = how.move;
  const LatentFit found = fit(weights.network, observe(points, start, how.points), fitting);
  return {found.code, similarityOf(found) * start, found.loss_mm};
}

image::CtVolume distanceOf(const Weights& weights, const ImplicitShape& shape, const image::Frame& frame) {
  const Network& network = weights.network;
  const auto clamp = static_cast<float>(network.setting("clamp_mm"));
  const Vector3d half = halfBox(network);
  const double scale = std::cbrt(std::abs(shape.model_from_patient.linear().determinant()));
  image::CtVolume out(frame, static_cast<float>(clamp / scale));
  for (int k = 0; k < frame.size[2]; ++k) {  // a slice at a time bounds the memory
    Batch batch;
    std::vector<std::size_t> where;
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        const Vector3d p = shape.model_from_patient * frame.toWorld(Vector3d(i, j, k));
        if ((p.cwiseAbs() - half).maxCoeff() > 0) continue;
        for (int a = 0; a < 3; ++a) batch.input.push_back(static_cast<float>(p[a]));
        where.push_back(static_cast<std::size_t>(out.index(i, j, k)));
      }
    }
    if (where.empty()) continue;
    batch.count = static_cast<std::int64_t>(where.size());
    const std::vector<float> found = apply(network, batch, shape.code);
    for (std::size_t n = 0; n < where.size(); ++n)
      out.voxels[where[n]] = std::clamp(found[n], -clamp, clamp) / static_cast<float>(scale);
  }
  return out;
}

}  // namespace osteo::learn
