#include "reconstruct/host.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "mesh/measures.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

constexpr double kGrid_mm = 1.0;

/// A coarse grid around the bone; margin for the mirrored copy and for closing.
image::Frame coarseFrame(const levelset::LevelSet& bone) {
  constexpr double kMargin_mm = 25;
  Eigen::Vector3i min, max;
  bone.activeBox(min, max);
  image::Frame frame;
  frame.spacing_mm = Eigen::Vector3d::Constant(kGrid_mm);
  frame.origin_mm = (min.cast<double>() * bone.voxel_mm() - Eigen::Vector3d::Constant(kMargin_mm)).array().floor();
  frame.size = ((max - min).cast<double>() * bone.voxel_mm() / kGrid_mm).array().ceil().cast<int>() +
               static_cast<int>(2 * kMargin_mm / kGrid_mm) + 2;
  frame.frame_id = bone.frameId();
  return frame;
}

std::vector<registration::OrientedPoint> surfacePoints(const levelset::LevelSet& bone, const image::Frame& seen,
                                                       const image::CtVolume& distance) {
  constexpr std::size_t kPoints = 40000;
  const mesh::TriangleMesh mesh = levelset::toMesh(bone);
  const std::size_t stride = std::max<std::size_t>(1, mesh.vertices.size() / kPoints);
  std::vector<registration::OrientedPoint> points;
  for (std::size_t v = 0; v < mesh.vertices.size(); v += stride) {
    if (!inView(seen, mesh.vertices[v])) continue;
    const Eigen::Vector3d gradient = registration::gradientAt(distance, mesh.vertices[v], 1e3F);
    if (gradient.norm() > 0.3) points.push_back({mesh.vertices[v], gradient.normalized()});
  }
  return points;
}

}  // namespace

image::CtVolume fullDistance(const levelset::LevelSet& bone, const image::Frame& frame) {
  const image::CtVolume near = levelset::sampleOnto(bone, frame);
  image::CtVolume out = registration::signedDistance(frame, [&](std::int64_t i) { return near.voxels[i] < 0; });
  const auto band = static_cast<float>((levelset::kHalfWidth_voxels - 1) * bone.voxel_mm());
  for (std::size_t i = 0; i < out.voxels.size(); ++i) {
    if (std::abs(near.voxels[i]) < band) out.voxels[i] = near.voxels[i];
  }
  return out;
}

bool inView(const image::Frame& seen, const Eigen::Vector3d& p) {
  constexpr double kEdge = 1.0;
  const Eigen::Vector3d index = seen.toIndex(p);
  return (index.array() >= kEdge).all() && (index.array() <= (seen.size.cast<double>().array() - 1 - kEdge)).all();
}

image::CtVolume unsignedDistance(const image::CtVolume& signed_distance) {
  image::CtVolume out = signed_distance;
  for (float& d : out.voxels) d = std::abs(d);
  return out;
}

image::CtVolume opened(const image::CtVolume& signed_distance, double radius_mm) {
  const auto r = static_cast<float>(radius_mm);
  image::CtVolume out = registration::signedDistance(signed_distance.frame,
                                                     [&](std::int64_t i) { return signed_distance.voxels[i] < -r; });
  for (std::size_t i = 0; i < out.voxels.size(); ++i)
    out.voxels[i] = std::max(out.voxels[i] - r, signed_distance.voxels[i]);
  return out;
}

Host prepareHost(const levelset::LevelSet& bone, const image::Frame& seen, double closing_mm) {
  Host host;
  host.distance = fullDistance(bone, coarseFrame(bone));
  host.points = surfacePoints(bone, seen, host.distance);
  for (const auto& p : host.points) host.centre_mm += p.position / static_cast<double>(host.points.size());
  const auto r = static_cast<float>(closing_mm);
  const auto& d = host.distance;
  host.closed = registration::signedDistance(d.frame, [&](std::int64_t i) { return d.voxels[i] < r; });
  for (std::size_t i = 0; i < d.voxels.size(); ++i)
    host.closed.voxels[i] = std::min(host.closed.voxels[i] + r, d.voxels[i]);
  return host;
}

}  // namespace osteo::reconstruct
