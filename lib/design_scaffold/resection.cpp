#include "design_scaffold/resection.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/parallel.h"
#include "design_scaffold/labelled_solid.h"
#include "image/io.h"
#include "levelset/components.h"
#include "levelset/grid.h"
#include "mesh/closest.h"
#include "mesh/io.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::Components;
using levelset::LevelSet;

// Loose bits below this share of the largest piece are no bone of their own.
constexpr double kCrumb = 0.01;
// So far from the bone's surface a cut is free of the rounding of its edge.
constexpr double kEdge_voxels = 2;

mesh::Bounds boxOf(const LevelSet& level_set) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  return {min.cast<double>() * level_set.voxel_mm(), max.cast<double>() * level_set.voxel_mm()};
}

double outOf(const mesh::Bounds& box, const Vector3d& p) {
  return (box.min - p).cwiseMax(p - box.max).cwiseMax(Vector3d::Zero()).norm();
}

[[noreturn]] void refuse(core::Complaint complaint) { throw core::Error(core::Exit::DataError, std::move(complaint)); }

void requireLesionInBone(const LevelSet& bone, const Lesion& lesion) {
  image::requireSameFrame(bone.frameId(), "the bone", lesion.solid.frameId(), "the lesion");
  const LevelSet filled = levelset::fillCavities(bone);
  const double near_mm = std::min(1.0, 2 * bone.voxel_mm());
  for (const Vector3d& v : lesion.surface.vertices)
    if (levelset::sample(filled, v) < near_mm) return;
  for (auto value = bone.grid().vdb->cbeginValueOn(); value; ++value) {
    const openvdb::Coord ijk = value.getCoord();
    if (*value < 0 && levelset::sample(lesion.solid, Vector3d(ijk.x(), ijk.y(), ijk.z()) * bone.voxel_mm()) < 0) return;
  }
  refuse({.what = "the lesion lies outside the bone",
          .expected = "a lesion in the bone or on its surface",
          .hint = "check that both come from the same scan, or register one onto the other"});
}

/// How many bones of a file, crumbs aside, the region reaches.
int bonesReached(const LevelSet& bone, const Region& region) {
  const Components bones(bone, Components::Side::Inside);
  double largest = 0;
  for (const levelset::Piece& one : bones.pieces()) largest = std::max(largest, one.volume_mm3);
  int reached = 0;
  for (const levelset::Piece& one : bones.pieces()) {
    if (one.volume_mm3 < kCrumb * largest) continue;
    if (bones.pieces().size() == 1) return 1;
    bool hit = false;
    bones.forOthers([&](const levelset::Piece& other) { return &other != &one; },
                    [&](const Eigen::Vector3i& ijk) {
                      const Vector3d p = ijk.cast<double>() * bone.voxel_mm();
                      hit = hit || (outOf(region.box, p) == 0 && region.distance_mm(p) < 0);
                    });
    reached += hit;
  }
  return reached;
}

struct Parts {
  int large = 0, crumbs = 0;
  double largest_share = 1;
};

Parts partsOf(const LevelSet& body) {
  const Components all(body, Components::Side::Inside);
  double largest = 0, sum = 0;
  for (const levelset::Piece& one : all.pieces()) largest = std::max(largest, one.volume_mm3), sum += one.volume_mm3;
  Parts parts{.largest_share = largest / sum};
  for (const levelset::Piece& one : all.pieces()) ++(one.volume_mm3 < kCrumb * largest ? parts.crumbs : parts.large);
  return parts;
}

/// max(bone, side · region + half the kerf), asked for only where it counts.
LevelSet part(const LevelSet& bone, const Region& region, double side, double half_kerf_mm) {
  const double reach = 3 * bone.voxel_mm() + half_kerf_mm;
  const mesh::Bounds all = boxOf(bone);
  const auto cut = [&](const Vector3d& p) {
    if (outOf(region.box, p) > reach) return side * reach;
    return side * region.distance_mm(p) + half_kerf_mm;
  };
  const auto value = [&](const Vector3d& p) {
    const double in_bone = levelset::sample(bone, p);
    return in_bone > reach ? in_bone : std::max(in_bone, cut(p));
  };
  // Values next to a crossing must be the true ones: what is certain keeps two voxels off, and the bone's own values,
  // which end at its band, are looked at all around.
  const double clear = 2 * bone.voxel_mm(), band = 0.999 * levelset::kHalfWidth_voxels * bone.voxel_mm();
  const auto boneAround = [&](const Vector3d& centre, double radius) {
    const double in_bone = levelset::sample(bone, centre);
    for (int n = 0; n < 8 && std::abs(in_bone) >= band; ++n) {
      const Vector3d corner(n & 1 ? 1 : -1, n & 2 ? 1 : -1, n & 4 ? 1 : -1);
      if (levelset::sample(bone, centre + (radius + clear) / std::sqrt(3.0) * corner) / in_bone < 0.999) return 0.0;
    }
    return std::abs(in_bone) >= band ? in_bone : 0.0;
  };
  const auto certain = [&](const Vector3d& centre, double radius) {
    const double in_bone = boneAround(centre, radius);
    if (in_bone > 0) return in_bone;
    const double in_cut = cut(centre);
    if (in_cut > radius + clear) return in_cut;
    return in_bone < 0 && in_cut < -radius - clear ? std::max(in_bone, in_cut) : 0.0;
  };
  const mesh::Bounds box =
      side < 0 ? all : mesh::Bounds{all.min.cwiseMax(region.box.min), all.max.cwiseMin(region.box.max)};
  if ((box.max - box.min).minCoeff() <= 0) return {};
  LevelSet out = levelset::fromFunction(value, box.min, box.max, bone.voxel_mm(), certain);
  for (const char* key : {"frame_id", "slice_gap_mm"})
    if (!bone.meta(key).empty()) out.setMeta(key, bone.meta(key));
  return out;
}

