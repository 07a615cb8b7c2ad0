#include "measure/dimensions.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "image/morphology.h"

namespace osteo::measure {
namespace {

using Eigen::Vector3d;

constexpr int kDirections = 2000;  // caliper directions, some 3 degrees apart

/// Corners of the voxels at the mask's surface: its hull is theirs.
std::vector<Vector3d> surfaceCorners(const image::LabelVolume& mask) {
  std::vector<Vector3d> corners;
  const auto& size = mask.frame.size;
  const auto inside = [&](int i, int j, int k) { return mask.contains(i, j, k) && mask.at(i, j, k) != 0; };
  for (int k = 0; k < size[2]; ++k)
    for (int j = 0; j < size[1]; ++j)
      for (int i = 0; i < size[0]; ++i) {
        // The hull's corners belong to voxels at the ends of their rows.
        if (!inside(i, j, k) || (inside(i - 1, j, k) && inside(i + 1, j, k))) continue;
        for (int c = 0; c < 8; ++c)
          corners.push_back(mask.frame.toWorld({i - 0.5 + (c & 1), j - 0.5 + (c >> 1 & 1), k - 0.5 + (c >> 2)}));
      }
  return corners;
}

double width(const std::vector<Vector3d>& points, const Vector3d& way) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Vector3d& p : points) {
    const double at = p.dot(way);
    low = std::min(low, at), high = std::max(high, at);
  }
  return high - low;
}

Vector3d direction(int n) {
  const double z = 1 - (n + 0.5) / kDirections, turn = n * std::numbers::pi * (3 - std::sqrt(5.0)),
               r = std::sqrt(1 - z * z);
  return {r * std::cos(turn), r * std::sin(turn), z};
}

}  // namespace

Dimensions dimensionsOf(const image::LabelVolume& mask) {
  const std::vector<Vector3d> corners = surfaceCorners(mask);
  if (corners.empty()) throw core::Error(core::Exit::DataError, {.what = "the label has no voxels"});
  Dimensions d;
  double count = 0;
  Eigen::Matrix3d squares = Eigen::Matrix3d::Zero();
  const Vector3d near = corners.front();  // sums stay small
  for (std::int64_t n = 0; n < mask.frame.voxelCount(); ++n) {
    if (mask.voxels[static_cast<std::size_t>(n)] == 0) continue;
    const Vector3d p = mask.frame.centre(n) - near;
    ++count, d.centroid_mm += p, squares += p * p.transpose();
  }
  d.volume_mm3 = count * mask.frame.voxelVolume_mm3();
  const Vector3d mean = d.centroid_mm / count;
  d.centroid_mm = near + mean;
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver(squares / count - mean * mean.transpose());
  d.axes = solver.eigenvectors().rowwise().reverse();
  if (d.axes.determinant() < 0) d.axes.col(2) *= -1;
  for (int axis = 0; axis < 3; ++axis) {
    d.extents_mm[axis] = width(corners, d.axes.col(axis));
    const auto [low, high] = std::minmax_element(
        corners.begin(), corners.end(), [axis](const Vector3d& a, const Vector3d& b) { return a[axis] < b[axis]; });
    d.box_min_mm[axis] = (*low)[axis], d.box_max_mm[axis] = (*high)[axis];
  }
  std::vector<double> widths(kDirections);
  core::parallelFor(kDirections, [&](std::int64_t n) {
    widths[static_cast<std::size_t>(n)] = width(corners, direction(static_cast<int>(n)));
  });
  d.largest_mm = std::max(*std::max_element(widths.begin(), widths.end()), d.extents_mm.maxCoeff());
  d.smallest_mm = std::min(*std::min_element(widths.begin(), widths.end()), d.extents_mm.minCoeff());
  d.parts = static_cast<int>(image::components(mask, image::Connectivity::Faces).voxels.size());
  return d;
}

}  // namespace osteo::measure
