#include "design_scaffold/anatomical_model.h"

#include <fmt/format.h>
#include <openvdb/tools/ChangeBackground.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/blocks.h"
#include "design_scaffold/labelled_solid.h"
#include "image/io.h"
#include "levelset/components.h"
#include "levelset/grid.h"
#include "mesh/closest.h"
#include "mesh/measures.h"
#include "picture/render.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::Components;
using levelset::LevelSet;

/// A rod with round ends.
struct Rod {
  Vector3d from, to;
  double radius_mm;
  double operator()(const Vector3d& p) const {
    const Vector3d way = to - from;
    const double t = std::clamp(way.dot(p - from) / std::max(1e-12, way.squaredNorm()), 0.0, 1.0);
    return (p - from - t * way).norm() - radius_mm;
  }
};

double rodsAt(const std::vector<Rod>& rods, const Vector3d& p) {
  double out = 1e9;
  for (const Rod& rod : rods) out = std::min(out, rod(p));
  return out;
}

LevelSet evaluated(const std::function<double(const Vector3d&)>& f, const LevelSet& like, double around_mm,
                   double voxel_mm) {
  Eigen::Vector3i min, max;
  like.activeBox(min, max);
  const Vector3d low = min.cast<double>() * like.voxel_mm(), high = max.cast<double>() * like.voxel_mm();
  return levelset::fromFunction(f, low - Vector3d::Constant(around_mm), high + Vector3d::Constant(around_mm), voxel_mm);
}

/// The two points of a surface farthest apart.
std::array<Vector3d, 2> ends(const mesh::TriangleMesh& surface) {
  const auto farthest = [&](const Vector3d& from) {
    return *std::max_element(
        surface.vertices.begin(), surface.vertices.end(),
        [&](const Vector3d& a, const Vector3d& b) { return (a - from).squaredNorm() < (b - from).squaredNorm(); });
  };
  const Vector3d first = farthest(surface.vertices.front());
  return {first, farthest(first)};
}

/// The bone with a wall of the given thickness, and a hole at either end of the hollow.
LevelSet hollowed(const LevelSet& bone, const ModelShape& shape, nlohmann::json& results) {
  const double known = levelset::kHalfWidth_voxels * bone.voxel_mm();
  const LevelSet deep = levelset::wrap(sweep(*bone.grid().vdb, shape.wall_mm + 3 * bone.voxel_mm(), known));
  LevelSet hollow =
      evaluated([&](const Vector3d& p) { return levelset::sample(deep, p) + shape.wall_mm; }, bone, 0, bone.voxel_mm());
  if (hollow.empty()) {
    core::warn("the bone is nowhere thick enough to be hollow: the model is solid");
    return bone;
  }
  int pockets = 0;
  hollow = levelset::largestComponent(hollow, &pockets);  // small pockets stay solid: each would need its own drains
  const mesh::TriangleMesh outer = levelset::toMesh(bone), inner = levelset::toMesh(hollow);
  const mesh::ClosestPoint to_outer(outer);
  std::vector<Rod> drains;
  results["drain_holes"] = nlohmann::json::array();
  for (const Vector3d& end : ends(inner)) {
    const Vector3d out = to_outer(end).point, way = (out - end).normalized();
    drains.push_back({end - shape.drain_mm * way, out + 2 * way, 0.5 * shape.drain_mm});
    results["drain_holes"].push_back({{"point_mm", {out.x(), out.y(), out.z()}}, {"diameter_mm", shape.drain_mm}});
  }
  results["solid_pockets"] = pockets;
  return evaluated(
      [&](const Vector3d& p) {
        const double in_bone = levelset::sample(bone, p);
        if (in_bone > 2 * bone.voxel_mm()) return in_bone;
        return std::max({in_bone, -levelset::sample(hollow, p), -rodsAt(drains, p)});
      },
      bone, 0, bone.voxel_mm());
}

