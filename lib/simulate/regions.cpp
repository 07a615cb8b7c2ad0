#include "simulate/regions.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <limits>

#include "core/error.h"
#include "simulate/grid.h"

namespace osteo::simulate {
namespace {

using Eigen::Vector3d;
constexpr double kTouch_mm = 1e-6;  // a node on the rim of a region belongs to it despite rounding
using Keep = std::function<bool(std::int64_t node, const Vector3d& point_mm)>;

void keepIf(const Scene& scene, Selection& selection, const Keep& keep) {
  forEachNode(scene.model, [&](std::int64_t n, int i, int j, int k) {
    if (selection.nodes[n] && !keep(n, scene.model.nodePoint(i, j, k))) selection.nodes[n] = 0;
  });
}

void keepSide(const Scene& scene, const Region& region, Selection& selection) {
  const int axis = region.side[0] - 'x', sign = region.side[1] == '+' ? 1 : -1;
  const ModelBox box = modelBox(scene.model);
  const double end = sign > 0 ? box.max_mm[axis] : -box.min_mm[axis];
  // Half an element of tolerance: exactly one layer of nodes on an axis-aligned grid.
  const double depth = region.depth_mm + 0.49 * scene.model.frame.spacing_mm.minCoeff();
  keepIf(scene, selection, [&](std::int64_t, const Vector3d& p) { return sign * p[axis] >= end - depth; });
}

/// The grid axis and the sign of a side of the LPS box. Throws DataError on an oblique grid.
std::pair<int, int> gridSide(const VoxelModel& model, const std::string& side) {
  const int axis = side[0] - 'x', sign = side[1] == '+' ? 1 : -1;
  const int g = gridAxis(model.frame.direction, axis);
  if (g < 0)
    throw core::Error(core::Exit::DataError, {.what = "a visible surface needs a grid along the LPS axes",
                                              .hint = "resample the volume to an axis-aligned grid"});
  return {g, model.frame.direction(axis, g) > 0 ? sign : -sign};
}

/// Nodes of the first face of each column of the grid, seen from a side.
void keepVisible(const Scene& scene, const Region::Visible& visible, Selection& selection) {
  const VoxelModel& model = scene.model;
  const auto [axis, sign] = gridSide(model, visible.from);
  const int a = (axis + 1) % 3, b = (axis + 2) % 3;
  const auto& size = model.frame.size;
  const std::int64_t columns = std::int64_t{size[a]} * size[b];
  std::vector<int> first(static_cast<std::size_t>(columns), -1);
  const auto column = [&, b = b](const Eigen::Vector3i& at) { return at[a] + std::int64_t{size[a]} * at[b]; };
  int outermost = -1;
  const auto isBefore = [&, s = sign](int here, int there) { return there < 0 || s * here > s * there; };
  forEachElement(model, [&, g = axis](std::int64_t, int i, int j, int k, const auto&) {
    const Eigen::Vector3i at(i, j, k);
    auto& seen = first[column(at)];
    if (isBefore(at[g], seen)) seen = at[g];
    if (isBefore(at[g], outermost)) outermost = at[g];
  });
  const double depth = visible.depth_mm.value_or(std::numeric_limits<double>::infinity());
  std::vector<std::uint8_t> seen(selection.nodes.size(), 0);
  forEachElement(model, [&, g = axis, s = sign](std::int64_t, int i, int j, int k, const auto& nodes) {
    const Eigen::Vector3i at(i, j, k);
    if (first[column(at)] != at[g] || std::abs(at[g] - outermost) * model.frame.spacing_mm[g] > depth + kTouch_mm)
      return;
    for (int n = 0; n < 8; ++n)
      if ((n >> g & 1) == (s > 0)) seen[nodes[n]] = 1;
  });
  keepIf(scene, selection, [&](std::int64_t n, const Vector3d&) { return seen[n] != 0; });
  Vector3d outward = Vector3d::Zero();
  outward[visible.from[0] - 'x'] = visible.from[1] == '+' ? 1 : -1;
  selection.outward = outward;
}

/// Outward normals at the nodes of the surface, those of the voxels' faces smoothed along it; zero inside.
std::vector<Vector3d> smoothNormals(const Scene& scene) {
  constexpr int kPasses = 6;
  std::vector<Vector3d> normal(static_cast<std::size_t>(scene.model.nodes), Vector3d::Zero()), next;
  for (const Face& face : scene.faces())
    for (auto n : face.nodes) normal[n] += faceArea(scene.model, face) * faceNormal(scene.model, face);
  for (int pass = 0; pass < kPasses; ++pass) {
    next.assign(normal.size(), Vector3d::Zero());
    for (const Face& face : scene.faces()) {
      Vector3d mean = Vector3d::Zero();
      for (auto n : face.nodes) mean += normal[n] / 4;
      for (auto n : face.nodes) next[n] += mean;
    }
    normal.swap(next);
  }
  return normal;
}

void keepFacing(const Scene& scene, const Region::Facing& facing, Selection& selection) {
  const auto normal = smoothNormals(scene);
  const double least = std::cos(facing.max_angle_deg * kDegree);
  keepIf(scene, selection, [&](std::int64_t n, const Vector3d&) {
    const double length = normal[n].norm();
    return length > 0 && normal[n].dot(facing.direction) >= least * length;
  });
}

int labelValue(const Scene& scene, const std::string& label) {
  for (const auto& [value, name] : scene.label_names)
    if (name == label) return value;
  char* end = nullptr;
  const long value = std::strtol(label.c_str(), &end, 10);
  if (end != label.c_str() && *end == 0) return static_cast<int>(value);
  throw core::Error(core::Exit::Config, {.what = "a region names an unknown label", .got = label});
}

void keepLabel(const Scene& scene, const Region& region, Selection& selection) {
  const int value = labelValue(scene, region.label);
  std::vector<std::uint8_t> touched(selection.nodes.size(), 0);
  if (!scene.model.label.empty())
    forEachElement(scene.model, [&](std::int64_t e, int, int, int, const auto& nodes) {
      if (scene.model.label[e] == value)
        for (auto n : nodes) touched[n] = 1;
    });
  keepIf(scene, selection, [&](std::int64_t n, const Vector3d&) { return touched[n] != 0; });
}

/// The part of a level set within `margin_mm` of the model: growing a whole skull for one implant would take a minute.
levelset::LevelSet aroundModel(const Scene& scene, const levelset::LevelSet& other, double margin_mm) {
  const ModelBox box = modelBox(scene.model);
  const double voxel = other.voxel_mm();
  const Eigen::Vector3i low = ((box.min_mm.array() - margin_mm) / voxel).floor().cast<int>();
  const Eigen::Vector3i high = ((box.max_mm.array() + margin_mm) / voxel).ceil().cast<int>();
  image::Frame frame;
  frame.size = high - low + Eigen::Vector3i::Ones();
  frame.spacing_mm = Vector3d::Constant(voxel);
  frame.origin_mm = low.cast<double>() * voxel;
  return levelset::fromSamples(levelset::sampleOnto(other, frame).voxels, low, frame.size, voxel);
}

void keepNear(const Scene& scene, const Region::Near& near, Selection& selection) {
  levelset::LevelSet other = scene.level_set(near.level_set);
  double distance = near.distance_mm;
  // Distances are true only within the narrow band: beyond, the surface is moved outwards first.
  const double band = (levelset::kHalfWidth_voxels - 1) * other.voxel_mm();
  if (distance > band) {
    other = levelset::offset(aroundModel(scene, other, distance + 4 * other.voxel_mm()), distance);
    distance = 0;
  }
  keepIf(scene, selection, [&](std::int64_t, const Vector3d& p) { return levelset::sample(other, p) <= distance; });
}

/// The plate's normal: the direction in which the elements spread least, pointing away from the middle of the other
/// level set's box; and the middle of the elements.
std::pair<Vector3d, Vector3d> plateNormal(const Scene& scene, const levelset::LevelSet& other) {
  const VoxelModel& model = scene.model;
  Vector3d sum = Vector3d::Zero();
  Eigen::Matrix3d squares = Eigen::Matrix3d::Zero();
  const Vector3d reference = model.frame.toWorld(0.5 * model.frame.size.cast<double>());
  forEachElement(model, [&](std::int64_t, int i, int j, int k, const auto&) {
    const Vector3d p = model.elementPoint(i, j, k) - reference;
    sum += p;
    squares += p * p.transpose();
  });
  const Vector3d mean = sum / double(model.elements);
  const Eigen::Matrix3d spread = squares / double(model.elements) - mean * mean.transpose();
  Vector3d normal = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors().col(0);
  Eigen::Vector3i min, max;
  other.activeBox(min, max);
  const Vector3d middle = 0.5 * (min + max).cast<double>() * other.voxel_mm();
  if (normal.dot(mean + reference - middle) < 0) normal = -normal;
  return {normal, mean + reference};
}

/// Nodes of outward-looking faces within a radius of the apex: where the plate's normal through its middle leaves the
/// model.
void keepOuter(const Scene& scene, const Region::Outer& outer, Selection& selection) {
  const auto [normal, middle] = plateNormal(scene, scene.level_set(outer.away_from));
  selection.outward = normal;
  std::vector<std::uint8_t> looks_out(selection.nodes.size(), 0);
  for (const Face& face : scene.faces())
    if (faceNormal(scene.model, face).dot(normal) > 0)
      for (auto n : face.nodes) looks_out[n] = 1;
  const double beam = std::min(outer.radius_mm, 2 * scene.model.frame.spacing_mm.maxCoeff());
  double height = -std::numeric_limits<double>::infinity();
  const auto along = [&, n = normal, m = middle](const Vector3d& p) { return n.dot(p - m); };
  const auto across = [&, n = normal, m = middle](const Vector3d& p) { return (p - m - n * n.dot(p - m)).norm(); };
  forEachNode(scene.model, [&](std::int64_t n, int i, int j, int k) {
    const Vector3d p = scene.model.nodePoint(i, j, k);
    if (looks_out[n] && across(p) <= beam) height = std::max(height, along(p));
  });
  const Vector3d apex = middle + height * normal;
  keepIf(scene, selection,
         [&](std::int64_t n, const Vector3d& p) { return looks_out[n] && (p - apex).norm() <= outer.radius_mm; });
}

}  // namespace

std::int64_t Selection::count() const { return std::count(nodes.begin(), nodes.end(), 1); }

ModelBox modelBox(const VoxelModel& model) {
  ModelBox box{Vector3d::Constant(std::numeric_limits<double>::infinity()),
               Vector3d::Constant(-std::numeric_limits<double>::infinity())};
  for (const auto& run : model.node_runs)
    for (int i : {run.i, run.i + run.count - 1}) {
      const Vector3d p = model.nodePoint(i, run.j, run.k);
      box.min_mm = box.min_mm.cwiseMin(p);
      box.max_mm = box.max_mm.cwiseMax(p);
    }
  return box;
}

Selection select(const Scene& scene, const Region& region, const std::string& what) {
  Selection selection{std::vector<std::uint8_t>(static_cast<std::size_t>(scene.model.nodes), 1)};
  if (!region.side.empty()) keepSide(scene, region, selection);
  if (!region.label.empty()) keepLabel(scene, region, selection);
  if (region.sphere)
    keepIf(scene, selection, [s = *region.sphere](std::int64_t, const Vector3d& p) {
      return (p - s.centre_mm).norm() <= s.radius_mm + kTouch_mm;
    });
  if (region.box)
    keepIf(scene, selection, [b = *region.box](std::int64_t, const Vector3d& p) {
      return (p.array() >= b.min_mm.array() - kTouch_mm).all() && (p.array() <= b.max_mm.array() + kTouch_mm).all();
    });
  if (region.plane)
    keepIf(scene, selection, [q = *region.plane](std::int64_t, const Vector3d& p) {
      const double height = q.normal.dot(p - q.through_mm);
      return height >= q.from_mm - kTouch_mm && height <= q.to_mm + kTouch_mm;
    });
  if (region.visible) keepVisible(scene, *region.visible, selection);
  if (region.facing) keepFacing(scene, *region.facing, selection);
  if (region.near) keepNear(scene, *region.near, selection);
  if (region.outer) keepOuter(scene, *region.outer, selection);
  if (selection.count() == 0) {
    const ModelBox box = modelBox(scene.model);
    throw core::Error(
        core::Exit::DataError,
        {.what = "the region of " + what + " holds no node of the model",
         .got = fmt::format("a model from ({:.4g}, {:.4g}, {:.4g}) to ({:.4g}, {:.4g}, {:.4g}) mm", box.min_mm[0],
                            box.min_mm[1], box.min_mm[2], box.max_mm[0], box.max_mm[1], box.max_mm[2]),
         .hint = "regions are in LPS millimetres"});
  }
  return selection;
}

std::vector<const Face*> selectFaces(const Scene& scene, const Selection& selection) {
  std::vector<const Face*> chosen;
  for (const Face& face : scene.faces()) {
    const auto selected = [&](std::int64_t n) { return selection.nodes[n] != 0; };
    if (!std::all_of(face.nodes.begin(), face.nodes.end(), selected)) continue;
    if (selection.outward && faceNormal(scene.model, face).dot(*selection.outward) <= 0) continue;
    chosen.push_back(&face);
  }
  return chosen;
}

Vector3d faceNormal(const VoxelModel& model, const Face& face) {
  return face.sign * model.frame.direction.col(face.axis);
}

double faceArea(const VoxelModel& model, const Face& face) {
  return model.frame.spacing_mm.prod() / model.frame.spacing_mm[face.axis];
}

}  // namespace osteo::simulate
