#include "inspect/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "image/io.h"
#include "inspect/kind.h"
#include "inspect/parse.h"
#include "inspect/solids.h"
#include "levelset/grid.h"
#include "mesh/closest.h"
#include "mesh/io.h"
#include "mesh/measures.h"

namespace osteo::inspect {
namespace {

/// The two files under comparison.
struct Pair {
  const std::string &a, &b;
  const Criteria& criteria;
};

bool sameFrame(const std::string& a, const std::string& b, Verdict& verdict) {
  if (a == b || a.empty() || b.empty()) return true;
  verdict.differences.push_back(fmt::format("frame_id: {} and {}", a, b));
  return false;
}

Verdict compareVolumes(const Pair& pair) {
  const auto a = image::readVolume(pair.a), b = image::readVolume(pair.b);
  Verdict verdict;
  if (!sameFrame(a.frame.frame_id, b.frame.frame_id, verdict)) return verdict;
  if (!a.frame.sameGrid(b.frame)) {
    verdict.differences.push_back("the voxels lie on different grids");
    return verdict;
  }
  image::LabelVolume scored(a.frame, 1);
  if (!pair.criteria.mask.empty()) exclude(pair.criteria.mask, scored);
  double largest = 0, squares = 0;
  std::int64_t count = 0, unequal = 0;
  for (std::size_t i = 0; i < a.voxels.size(); ++i) {
    if (!scored.voxels[i]) continue;
    const double d = std::abs(double{a.voxels[i]} - double{b.voxels[i]});
    largest = std::max(largest, d), squares += d * d, ++count, unequal += d > 0;
  }
  verdict.measures = {{"max_difference_hu", largest},
                      {"rms_difference_hu", count > 0 ? std::sqrt(squares / static_cast<double>(count)) : 0.0},
                      {"unequal_voxels", unequal},
                      {"voxels", count}};
  if (largest > pair.criteria.tolerance)
    verdict.differences.push_back(
        fmt::format("largest difference {:.6g} HU is above {:.6g}", largest, pair.criteria.tolerance));
  return verdict;
}

Verdict compareLabels(const Pair& pair) {
  const auto a = image::readSegmentation(pair.a), b = image::readSegmentation(pair.b);
  Verdict verdict;
  if (!sameFrame(a.labels.frame.frame_id, b.labels.frame.frame_id, verdict)) return verdict;
  if (!pair.criteria.label.empty()) {
    judge(pair.criteria.label, scoreSolids(a, b, pair.criteria), pair.criteria, verdict);
    return verdict;
  }
  std::set<int> values;
  for (const auto* s : {&a, &b})
    for (std::size_t i = 0; i < s->labels.voxels.size(); ++i)
      if (const int v = s->labels.voxels[i]; v != 0 && (i == 0 || s->labels.voxels[i - 1] != v)) values.insert(v);
  const image::Segmentation plain_a{a.labels, {}}, plain_b{b.labels, {}};  // without names, so that the number counts
  for (const int value : values) {
    Criteria one = pair.criteria;
    one.label = std::to_string(value);
    const auto named = a.names.find(value);
    const std::string name = named == a.names.end() ? "label " + one.label : named->second;
    judge(name, scoreSolids(plain_a, plain_b, one), one, verdict);
  }
  if (!a.labels.frame.sameGrid(b.labels.frame)) verdict.measures["resampled"] = "the second, to the first one's grid";
  return verdict;
}

/// Largest |difference| in mm where either surface is within half a voxel, where the distance is at its most exact.
double largestGap(const levelset::LevelSet& a, const levelset::LevelSet& b) {
  double largest = 0;
  const double near_mm = 0.5 * a.voxel_mm();
  const auto scan = [&](const openvdb::FloatGrid& from, const openvdb::FloatGrid& to) {
    const auto other = to.getConstAccessor();
    for (auto it = from.cbeginValueOn(); it; ++it) {
      if (std::abs(*it) > near_mm) continue;
      openvdb::CoordBBox box;
      it.getBoundingBox(box);
      largest = std::max(largest, std::abs(double{*it} - double{other.getValue(box.min())}));
    }
  };
  scan(*a.grid().vdb, *b.grid().vdb);
  scan(*b.grid().vdb, *a.grid().vdb);
  return largest;
}

void judgeSurfaces(const mesh::TriangleMesh& a, const mesh::TriangleMesh& b, const Criteria& criteria,
                   Verdict& verdict) {
  const auto distances = mesh::surfaceDistances(a, b);
  verdict.measures["mean_surface_distance_mm"] = distances.mean_mm;
  verdict.measures["p95_surface_distance_mm"] = distances.p95_mm;
  verdict.measures["max_surface_distance_mm"] = distances.max_mm;
  if (criteria.max_hd95_mm) {
    if (!(distances.p95_mm <= *criteria.max_hd95_mm))
      verdict.differences.push_back(
          fmt::format("95 % surface distance {:.4g} mm is above {:.4g} mm", distances.p95_mm, *criteria.max_hd95_mm));
  } else if (!(distances.max_mm <= criteria.tolerance)) {
    verdict.differences.push_back(
        fmt::format("largest surface distance {:.4g} mm is above {:.4g} mm", distances.max_mm, criteria.tolerance));
  }
}

Verdict compareLevelSets(const Pair& pair) {
  const auto a = levelset::readVdb(pair.a), b = levelset::readVdb(pair.b);
  Verdict verdict;
  if (!sameFrame(a.frameId(), b.frameId(), verdict)) return verdict;
  const double volume_a = levelset::volume_mm3(a), volume_b = levelset::volume_mm3(b);
  verdict.measures = {{"volume_a_mm3", volume_a}, {"volume_b_mm3", volume_b}};
  const bool same_voxel = std::abs(a.voxel_mm() - b.voxel_mm()) < 1e-9;
  if (!same_voxel && !pair.criteria.min_dice && !pair.criteria.max_hd95_mm) {
    verdict.differences.push_back(fmt::format("voxel: {} mm and {} mm", a.voxel_mm(), b.voxel_mm()));
    return verdict;
  }
  const auto& fine = a.voxel_mm() < b.voxel_mm() ? a : b;
  const auto on_fine = [&](const levelset::LevelSet& s) {
    return same_voxel ? s : levelset::resample(s, fine.voxel_mm());
  };
  const double common =
      volume_a > 0 && volume_b > 0 ? levelset::volume_mm3(levelset::intersect(on_fine(a), on_fine(b))) : 0.0;
  const double dice = volume_a + volume_b > 0 ? 2 * common / (volume_a + volume_b) : 1.0;
  verdict.measures["dice"] = dice;
  if (pair.criteria.min_dice && dice < *pair.criteria.min_dice)
    verdict.differences.push_back(fmt::format("Dice {:.4f} is below {:.4f}", dice, *pair.criteria.min_dice));
  if (pair.criteria.max_hd95_mm) judgeSurfaces(levelset::toMesh(a), levelset::toMesh(b), pair.criteria, verdict);
  if (!same_voxel) return verdict;
  const double gap = largestGap(a, b);
  verdict.measures["max_difference_mm"] = gap;
  if (!pair.criteria.min_dice && !pair.criteria.max_hd95_mm && gap > pair.criteria.tolerance)
    verdict.differences.push_back(
        fmt::format("largest difference of the distance {:.6g} mm is above {:.6g}", gap, pair.criteria.tolerance));
  return verdict;
}

mesh::TriangleMesh surfaceOf(const std::string& path, Kind kind) {
  if (kind == Kind::Mesh) return mesh::readMesh(path);
  const auto level_set = levelset::readVdb(path);
  auto mesh = levelset::toMesh(level_set);
  mesh.frame_id = level_set.frameId();
  return mesh;
}

Verdict compareSurfaces(const mesh::TriangleMesh& a, const mesh::TriangleMesh& b, const Criteria& criteria) {
  Verdict verdict;
  if (!sameFrame(a.frame_id, b.frame_id, verdict)) return verdict;
  const double volume_a = mesh::volume_mm3(a), volume_b = mesh::volume_mm3(b);
  verdict.measures = {{"triangles_a", a.triangles.size()}, {"triangles_b", b.triangles.size()},
                      {"volume_a_mm3", volume_a},          {"volume_b_mm3", volume_b},
                      {"area_a_mm2", mesh::area_mm2(a)},   {"area_b_mm2", mesh::area_mm2(b)}};
  if (volume_a * volume_b < 0) verdict.differences.push_back("one of the meshes is turned inside out");
  judgeSurfaces(a, b, criteria, verdict);
  return verdict;
}

Solid solidOf(const std::string& path, Kind kind, double voxel_mm, std::string& frame_id) {
  if (kind == Kind::LevelSet) {
    const auto level_set = levelset::readVdb(path);
    frame_id = level_set.frameId();
    return level_set;
  }
  if (kind == Kind::Mesh) {
    const auto mesh = mesh::readMesh(path);
    frame_id = mesh.frame_id;
    return levelset::fromMesh(mesh, voxel_mm);
  }
  auto labels = image::readSegmentation(path);
  frame_id = labels.labels.frame.frame_id;
  return labels;
}

/// Labels against a level set or a mesh.
Verdict compareSolids(const Pair& pair, Kind kind_a, Kind kind_b) {
  const std::string& labels = kind_a == Kind::Labels ? pair.a : pair.b;
  const double voxel_mm = image::readInfo(labels).frame.spacing_mm.minCoeff() / 2;
  std::string frame_a, frame_b;
  const Solid a = solidOf(pair.a, kind_a, voxel_mm, frame_a), b = solidOf(pair.b, kind_b, voxel_mm, frame_b);
  Verdict verdict;
  if (sameFrame(frame_a, frame_b, verdict)) judge("solid", scoreSolids(a, b, pair.criteria), pair.criteria, verdict);
  return verdict;
}

Verdict compareClouds(const Pair& pair) {
  const auto a = mesh::readPointCloud(pair.a), b = mesh::readPointCloud(pair.b);
  Verdict verdict;
  if (!sameFrame(a.frame_id, b.frame_id, verdict)) return verdict;
  verdict.measures = {{"points_a", a.points.size()}, {"points_b", b.points.size()}};
  if (a.points.size() != b.points.size()) {
    verdict.differences.push_back(fmt::format("{} and {} points", a.points.size(), b.points.size()));
    return verdict;
  }
  double distance = 0;
  for (std::size_t i = 0; i < a.points.size(); ++i) distance = std::max(distance, (a.points[i] - b.points[i]).norm());
  verdict.measures["max_distance_mm"] = distance;
  if (distance > pair.criteria.tolerance)
    verdict.differences.push_back(fmt::format("a point lies {:.6g} mm off", distance));
  if (a.labels != b.labels) verdict.differences.push_back("the labels of the points differ");
  if (a.normals.empty() != b.normals.empty() || a.hu.empty() != b.hu.empty())
    verdict.differences.push_back("one of the clouds lacks normals or HU values");
  return verdict;
}

Verdict comparePictures(const Pair& pair) {
  const Pixels a = readPixels(pair.a), b = readPixels(pair.b);
  Verdict verdict;
  if (a.width != b.width || a.height != b.height) {
    verdict.differences.push_back(fmt::format("{}x{} and {}x{} pixels", a.width, a.height, b.width, b.height));
    return verdict;
  }
  int largest = 0;
  std::int64_t unequal = 0;
  for (std::size_t i = 0; i < a.rgba.size(); i += 4) {
    int here = 0;
    for (std::size_t c = 0; c < 4; ++c) here = std::max(here, std::abs(a.rgba[i + c] - b.rgba[i + c]));
    largest = std::max(largest, here), unequal += here > 0;
  }
  verdict.measures = {{"unequal_pixels", unequal}, {"max_channel_difference", largest}};
  if (largest > pair.criteria.tolerance)
    verdict.differences.push_back(fmt::format("{} pixels differ, by up to {} of 255", unequal, largest));
  return verdict;
}

Verdict compareBytes(const Pair& pair) {
  Verdict verdict;
  const std::string a = core::sha256File(pair.a), b = core::sha256File(pair.b);
  verdict.measures = {{"sha256_a", a}, {"sha256_b", b}};
  if (a != b) verdict.differences.push_back("the bytes differ");
  return verdict;
}

/// Refuses criteria that would be passed over in silence.
void checkCriteria(const Criteria& criteria, bool labels, bool solids, bool volumes) {
  const auto refuse = [](const std::string& flag, const std::string& needed) {
    throw core::Error(
        core::Exit::Usage,
        {.what = flag + " does not apply to these files", .file = {}, .expected = needed, .got = {}, .hint = {}});
  };
  if (!criteria.label.empty() && !labels) refuse("--label", "at least one label volume");
  if (!criteria.mask.empty() && !labels && !volumes) refuse("--mask", "volumes, or at least one label volume");
  if (criteria.min_dice && !solids) refuse("--min-dice", "label volumes, level sets or one of each");
  if (criteria.max_hd95_mm && !solids) refuse("--max-hd95-mm", "label volumes, level sets or meshes");
}

bool isSolid(Kind kind) { return kind == Kind::Labels || kind == Kind::LevelSet || kind == Kind::Mesh; }
bool isJson(Kind kind) { return kind == Kind::Json || kind == Kind::Record; }

}  // namespace

Verdict compare(const std::string& a, const std::string& b, const Criteria& criteria) {
  const Pair pair{a, b, criteria};
  Kind kind_a = kindOf(a), kind_b = kindOf(b);
  if (!criteria.label.empty())  // who asks for a label means labels, also where the voxels are signed integers
    for (Kind* kind : {&kind_a, &kind_b})
      if (*kind == Kind::Volume) *kind = Kind::Labels;
  const bool labels = kind_a == Kind::Labels || kind_b == Kind::Labels, solids = isSolid(kind_a) && isSolid(kind_b);
  const bool surfaces = solids && (kind_a == Kind::Mesh || kind_b == Kind::Mesh) && !labels;
  checkCriteria(criteria, labels && solids, solids, kind_a == Kind::Volume && kind_b == Kind::Volume);
  if (criteria.min_dice && surfaces)
    throw core::Error(core::Exit::Usage, {.what = "--min-dice does not apply to meshes",
                                          .file = {},
                                          .expected = "label volumes or level sets",
                                          .got = {},
                                          .hint = "use --max-hd95-mm or --tolerance"});
  if (surfaces) return compareSurfaces(surfaceOf(a, kind_a), surfaceOf(b, kind_b), criteria);
  if (solids && kind_a != kind_b) return compareSolids(pair, kind_a, kind_b);
  if (isJson(kind_a) && isJson(kind_b)) return compareJson(readJson(a), readJson(b), criteria.tolerance);
  if (kind_a != kind_b) {
    Verdict verdict;
    verdict.differences.push_back(fmt::format("one is a {}, the other a {}", nameOf(kind_a), nameOf(kind_b)));
    return verdict;
  }
  switch (kind_a) {
    case Kind::Volume:
      return compareVolumes(pair);
    case Kind::Labels:
      return compareLabels(pair);
    case Kind::LevelSet:
      return compareLevelSets(pair);
    case Kind::PointCloud:
      return compareClouds(pair);
    case Kind::Png:
      return comparePictures(pair);
    default:
      return compareBytes(pair);
  }
}

}  // namespace osteo::inspect