/// Ribs under a surface where it crosses planes in three directions.
LevelSet cage(const LevelSet& soft, const ModelShape& shape) {
  const double voxel = std::min(soft.voxel_mm(), shape.rib_mm / 4),
               known = levelset::kHalfWidth_voxels * soft.voxel_mm();
  const LevelSet deep = levelset::wrap(sweep(*soft.grid().vdb, shape.rib_mm + 3 * soft.voxel_mm(), known));
  return evaluated(
      [&](const Vector3d& p) {
        const double at = levelset::sample(deep, p);
        double rib = 1e9;
        for (int axis = 0; axis < 3; ++axis) {
          const double place = std::remainder(p[axis], shape.rib_spacing_mm);
          rib = std::min(rib, std::abs(place) - 0.5 * shape.rib_mm);
        }
        return std::max({at, -at - shape.rib_mm, rib});
      },
      soft, voxel, voxel);
}

/// Up to three rods between a cage and what is there already, far apart but not much longer than the shortest.
std::vector<Rod> struts(const LevelSet& from, const LevelSet& to, const ModelShape& shape, const std::string& name) {
  constexpr double kFarthest_mm = 60, kLonger_mm = 15, kSunk_mm = 1;
  constexpr int kStruts = 3;
  const mesh::TriangleMesh start = levelset::toMesh(from), goal = levelset::toMesh(to);
  const mesh::ClosestPoint nearest(goal);
  std::vector<mesh::ClosestPoint::Hit> hits(start.vertices.size());
  core::parallelFor(static_cast<std::int64_t>(hits.size()), [&](std::int64_t n) {
    hits[static_cast<std::size_t>(n)] = nearest(start.vertices[static_cast<std::size_t>(n)]);
  });
  std::size_t best = 0;
  for (std::size_t n = 0; n < hits.size(); ++n)
    if (hits[n].distance_mm < hits[best].distance_mm) best = n;
  const double shortest = hits[best].distance_mm;
  if (shortest > kFarthest_mm)
    throw core::Error(core::Exit::DataError, {.what = "'" + name + "' lies too far from the bone to be joined to it",
                                              .expected = fmt::format("at most {} mm", kFarthest_mm),
                                              .got = fmt::format("{:.0f} mm", shortest),
                                              .hint = "name the tissues to outline with --soft-labels"});
  std::vector<Rod> rods;
  std::vector<Vector3d> places;
  while (rods.size() < kStruts) {
    const Vector3d a = start.vertices[best], b = hits[best].point;
    const Vector3d way = (b - a).norm() > 1e-6 ? Vector3d((b - a).normalized()) : Vector3d::Zero();
    rods.push_back({a - kSunk_mm * way, b + kSunk_mm * way, 0.75 * shape.rib_mm});
    places.push_back(a);
    double farthest = 0;
    for (std::size_t n = 0; n < hits.size(); ++n) {
      if (hits[n].distance_mm > shortest + kLonger_mm) continue;
      double apart = 1e9;
      for (const Vector3d& p : places) apart = std::min(apart, (start.vertices[n] - p).norm());
      if (apart > farthest) farthest = apart, best = n;
    }
    if (farthest < shape.rib_spacing_mm) break;
  }
  return rods;
}

/// The model with one tissue's cage, joined.
LevelSet withCage(const LevelSet& model, const SoftTissue& soft, const ModelShape& shape, nlohmann::json& results) {
  const LevelSet ribs = cage(soft.solid, shape);
  if (ribs.empty()) throw core::Error(core::Exit::DataError, {.what = "'" + soft.name + "' is empty"});
  const std::vector<Rod> rods = struts(ribs, model, shape, soft.name);
  Eigen::Vector3i min, max, low, high;
  ribs.activeBox(min, max), model.activeBox(low, high);
  Vector3d first = (min.cast<double>() * ribs.voxel_mm()).cwiseMin(low.cast<double>() * model.voxel_mm()),
           last = (max.cast<double>() * ribs.voxel_mm()).cwiseMax(high.cast<double>() * model.voxel_mm());
  results.push_back({{"name", soft.name}, {"struts", rods.size()}, {"cage_volume_mm3", levelset::volume_mm3(ribs)}});
  return levelset::fromFunction(
      [&](const Vector3d& p) {
        return std::min({levelset::sample(model, p), levelset::sample(ribs, p), rodsAt(rods, p)});
      },
      first, last, model.voxel_mm());
}