/// The part of a finished piece's surface that the region's border made, deeper than `depth_mm` in the bone.
mesh::TriangleMesh cutSurface(mesh::TriangleMesh surface, const LevelSet& bone, const Region& region, double depth_mm) {
  std::vector<char> is_cut(surface.triangles.size(), 0);
  core::parallelFor(static_cast<std::int64_t>(surface.triangles.size()), [&](std::int64_t n) {
    const mesh::Triangle& t = surface.triangles[static_cast<std::size_t>(n)];
    const Vector3d middle = (surface.vertices[t[0]] + surface.vertices[t[1]] + surface.vertices[t[2]]) / 3;
    const double in_bone = levelset::sample(bone, middle);
    // Along the edge between cut and surface triangles cut off its corner by up to half a voxel.
    const bool is_deep = in_bone < -0.5 * bone.voxel_mm();
    is_cut[static_cast<std::size_t>(n)] = in_bone < -depth_mm && (is_deep || region.distance_mm(middle) > in_bone);
  });
  std::vector<mesh::Triangle> kept;
  for (std::size_t n = 0; n < is_cut.size(); ++n)
    if (is_cut[n]) kept.push_back(surface.triangles[n]);
  surface.triangles = std::move(kept);
  return surface;
}

/// Distances between cut and lesion, from both, but for the cut's outermost voxels, where its edge is rounded.
void reportMargin(const mesh::TriangleMesh& cut, const LevelSet& bone, const Lesion& lesion, const Region& region,
                  double wanted_mm, nlohmann::json& results) {
  constexpr double kUnseen_mm = 0.2;
  if (cut.triangles.empty()) return;
  const mesh::ClosestPoint to_cut(cut), to_lesion(lesion.surface);
  double least = std::numeric_limits<double>::infinity(), beyond = 0;
  for (const Vector3d& v : lesion.surface.vertices) {
    least = std::min(least, to_cut(v).distance_mm);
    if (levelset::sample(bone, v) < 0) beyond = std::max(beyond, region.distance_mm(v));
  }
  std::vector<double> margins;
  for (const mesh::Triangle& t : cut.triangles) {
    const Vector3d middle = (cut.vertices[t[0]] + cut.vertices[t[1]] + cut.vertices[t[2]]) / 3;
    margins.push_back(to_lesion(middle).distance_mm);
  }
  std::sort(margins.begin(), margins.end());
  if (!margins.empty()) {
    least = std::min(least, margins.front());
    results["margin_p50_mm"] = margins[margins.size() / 2];
    results["margin_max_mm"] = margins.back();
  }
  if (beyond > 0) least = -beyond;
  results["margin_min_mm"] = least;
  if (beyond > 0)
    core::warn(fmt::format("the cut goes through the lesion: {:.1f} mm of it stay in the host", beyond));
  else if (least < wanted_mm - kUnseen_mm)
    core::warn(fmt::format("the margin is {:.2f} mm where it is least, not {:.2f} mm", least, wanted_mm));
}

}  // namespace

Lesion readLesion(const std::string& path, const std::string& label, double voxel_mm) {
  Lesion lesion;
  const std::string kind = core::extension(path);  // .seg.nrrd and .nii.gz whole
  if (kind.ends_with(".nrrd") || kind.starts_with(".nii")) {
    const image::Segmentation labels = image::readSegmentation(path);
    const double voxel = std::min(voxel_mm, 0.5 * labels.labels.frame.spacing_mm.minCoeff());
    lesion.solid = solidOfLabel(labels, labelNamed(labels, label), voxel);
  } else if (!label.empty()) {
    throw core::Error(core::Exit::Usage, {.what = "--lesion-label goes with a segmentation", .file = path});
  } else if (levelset::isMeshFile(path)) {
    lesion.surface = mesh::readMesh(path);
    lesion.solid = levelset::fromMesh(lesion.surface, voxel_mm);
  } else {
    lesion.solid = levelset::readVdb(path);
  }
  if (lesion.solid.empty()) refuse({.what = "the lesion is empty", .file = path, .expected = "a shape with an inside"});
  if (lesion.surface.triangles.empty()) lesion.surface = levelset::toMesh(lesion.solid);
  return lesion;
}

