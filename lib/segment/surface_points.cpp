#include "segment/surface_points.h"

#include <algorithm>
#include <array>

#include "core/parallel.h"

namespace osteo::segment {

using Eigen::Vector3d;
using Eigen::Vector3i;

namespace {

struct Point {
  Vector3d position, normal;
  std::uint16_t label;
  float hu;
};

/// Central differences of the CT at an index position, in HU per mm along the index axes.
Vector3d gradient(const image::CtVolume& ct, const Vector3d& index) {
  Vector3d out;
  for (int d = 0; d < 3; ++d) {
    const Vector3d step = Vector3d::Unit(d);
    const float before = image::sampleLinear(ct, (index - step).cwiseMax(0), -1000);
    const float after =
        image::sampleLinear(ct, (index + step).cwiseMin((ct.frame.size - Vector3i::Ones()).cast<double>()), -1000);
    out[d] = (after - before) / (2 * ct.frame.spacing_mm[d]);
  }
  return out;
}

/// Offset in mm along the outward direction (in mm, index axes) at which the grey profile falls through half way.
double edgeOffset(const image::CtVolume& ct, const Vector3d& index, const Vector3d& outward) {
  constexpr int kSide = 6;  // samples on each side, a quarter of a voxel apart
  const double step = 0.25 * ct.frame.spacing_mm.minCoeff();
  std::array<float, 2 * kSide + 1> profile;
  for (int i = -kSide; i <= kSide; ++i) {
    const Vector3d at = index + (i * step * outward).cwiseQuotient(ct.frame.spacing_mm);
    const Vector3d inside = at.cwiseMax(0).cwiseMin((ct.frame.size - Vector3i::Ones()).cast<double>());
    profile[static_cast<std::size_t>(i + kSide)] = image::sampleLinear(ct, inside, -1000);
  }
  const float high = *std::max_element(profile.begin(), profile.begin() + kSide + 1);
  const float low = *std::min_element(profile.begin() + kSide, profile.end());
  const float level = (high + low) / 2;
  double best = 0, best_distance = 1e9;
  for (int i = -kSide; i < kSide; ++i) {
    const float a = profile[static_cast<std::size_t>(i + kSide)], b = profile[static_cast<std::size_t>(i + kSide + 1)];
    if (a < level || b >= level) continue;
    const double offset = (i + (a - level) / (a - b)) * step;
    if (std::abs(offset) < best_distance) best_distance = std::abs(offset), best = offset;
  }
  return best;
}

/// Bone and metal; what is missing has no surface of its own.
bool isThere(std::uint16_t label) { return label != image::Background && label != image::Defect; }

}  // namespace

mesh::PointCloud surfacePoints(const image::CtVolume& ct, const image::LabelVolume& labels) {
  const image::Frame& frame = labels.frame;
  std::vector<std::vector<Point>> slices(static_cast<std::size_t>(frame.size[2]));
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    Vector3i v(0, 0, static_cast<int>(k));
    for (v[1] = 0; v[1] < frame.size[1]; ++v[1]) {
      for (v[0] = 0; v[0] < frame.size[0]; ++v[0]) {
        const std::uint16_t label = labels.at(v[0], v[1], v[2]);
        if (!isThere(label)) continue;
        Vector3d open = Vector3d::Zero();
        bool surface = false;
        for (int side = 0; side < 6; ++side) {
          const Vector3i step = (side % 2 ? 1 : -1) * Vector3i::Unit(side / 2), next = v + step;
          if (!labels.contains(next[0], next[1], next[2]) || isThere(labels.at(next[0], next[1], next[2]))) continue;
          open += step.cast<double>();
          surface = true;
        }
        if (!surface) continue;
        const Vector3d face = v.cast<double>() + (open.isZero() ? open : Vector3d(open.normalized() / 2));
        const Vector3d slope = gradient(ct, face);
        Vector3d outward = -slope.normalized();
        if (slope.norm() < 1 || (!open.isZero() && outward.dot(open) <= 0))
          outward = open.isZero() ? Vector3d(Vector3d::UnitZ()) : Vector3d(open.normalized());
        const Vector3d index = face + (edgeOffset(ct, face, outward) * outward).cwiseQuotient(frame.spacing_mm);
        slices[static_cast<std::size_t>(k)].push_back(
            {frame.toWorld(index), frame.direction * outward, label, ct.at(v[0], v[1], v[2])});
      }
    }
  });
  mesh::PointCloud cloud;
  cloud.frame_id = frame.frame_id;
  for (const auto& slice : slices) {
    for (const Point& p : slice) {
      cloud.points.push_back(p.position);
      cloud.normals.push_back(p.normal);
      cloud.labels.push_back(p.label);
      cloud.hu.push_back(p.hu);
    }
  }
  return cloud;
}

}  // namespace osteo::segment
