#include "levelset/level_set.h"

#include <openvdb/tools/Composite.h>
#include <openvdb/tools/ValueTransformer.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "levelset/distance.h"
#include "levelset/grid.h"

namespace osteo::levelset {
namespace {

using openvdb::Coord;
// Not registered with the tree, which nobody changes meanwhile: registering costs more than a sample and makes threads
// wait for each other.
using ConstAccessor = openvdb::tree::ValueAccessor<const openvdb::FloatTree, false>;

/// Distances to the surface of `source`, signed as in `source`, with its metadata.
openvdb::FloatGrid::Ptr rebuilt(const LevelSet& source) {
  const auto& tree = source.grid().vdb->tree();
  const MakeInsideTest inside = [&tree]() -> InsideTest {
    return [values = std::make_shared<ConstAccessor>(tree)](const Coord& ijk) { return values->getValue(ijk) < 0; };
  };
  auto grid = distanceGrid(toMesh(source), source.voxel_mm(), kHalfWidth_voxels, inside, &tree);
  for (auto meta = source.grid().vdb->beginMeta(); meta != source.grid().vdb->endMeta(); ++meta) {
    grid->insertMeta(meta->first, *meta->second);
  }
  return grid;
}

double trilinear(const ConstAccessor& values, const Eigen::Vector3d& index) {
  const Eigen::Vector3d low = index.array().floor();
  const Eigen::Vector3d t = index - low;
  const Coord base(static_cast<int>(low[0]), static_cast<int>(low[1]), static_cast<int>(low[2]));
  double sum = 0;
  for (int c = 0; c < 8; ++c) {
    const int dx = c & 1, dy = c >> 1 & 1, dz = c >> 2 & 1;
    const double weight = (dx ? t[0] : 1 - t[0]) * (dy ? t[1] : 1 - t[1]) * (dz ? t[2] : 1 - t[2]);
    sum += weight * values.getValue(base.offsetBy(dx, dy, dz));
  }
  return sum;
}

enum class Boolean { Union, Intersection, Difference };

LevelSet combine(const LevelSet& a, const LevelSet& b_any, Boolean operation) {
  image::requireSameFrame(a.frameId(), "the first level set", b_any.frameId(), "the second level set");
  const bool same_grid = std::abs(a.voxel_mm() - b_any.voxel_mm()) < 1e-9 * a.voxel_mm();
  const LevelSet b = same_grid ? b_any : resample(b_any, a.voxel_mm());
  const auto &left = *a.grid().vdb, &right = *b.grid().vdb;
  openvdb::FloatGrid::Ptr out;
  switch (operation) {
    case Boolean::Union:
      out = openvdb::tools::csgUnionCopy(left, right);
      break;
    case Boolean::Intersection:
      out = openvdb::tools::csgIntersectionCopy(left, right);
      break;
    case Boolean::Difference:
      out = openvdb::tools::csgDifferenceCopy(left, right);
      break;
  }
  out->setTransform(left.transform().copy());
  LevelSet result = wrap(out);
  const std::string frame_id = a.frameId().empty() ? b.frameId() : a.frameId();
  if (!frame_id.empty()) result.setMeta("frame_id", frame_id);
  return redistance(result);
}

}  // namespace

bool LevelSet::empty() const {
  if (!grid_ || !grid_->vdb) return true;
  for (auto value = grid_->vdb->tree().cbeginValueOn(); value; ++value) {
    if (*value < 0) return false;
  }
  return true;
}

double LevelSet::voxel_mm() const { return grid_->vdb->voxelSize()[0]; }

void LevelSet::activeBox(Eigen::Vector3i& min, Eigen::Vector3i& max) const {
  const openvdb::CoordBBox box = grid_->vdb->evalActiveVoxelBoundingBox();
  min = {box.min().x(), box.min().y(), box.min().z()};
  max = {box.max().x(), box.max().y(), box.max().z()};
}

std::string LevelSet::meta(const std::string& key) const {
  const auto value = grid_->vdb->getMetadata<openvdb::StringMetadata>(key);
  return value ? value->value() : "";
}

void LevelSet::setMeta(const std::string& key, const std::string& value) {
  grid_->vdb->insertMeta(key, openvdb::StringMetadata(value));
}

std::int64_t LevelSet::activeVoxels() const { return static_cast<std::int64_t>(grid_->vdb->activeVoxelCount()); }

double sample(const LevelSet& level_set, const Eigen::Vector3d& point_mm) {
  const ConstAccessor values(level_set.grid().vdb->tree());
  return trilinear(values, point_mm / level_set.voxel_mm());
}

image::CtVolume sampleOnto(const LevelSet& level_set, const image::Frame& frame) {
  image::CtVolume out(frame);
  const double per_voxel = 1.0 / level_set.voxel_mm();
  core::parallelFor(frame.size[2], [&](std::int64_t k) {
    const ConstAccessor values(level_set.grid().vdb->tree());
    for (int j = 0; j < frame.size[1]; ++j) {
      for (int i = 0; i < frame.size[0]; ++i) {
        const Eigen::Vector3d p = frame.toWorld(Eigen::Vector3d(i, j, static_cast<double>(k)));
        out.at(i, j, static_cast<int>(k)) = static_cast<float>(trilinear(values, p * per_voxel));
      }
    }
  });
  return out;
}

LevelSet redistance(const LevelSet& level_set) { return wrap(rebuilt(level_set)); }

LevelSet offset(const LevelSet& level_set, double outward_mm) {
  // Short steps keep the moved surface within the band where distances are known.
  constexpr double kStep_voxels = 1.5;
  const int steps = static_cast<int>(std::ceil(std::abs(outward_mm) / (kStep_voxels * level_set.voxel_mm())));
  LevelSet moved = level_set;
  for (int step = 0; step < steps; ++step) {
    auto grid = moved.grid().vdb->deepCopy();
    const auto shift = static_cast<float>(outward_mm / steps);
    openvdb::tools::foreach (grid->beginValueAll(), [shift](const openvdb::FloatGrid::ValueAllIter& value) {
      value.setValue(*value - shift);
    });
    moved = redistance(wrap(grid));
  }
  return moved;
}

LevelSet unite(const LevelSet& a, const LevelSet& b) { return combine(a, b, Boolean::Union); }
LevelSet intersect(const LevelSet& a, const LevelSet& b) { return combine(a, b, Boolean::Intersection); }
LevelSet subtract(const LevelSet& a, const LevelSet& b) { return combine(a, b, Boolean::Difference); }

LevelSet resample(const LevelSet& level_set, double voxel_mm) {
  LevelSet out = fromMesh(toMesh(level_set), voxel_mm);
  if (!level_set.frameId().empty()) out.setMeta("frame_id", level_set.frameId());
  return out;
}

}  // namespace osteo::levelset
