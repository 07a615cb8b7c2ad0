#include "reconstruct/solid.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"
#include "mesh/io.h"
#include "mesh/measures.h"
#include "reconstruct/report.h"

namespace osteo::reconstruct {
namespace {

/// Longest side of anything that is part of a body.
constexpr double kLargest_mm = 3000;

/// A mesh whose caps are this share of itself is the face of something, not a body; half a sphere has 0.5.
constexpr double kSheet = 0.6;

double longestSide_mm(const mesh::TriangleMesh& mesh) {
  const mesh::Bounds box = mesh::bounds(mesh);
  return (box.max - box.min).maxCoeff();
}

levelset::LevelSet solidOfMesh(const std::string& path, double voxel_mm, Solid& out) {
  mesh::Caps& caps = out.caps;
  mesh::TriangleMesh open = mesh::readMesh(path);
  const double area = mesh::area_mm2(open), longest_mm = longestSide_mm(open);
  if (longest_mm > kLargest_mm) {
    throw core::Error(core::Exit::DataError, {.what = "the mesh is larger than a body",
                                              .file = core::baseName(path),
                                              .expected = fmt::format("at most {:.0f} mm long", kLargest_mm),
                                              .got = fmt::format("{:.0f} mm", longest_mm),
                                              .hint = "check its unit: millimetres"});
  }
  const mesh::TriangleMesh closed = mesh::capped(std::move(open), caps);
  if (caps.area_mm2 > kSheet * area) {
    throw core::Error(core::Exit::DataError,
                      {.what = "the mesh is an open sheet, not the surface of a bone",
                       .file = core::baseName(path),
                       .expected = "a closed mesh, or one cut through",
                       .got = fmt::format("{:.0f} mm² of surface around openings of {:.0f} mm²", area, caps.area_mm2),
                       .hint = "give its vertices as a .ply without triangles instead"});
  }
  if (caps.openings > 0) {
    core::warn(fmt::format("{} has {} openings; they were closed with {:.0f} mm² of flat triangles",
                           core::baseName(path), caps.openings, caps.area_mm2));
  }
  constexpr double kBytesPerBandVoxel = 40;
  const double voxel = voxel_mm > 0 ? voxel_mm : defaultVoxel_mm(closed);
  core::requireMemory(kBytesPerBandVoxel * 2 * levelset::kHalfWidth_voxels * (area + caps.area_mm2) / (voxel * voxel),
                      fmt::format("the level set of {} at {} mm", core::baseName(path), voxel));
  return levelset::fromMesh(closed, voxel);
}

}  // namespace

double defaultVoxel_mm(const mesh::TriangleMesh& mesh) {
  constexpr double kAlong = 600, kFinest_mm = 0.1, kCoarsest_mm = 1;
  return std::clamp(longestSide_mm(mesh) / kAlong, kFinest_mm, kCoarsest_mm);
}

Solid readSolid(const std::string& path, double voxel_mm) {
  constexpr double kBeyond_mm = 1000;
  Solid out;
  out.bone = levelset::isMeshFile(path) ? solidOfMesh(path, voxel_mm, out) : levelset::readVdb(path);
  if (out.bone.empty()) {
    throw core::Error(core::Exit::DataError, {.what = "there is no bone inside the surface",
                                              .file = core::baseName(path),
                                              .hint = "choose a smaller --voxel-mm"});
  }
  Eigen::Vector3i min, max;
  out.bone.activeBox(min, max);
  out.seen.spacing_mm = Eigen::Vector3d::Constant(out.bone.voxel_mm());
  out.seen.origin_mm = min.cast<double>() * out.bone.voxel_mm() - Eigen::Vector3d::Constant(kBeyond_mm);
  out.seen.size = (max - min) + Eigen::Vector3i::Constant(static_cast<int>(2 * kBeyond_mm / out.bone.voxel_mm()));
  out.seen.frame_id = out.bone.frameId();
  return out;
}

double estimatedPeak_bytes(const Solid& solid) {
  constexpr double kBase = 2e8, kPerActiveVoxel = 60, kPerCoarseVoxel = 40, kMargin_mm = 50;
  Eigen::Vector3i min, max;
  solid.bone.activeBox(min, max);
  const Eigen::Vector3d size_mm = (max - min).cast<double>() * solid.bone.voxel_mm();
  return kBase + kPerActiveVoxel * static_cast<double>(solid.bone.activeVoxels()) +
         kPerCoarseVoxel * (size_mm + Eigen::Vector3d::Constant(kMargin_mm)).prod();
}

nlohmann::json describe(const Solid& solid, const mesh::TriangleMesh& surface) {
  nlohmann::json r = describe(surface);
  r["voxel_mm"] = solid.bone.voxel_mm();
  r["components"] = mesh::topology(surface).components;
  r["openings"] = solid.caps.openings;
  r["cap_area_mm2"] = solid.caps.area_mm2;
  return r;
}

}  // namespace osteo::reconstruct