Region regionAround(const Lesion& lesion, double margin_mm) {
  auto nearest = std::make_shared<mesh::ClosestPoint>(lesion.surface);
  const mesh::Bounds own = mesh::bounds(lesion.surface);
  const Vector3d around = Vector3d::Constant(margin_mm);
  return {[nearest, margin_mm, solid = lesion.solid](const Vector3d& p) {
            const double away = (*nearest)(p).distance_mm;
            return (levelset::sample(solid, p) < 0 ? -away : away) - margin_mm;
          },
          {own.min - around, own.max + around},
          {},
          {}};
}

Region regionOf(std::vector<PlaneCut> cuts, const LevelSet& bone) {
  Region region;
  region.box = boxOf(bone);
  region.distance_mm = [cuts](const Vector3d& p) {
    double out = std::numeric_limits<double>::infinity();
    for (const PlaneCut& cut : cuts) {
      double within = -std::numeric_limits<double>::infinity();
      for (const CutPlane& plane : cut) within = std::max(within, plane.normal.dot(p - plane.point_mm));
      out = std::min(out, within);
    }
    return out;
  };
  region.cuts = std::move(cuts);
  return region;
}

double estimatedBytes(const LevelSet& bone, bool with_guide) {
  constexpr double kBase = 1.5e8, kPerActiveVoxel = 60, kPerActiveVoxelOfGuide = 60;  // measured on femora
  return kBase +
         (kPerActiveVoxel + (with_guide ? kPerActiveVoxelOfGuide : 0)) * static_cast<double>(bone.activeVoxels());
}

Resected resect(const LevelSet& bone, const Lesion* lesion, const Region& region, double kerf_mm) {
  if (bone.empty()) refuse({.what = "the bone is empty", .expected = "a level set with an inside"});
  if (lesion) requireLesionInBone(bone, *lesion);
  const int bones = bonesReached(bone, region);
  if (bones > 1)
    refuse({.what = fmt::format("the resection reaches {} bones", bones),
            .expected = "one",
            .hint = "give the bone to be cut in a file of its own"});
  Resected out;
  if (bones == 1) out.piece = part(bone, region, 1, 0.5 * kerf_mm);
  if (bones == 0 || out.piece.empty())
    refuse({.what = "the resection misses the bone",
            .expected = "a region that reaches into it by more than half the kerf",
            .hint = region.cuts.empty() ? "check lesion and margin" : "normals point out of the piece"});
  out.host = part(bone, region, -1, 0.5 * kerf_mm);
  if (out.host.empty() ||
      levelset::measureSurface(out.host).volume_mm3 < kCrumb * levelset::measureSurface(bone).volume_mm3)
    refuse({.what = "the resection takes the whole bone",
            .expected = "a part of it",
            .hint = region.cuts.empty() ? "a smaller --margin-mm" : "check the planes' places and normals"});
  return out;
}

void report(const Resected& resected, const LevelSet& bone, const Lesion* lesion, const Region& region,
            double wanted_mm, nlohmann::json& results) {
  const Parts pieces = partsOf(resected.piece), hosts = partsOf(resected.host);
  results["voxel_mm"] = bone.voxel_mm();
  results["bone_volume_mm3"] = levelset::volume_mm3(bone);
  results["resected_volume_mm3"] = levelset::volume_mm3(resected.piece);
  results["host_volume_mm3"] = levelset::volume_mm3(resected.host);
  results["pieces"] = pieces.large;
  results["piece_crumbs"] = pieces.crumbs;
  results["host_pieces"] = hosts.large;
  results["host_crumbs"] = hosts.crumbs;
  if (pieces.large > 1)
    core::warn(fmt::format("the piece is in {} parts; the largest has {:.1f} % of the volume", pieces.large,
                           100 * pieces.largest_share));
  const mesh::TriangleMesh surface = levelset::toMesh(resected.piece);
  results["cut_area_mm2"] = mesh::area_mm2(cutSurface(surface, bone, region, -bone.voxel_mm()));
  if (lesion) {
    results["lesion_volume_mm3"] = levelset::volume_mm3(lesion->solid);
    reportMargin(cutSurface(surface, bone, region, kEdge_voxels * bone.voxel_mm()), bone, *lesion, region, wanted_mm,
                 results);
  }
  if (!region.cuts.empty()) results["resections"] = asResections(region.cuts);
  if (region.access) results["access"] = {region.access->x(), region.access->y(), region.access->z()};
}

}  // namespace osteo::design_scaffold