/// The same body with every length multiplied.
LevelSet scaled(const LevelSet& model, double scale) {
  auto grid = model.grid().vdb->deepCopy();
  grid->setTransform(openvdb::math::Transform::createLinearTransform(scale * model.voxel_mm()));
  const auto by = static_cast<float>(scale);
  for (auto value = grid->beginValueAll(); value; ++value) value.setValue(*value * by);
  openvdb::tools::changeBackground(grid->tree(), by * model.grid().vdb->background());
  LevelSet out = levelset::wrap(grid);
  const std::string frame = model.frameId();
  if (!frame.empty()) out.setMeta("frame_id", fmt::format("{}-times-{:g}", frame, scale));
  return out;
}

/// Distances from the given bone's outer surface, off the defect, to the model.
void reportDeviation(const LevelSet& model, const LevelSet& bone, const LevelSet* defect, nlohmann::json& results) {
  const mesh::TriangleMesh surface = levelset::toMesh(model), given = levelset::toMesh(levelset::fillCavities(bone));
  const mesh::ClosestPoint nearest(surface);
  std::vector<double> off(given.vertices.size());
  core::parallelFor(static_cast<std::int64_t>(off.size()), [&](std::int64_t n) {
    const Vector3d& v = given.vertices[static_cast<std::size_t>(n)];
    const bool is_gone = defect && levelset::sample(*defect, v) < bone.voxel_mm();
    off[static_cast<std::size_t>(n)] = is_gone ? 0 : nearest(v).distance_mm;
  });
  std::sort(off.begin(), off.end());
  results["volume_mm3"] = mesh::volume_mm3(surface);
  results["closed"] = mesh::topology(surface).closed();
  results["deviation_p95_mm"] = off[static_cast<std::size_t>(0.95 * static_cast<double>(off.size() - 1))];
  results["deviation_max_mm"] = off.back();
}

/// The defect, clear of the bone by the gap, in one piece.
LevelSet plugOf(const LevelSet& defect, const LevelSet& bone, double gap_mm, nlohmann::json& results) {
  const LevelSet wide = levelset::wrap(widen(*bone.grid().vdb, gap_mm + 3 * bone.voxel_mm()));
  int crumbs = 0;
  LevelSet plug = evaluated(
      [&](const Vector3d& p) { return std::max(levelset::sample(defect, p), gap_mm - levelset::sample(wide, p)); },
      defect, 0, defect.voxel_mm());
  if (plug.empty())
    throw core::Error(core::Exit::DataError, {.what = "nothing of the defect is left beside the bone",
                                              .hint = "check that both belong together, or lower --gap-mm"});
  plug = levelset::largestComponent(plug, &crumbs);
  results["plug_volume_mm3"] = levelset::volume_mm3(plug);
  results["plug_crumbs_removed"] = crumbs;
  return plug;
}

/// In one piece, without closed cavities: specks between ribs and bone are filled, a hollow that is not drained
/// refused.
LevelSet finished(const LevelSet& model, const ModelShape& shape, nlohmann::json& results) {
  constexpr double kSpeck_mm3 = 50;
  int loose = 0;
  double closed_mm3 = 0;
  LevelSet out = levelset::fillCavities(levelset::largestComponent(model, &loose), &closed_mm3);
  if (shape.wall_mm > 0 && closed_mm3 > kSpeck_mm3)
    throw core::Error(core::Exit::DataError, {.what = "a closed cavity is left in the model",
                                              .got = fmt::format("{:.0f} mm3", closed_mm3),
                                              .hint = "a larger --drain-mm, or --wall-mm 0"});
  results["loose_parts_removed"] = loose;
  results["specks_filled_mm3"] = closed_mm3;
  results["components"] = Components(out, Components::Side::Inside).pieces().size();
  return out;
}

