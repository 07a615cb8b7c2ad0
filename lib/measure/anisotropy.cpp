#include "measure/anisotropy.h"

#include <Eigen/Dense>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"

namespace osteo::measure {
namespace {

using Eigen::Vector3d;

constexpr int kDirections = 400;
constexpr int kLinesAcross = 40;
constexpr double kStep = 0.5;  // of the smallest voxel edge

/// Evenly over half a sphere (Fibonacci lattice).
Vector3d direction(int n) {
  const double z = 1 - (n + 0.5) / kDirections, turn = n * std::numbers::pi * (3 - std::sqrt(5.0)),
               r = std::sqrt(1 - z * z);
  return {r * std::cos(turn), r * std::sin(turn), z};
}

struct Count {
  double length_mm = 0;
  std::int64_t crossings = 0;
};

/// Along one line from a point, in mm from the image's corner, on the image's axes.
void follow(const image::LabelVolume& bone, const image::LabelVolume& region, Vector3d p, const Vector3d& step,
            double length_mm, Count& count) {
  const Vector3d& s = bone.frame.spacing_mm;
  const double step_mm = step.norm();
  int before = -1;  // outside the region
  for (double at = 0; at < length_mm; at += step_mm, p += step) {
    const int i = static_cast<int>(std::floor(p[0] / s[0])), j = static_cast<int>(std::floor(p[1] / s[1])),
              k = static_cast<int>(std::floor(p[2] / s[2]));
    if (!bone.contains(i, j, k) || region.at(i, j, k) == 0) {
      before = -1;
      continue;
    }
    const int here = bone.at(i, j, k) != 0;
    if (before >= 0) {
      count.length_mm += step_mm;
      count.crossings += here != before;
    }
    before = here;
  }
}

Count alongDirection(const image::LabelVolume& bone, const image::LabelVolume& region, const Vector3d& way) {
  const Vector3d size = bone.frame.size.cast<double>().cwiseProduct(bone.frame.spacing_mm), middle = 0.5 * size;
  const double diagonal = size.norm(), apart = diagonal / kLinesAcross;
  const Vector3d x = way.unitOrthogonal(), y = way.cross(x);
  Count count;
  for (int v = 0; v < kLinesAcross; ++v)
    for (int u = 0; u < kLinesAcross; ++u) {
      const Vector3d from = middle + (u + 0.5 - 0.5 * kLinesAcross) * apart * x +
                            (v + 0.5 - 0.5 * kLinesAcross) * apart * y - 0.5 * diagonal * way;
      follow(bone, region, from, kStep * bone.frame.spacing_mm.minCoeff() * way, diagonal, count);
    }
  return count;
}

}  // namespace

Fabric meanInterceptLengths(const image::LabelVolume& bone, const image::LabelVolume& region) {
  std::vector<Count> counts(kDirections);
  core::parallelFor(kDirections, [&](std::int64_t n) {
    counts[static_cast<std::size_t>(n)] = alongDirection(bone, region, direction(static_cast<int>(n)));
  });
  // 1/MIL² is a quadratic form of the direction.
  Eigen::Matrix<double, 6, 6> normal = Eigen::Matrix<double, 6, 6>::Zero();
  Eigen::Matrix<double, 6, 1> right = Eigen::Matrix<double, 6, 1>::Zero();
  int met = 0;
  for (int n = 0; n < kDirections; ++n) {
    const Count& count = counts[static_cast<std::size_t>(n)];
    if (count.length_mm <= 0) continue;
    met += count.crossings > 0;
    const Vector3d w = direction(n);
    Eigen::Matrix<double, 6, 1> row;
    row << w[0] * w[0], w[1] * w[1], w[2] * w[2], 2 * w[1] * w[2], 2 * w[0] * w[2], 2 * w[0] * w[1];
    const double per_mm = static_cast<double>(count.crossings) / count.length_mm;
    normal += row * row.transpose();
    right += row * per_mm * per_mm;
  }
  if (met < 6)
    throw core::Error(core::Exit::DataError, {.what = "no anisotropy: hardly any line meets the bone's surface",
                                              .expected = "bone and marrow in the region"});
  const Eigen::Matrix<double, 6, 1> m = normal.ldlt().solve(right);
  Eigen::Matrix3d form;
  form << m[0], m[5], m[4], m[5], m[1], m[3], m[4], m[3], m[2];
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver(form);  // ascending: the longest first
  Fabric fabric;
  const double least = 1e-9 * solver.eigenvalues()[2];
  for (int axis = 0; axis < 3; ++axis)
    fabric.lengths_mm[axis] = 1 / std::sqrt(std::max(least, solver.eigenvalues()[axis]));
  fabric.axes = bone.frame.direction * solver.eigenvectors();
  return fabric;
}

}  // namespace osteo::measure
