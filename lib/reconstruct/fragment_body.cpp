#include "reconstruct/fragment_body.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "mesh/measures.h"
#include "reconstruct/host.h"
#include "reconstruct/point_grid.h"
#include "reconstruct/shape_fit.h"
#include "registration/distance_map.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Vector3d;

constexpr double kMargin_mm = 20;
constexpr double kBall_spacings = 2;    ///< radius of the ball that tells edges
constexpr double kFlatShare = 0.42;     ///< of the ball in bone: below it the point lies on an edge; flat is 0.5
constexpr double kSmoothTurn = 0.75;    ///< cosine between the normals of neighbours on one patch
constexpr double kLeastPatch = 12;      ///< points
constexpr double kBand_spacings = 4.5;  ///< intact bone this near to a fracture tells how the surface goes on

/// Share of a ball that lies in bone.
double boneShare(const image::CtVolume& distance, const Vector3d& at, double radius_mm) {
  constexpr int kSteps = 3;
  const double step = radius_mm / kSteps;
  double inside = 0, count = 0;
  for (int x = -kSteps; x <= kSteps; ++x) {
    for (int y = -kSteps; y <= kSteps; ++y) {
      for (int z = -kSteps; z <= kSteps; ++z) {
        if (x * x + y * y + z * z > kSteps * kSteps) continue;
        const double d = image::sampleLinear(distance, distance.frame.toIndex(at + step * Vector3d(x, y, z)), 1e3F);
        inside += std::clamp(0.5 - d / step, 0.0, 1.0);
        ++count;
      }
    }
  }
  return inside / count;
}

std::vector<BodyPoint> sampled(const std::vector<registration::OrientedPoint>& all, const image::CtVolume& distance,
                               double spacing_mm) {
  std::vector<BodyPoint> out;
  for (const auto& p : thinned(all, spacing_mm)) {
    const Vector3d gradient = registration::gradientAt(distance, p.position, 1e3F);
    out.push_back({p.position, gradient.norm() > 0.3 ? Vector3d(gradient.normalized()) : p.normal});
  }
  return out;
}

std::vector<Vector3d> positions(const std::vector<BodyPoint>& points) {
  std::vector<Vector3d> out;
  for (const auto& p : points) out.push_back(p.position);
  return out;
}

/// Connected smooth parts get numbers, the largest first; what is small or on an edge keeps -1.
void cutAtEdges(Body& body, const std::vector<double>& share) {
  const auto at = positions(body.points);
  const PointGrid grid(at, 2 * body.spacing_mm);
  std::vector<std::vector<std::size_t>> parts;
  std::vector<char> seen(at.size(), 0);
  for (std::size_t seed = 0; seed < at.size(); ++seed) {
    if (seen[seed] != 0 || share[seed] < kFlatShare) continue;
    std::vector<std::size_t> part{seed};
    seen[seed] = 1;
    for (std::size_t next = 0; next < part.size(); ++next) {
      const BodyPoint& here = body.points[part[next]];
      grid.visit(here.position, 1.8 * body.spacing_mm, [&](std::uint32_t other, double) {
        if (seen[other] != 0 || share[other] < kFlatShare) return;
        if (body.points[other].normal.dot(here.normal) < kSmoothTurn) return;
        seen[other] = 1;
        part.push_back(other);
      });
    }
    if (part.size() >= kLeastPatch) parts.push_back(std::move(part));
  }
  std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  for (std::size_t k = 0; k < parts.size(); ++k)
    for (const std::size_t i : parts[k]) body.points[i].patch = static_cast<int>(k);
  body.patches.resize(parts.size());
}

void measurePatches(Body& body) {
  const double each = body.area_mm2 / static_cast<double>(std::max<std::size_t>(1, body.points.size()));
  for (const auto& p : body.points) {
    if (p.patch < 0) continue;
    Patch& patch = body.patches[p.patch];
    patch.area_mm2 += each;
    patch.centre_mm += each * p.position;
    patch.normal += p.normal;
  }
  for (Patch& patch : body.patches) {
    patch.centre_mm /= patch.area_mm2;
    patch.normal.normalize();
    patch.broken = &patch != body.patches.data();
  }
}

}  // namespace

image::CtVolume distanceAround(const levelset::LevelSet& solid, double grid_mm, double margin_mm) {
  Eigen::Vector3i min, max;
  solid.activeBox(min, max);
  image::Frame frame;
  frame.spacing_mm = Vector3d::Constant(grid_mm);
  frame.origin_mm = min.cast<double>() * solid.voxel_mm() - Vector3d::Constant(margin_mm);
  const Vector3d extent = (max - min).cast<double>() * solid.voxel_mm() + Vector3d::Constant(2 * margin_mm);
  frame.size = (extent / grid_mm).array().ceil().cast<int>() + 1;
  return fullDistance(solid, frame);
}

void markBand(Body& body) {
  std::vector<Vector3d> broken;
  for (std::size_t i = 0; i < body.fine.size(); ++i)
    if (body.broken[i] != 0) broken.push_back(body.fine[i].position);
  body.band.assign(body.fine.size(), 0);
  if (broken.empty()) return;
  const PointGrid grid(broken, 2 * body.spacing_mm);
  const double reach = kBand_spacings * body.spacing_mm;
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    if (body.broken[i] == 0 && body.fine[i].patch >= 0)
      body.band[i] = grid.distance(body.fine[i].position, reach) < reach ? 1 : 0;
  }
}

Body makeBody(const levelset::LevelSet& solid, const mesh::TriangleMesh& surface, double spacing_mm) {
  Body body;
  body.spacing_mm = spacing_mm;
  body.distance = distanceAround(solid, 0.5 * spacing_mm, kMargin_mm);
  const auto all = surfacePoints(surface);
  body.points = sampled(all, body.distance, spacing_mm);
  body.fine = sampled(all, body.distance, 0.5 * spacing_mm);
  body.area_mm2 = mesh::area_mm2(surface);
  for (const auto& p : body.points) body.centre_mm += p.position / static_cast<double>(body.points.size());
  for (const auto& p : body.points)
    body.radius_mm += (p.position - body.centre_mm).norm() / static_cast<double>(body.points.size());
  std::vector<double> share(body.points.size());
  core::parallelFor(static_cast<std::int64_t>(share.size()), [&](std::int64_t i) {
    share[i] = boneShare(body.distance, body.points[i].position, kBall_spacings * spacing_mm);
  });
  cutAtEdges(body, share);
  measurePatches(body);
  const auto at = positions(body.points);
  const PointGrid grid(at, 2 * spacing_mm);
  body.broken.assign(body.fine.size(), 0);
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    double best = 2.25 * spacing_mm * spacing_mm;
    grid.visit(body.fine[i].position, 1.5 * spacing_mm, [&](std::uint32_t other, double d2) {
      if (d2 >= best || body.points[other].normal.dot(body.fine[i].normal) < 0.6) return;
      best = d2;
      body.fine[i].patch = body.points[other].patch;
    });
    body.broken[i] = body.fine[i].patch > 0 ? 1 : 0;
  }
  markBand(body);
  return body;
}

}  // namespace osteo::reconstruct