void requireSameFrames(const LevelSet& bone, const LevelSet* defect, const std::vector<SoftTissue>& soft) {
  if (defect) image::requireSameFrame(bone.frameId(), "the bone", defect->frameId(), "the defect");
  for (const SoftTissue& one : soft)
    image::requireSameFrame(bone.frameId(), "the bone", one.solid.frameId(), "the soft tissue");
}

}  // namespace

AnatomicalModel anatomicalModel(const LevelSet& bone, const LevelSet* defect, const std::vector<SoftTissue>& soft,
                                const ModelShape& shape, nlohmann::json& results) {
  if (bone.empty()) throw core::Error(core::Exit::DataError, {.what = "the bone is empty"});
  requireSameFrames(bone, defect, soft);
  core::Progress progress("model", static_cast<std::int64_t>(3 + soft.size()));
  double filled_mm3 = 0;
  const LevelSet body = levelset::fillCavities(
      levelset::largestComponent(defect ? levelset::subtract(bone, *defect) : bone), &filled_mm3);
  if (levelset::measureSurface(body).volume_mm3 < 0.01 * levelset::measureSurface(bone).volume_mm3)
    throw core::Error(core::Exit::DataError, {.what = "the defect takes the whole bone", .expected = "a part of it"});
  results["cavities_filled_mm3"] = filled_mm3;
  AnatomicalModel made;
  if (defect) made.plug = plugOf(*defect, body, shape.gap_mm, results);
  progress.advance();
  made.model = shape.wall_mm > 0 ? hollowed(body, shape, results) : body;
  results["soft_tissues"] = nlohmann::json::array();
  for (const SoftTissue& one : soft) {
    made.model = withCage(made.model, one, shape, results["soft_tissues"]);
    progress.advance();
  }
  made.model = finished(made.model, shape, results);
  reportDeviation(made.model, bone, defect, results);
  progress.advance();
  for (LevelSet* part : {&made.model, made.plug ? &*made.plug : nullptr}) {
    if (!part) continue;
    if (!bone.frameId().empty()) part->setMeta("frame_id", bone.frameId());
    if (shape.scale != 1) *part = scaled(*part, shape.scale);
  }
  results["scale"] = shape.scale;
  progress.advance();
  return made;
}

std::vector<SoftTissue> readSoftTissues(const std::string& path, const std::vector<std::string>& names,
                                        double voxel_mm) {
  const image::Segmentation labels = image::readSegmentation(path);
  std::vector<SoftTissue> out;
  if (names.empty())
    for (const auto& [value, name] : labelsIn(labels))
      out.push_back({name.empty() ? std::to_string(value) : name, solidOfLabel(labels, value, voxel_mm)});
  for (const std::string& name : names) out.push_back({name, solidOfLabel(labels, labelNamed(labels, name), voxel_mm)});
  if (out.empty()) throw core::Error(core::Exit::DataError, {.what = "the segmentation holds no label", .file = path});
  return out;
}

void draw(const AnatomicalModel& made, const std::string& png_path) {
  const mesh::TriangleMesh model = levelset::toMesh(made.model),
                           plug = made.plug ? levelset::toMesh(*made.plug) : mesh::TriangleMesh{};
  std::vector<picture::Actor> actors{{.mesh = &model, .color = {232, 220, 196}}};
  if (made.plug) actors.push_back({.mesh = &plug, .color = {92, 140, 190}});
  const mesh::Bounds box = mesh::bounds(model);
  const Vector3d middle = 0.5 * (box.min + box.max);
  std::vector<picture::Canvas> pictures;
  const auto add = [&](const Vector3d& from, bool open) {
    picture::View view;
    view.from = from;
    view.width_px = 520;
    view.height_px = 480;
    if (open) view.clip = Eigen::Vector4d(0, -1, 0, middle.y());
    pictures.push_back(picture::render(actors, view));
  };
  add({-0.6, -1, 0.35}, false);
  add({0.6, 1, 0.35}, false);
  add({0, -1, 0.2}, true);
  picture::writePng(picture::tile(pictures, {"from the front", "from behind", "cut open"}, 3), png_path);
}

}  // namespace osteo::design_scaffold
