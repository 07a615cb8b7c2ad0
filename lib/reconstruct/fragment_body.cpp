#include "reconstruct/fragment_body.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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
constexpr std::size_t kLeastPatch = 15;    ///< points
constexpr double kLargestFracture = 0.25;  ///< of the surface: more is a plate's side
constexpr double kPatchTurn = 0.82;        ///< cosine of what a normal may differ from the patch's
constexpr double kTriedTurn = 0.97;        ///< the same for points that would grow the same patch again
constexpr double kSharpTurn = 0.77;        ///< cosine between two points near one another across a sharp edge
constexpr double kSharpShare = 0.7;        ///< of a fracture surface's border
constexpr double kBand_spacings = 4.5;     ///< intact bone this near to a fracture tells how the surface goes on

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

/// The surface as a graph of neighbouring points with normals that overlook roughness.
struct Sheet {
  const std::vector<BodyPoint>& points;
  PointGrid grid;
  double spacing_mm;
  std::vector<Vector3d> normals;
  std::vector<double> uneven;  ///< one less the length of the mean normal around
};

Sheet sheetOf(const Body& body, const std::vector<Vector3d>& at) {
  Sheet sheet{body.points, PointGrid(at, 2 * body.spacing_mm), body.spacing_mm, {}, {}};
  sheet.normals.resize(at.size());
  sheet.uneven.resize(at.size());
  core::parallelFor(static_cast<std::int64_t>(at.size()), [&](std::int64_t i) {
    Vector3d near = Vector3d::Zero(), wide = Vector3d::Zero();
    double count = 0;
    sheet.grid.visit(at[i], 3 * body.spacing_mm, [&](std::uint32_t k, double d2) {
      const Vector3d& normal = body.points[k].normal;
      if (normal.dot(body.points[i].normal) < -0.3) return;  // the other side of a thin wall
      wide += normal;
      ++count;
      if (d2 < std::pow(1.7 * body.spacing_mm, 2)) near += normal;
    });
    sheet.normals[i] = near.normalized();
    sheet.uneven[i] = 1 - wide.norm() / std::max(1.0, count);
  });
  return sheet;
}

/// Points connected with the seed whose normals stay within kPatchTurn of `towards`.
std::vector<std::uint32_t> grow(const Sheet& sheet, std::uint32_t seed, const Vector3d& towards,
                                const std::vector<char>& taken, std::vector<std::uint32_t>& stamp, std::uint32_t now) {
  std::vector<std::uint32_t> part{seed};
  stamp[seed] = now;
  for (std::size_t next = 0; next < part.size(); ++next) {
    sheet.grid.visit(sheet.points[part[next]].position, 1.8 * sheet.spacing_mm, [&](std::uint32_t k, double) {
      if (stamp[k] == now || taken[k] != 0 || sheet.normals[k].dot(towards) < kPatchTurn) return;
      stamp[k] = now;
      part.push_back(k);
    });
  }
  return part;
}

Vector3d meanNormal(const Sheet& sheet, const std::vector<std::uint32_t>& part) {
  Vector3d sum = Vector3d::Zero();
  for (const auto i : part) sum += sheet.normals[i];
  return sum.normalized();
}

/// Share of a part's border where the surface turns sharply.
double sharpShare(const Sheet& sheet, const std::vector<std::uint32_t>& part, const std::vector<std::uint32_t>& stamp,
                  std::uint32_t now) {
  double border = 0, sharp = 0;
  for (const auto i : part) {
    bool outside = false, turns = false;
    sheet.grid.visit(sheet.points[i].position, 3 * sheet.spacing_mm, [&](std::uint32_t k, double d2) {
      if (stamp[k] == now) return;
      outside = outside || d2 < std::pow(1.8 * sheet.spacing_mm, 2);
      turns = turns || sheet.normals[i].dot(sheet.normals[k]) < kSharpTurn;
    });
    border += outside ? 1 : 0;
    sharp += outside && turns ? 1 : 0;
  }
  return border > 0 ? sharp / border : 0;
}

/// Parts that are roughly plane and end at sharp edges get numbers from 1 on, all else is 0.
void cutAtEdges(Body& body) {
  const auto at = positions(body.points);
  const Sheet sheet = sheetOf(body, at);
  std::vector<std::uint32_t> order(at.size()), stamp(at.size(), 0);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return sheet.uneven[a] < sheet.uneven[b]; });
  std::vector<char> taken(at.size(), 0), tried(at.size(), 0);
  std::uint32_t now = 0;
  for (auto& p : body.points) p.patch = 0;
  body.patches.assign(1, {});
  for (const std::uint32_t seed : order) {
    if (tried[seed] != 0 || taken[seed] != 0) continue;
    auto part = grow(sheet, seed, sheet.normals[seed], taken, stamp, ++now);
    part = grow(sheet, seed, meanNormal(sheet, part), taken, stamp, ++now);
    const Vector3d mean = meanNormal(sheet, part);
    for (const auto i : part)
      if (sheet.normals[i].dot(mean) > kTriedTurn) tried[i] = 1;
    tried[seed] = 1;
    if (part.size() < kLeastPatch || sharpShare(sheet, part, stamp, now) < kSharpShare) continue;
    for (const auto i : part) {
      taken[i] = 1;
      body.points[i].patch = static_cast<int>(body.patches.size());
    }
    body.patches.emplace_back();
  }
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
    patch.broken = &patch != body.patches.data() && patch.area_mm2 < kLargestFracture * body.area_mm2;
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

void markFacing(Body& body, const std::vector<double>& share) {
  constexpr double kLeast = 0.25;
  for (std::size_t k = 1; k < body.patches.size(); ++k) body.patches[k].broken = share[k] > kLeast;
  for (std::size_t i = 0; i < body.fine.size(); ++i) {
    const int patch = body.fine[i].patch;
    body.broken[i] = patch > 0 && body.patches[patch].broken ? 1 : 0;
  }
  markBand(body);
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
  cutAtEdges(body);
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
    const int patch = body.fine[i].patch;
    body.broken[i] = patch >= 0 && body.patches[patch].broken ? 1 : 0;
  }
  markBand(body);
  return body;
}

}  // namespace osteo::reconstruct
