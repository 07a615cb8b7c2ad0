#include "design_scaffold/envelope.h"

#include <fmt/format.h>
#include <openvdb/tools/ValueTransformer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/blocks.h"
#include "levelset/components.h"

namespace osteo::design_scaffold {
namespace {

using levelset::LevelSet;

// The reach from which a thick part keeps what borders it: the corner of a box lies √3 of the shrink away, plus some.
constexpr double kReach = 2.5;
// Gaps to the host that the closing bridges, in voxels of the defect.
constexpr double kSeam_voxels = 2.0;
// Farther from the host than this nothing counts as facing it.
constexpr double kNear_mm = 3.0;

// Skin and slivers are worked out on voxels no finer than this.
constexpr double kField_mm = 0.4;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Region {
  openvdb::CoordBBox box;
  double voxel_mm = 0;
  Eigen::Vector3d point(const openvdb::Coord& ijk) const {
    return Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()) * voxel_mm;
  }
};

Region regionOf(const LevelSet& level_set, double voxel_mm, double margin_mm) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  const double scale = level_set.voxel_mm() / voxel_mm, margin = margin_mm / voxel_mm;
  Region region;
  region.voxel_mm = voxel_mm;
  for (int axis = 0; axis < 3; ++axis) {
    region.box.min()[axis] = static_cast<int>(std::floor(min[axis] * scale - margin));
    region.box.max()[axis] = static_cast<int>(std::ceil(max[axis] * scale + margin));
  }
  return region;
}

double insideVolume_mm3(const LevelSet& level_set) {
  const levelset::Components inside(level_set, levelset::Components::Side::Inside);
  double volume = 0;
  for (const auto& piece : inside.pieces()) volume += piece.volume_mm3;
  return volume;
}

LevelSet evaluate(const Region& region, double band_mm, const MakeVoxelFunction& make) {
  return levelset::wrap(gridFromFunction(region.box, region.voxel_mm, band_mm, make));
}

/// A level set moved outwards, with true distances to band_mm again.
LevelSet moved(const LevelSet& level_set, double outward_mm, double band_mm) {
  auto copy = level_set.grid().vdb->deepCopy();
  const auto shift = static_cast<float>(outward_mm);
  openvdb::tools::foreach (copy->beginValueAll(),
                           [shift](const openvdb::FloatGrid::ValueAllIter& value) { value.setValue(*value - shift); });
  return levelset::wrap(sweep(*copy, band_mm, level_set.grid().vdb->background() - std::abs(outward_mm)));
}

/// The host within `margin_mm` of the defect's box, in a band wide enough for clearance, rim and gap measures.
LevelSet hostAround(const LevelSet& host, const Region& region, double band_mm) {
  const double reach = region.voxel_mm;
  const openvdb::BBoxd box(openvdb::Vec3d(region.box.min().x(), region.box.min().y(), region.box.min().z()) * reach,
                           openvdb::Vec3d(region.box.max().x(), region.box.max().y(), region.box.max().z()) * reach);
  auto part = host.grid().vdb->deepCopy();
  part->clip(part->transform().worldToIndexNodeCentered(box));
  return levelset::wrap(widen(*part, band_mm));
}

/// The largest piece of what is thicker than kThinnest_mm once the host is clear.
LevelSet thickCore(const LevelSet& defect, const Region& region, Envelope& envelope) {
  const double shrink = 0.5 * kThinnest_mm, band = 3 * region.voxel_mm;
  const LevelSet whole = evaluate(region, shrink + band, [&](const Span& span) -> VoxelFunction {
    auto in_defect = std::make_shared<Sampler>(defect, span);
    auto in_host = envelope.host ? std::make_shared<Sampler>(*envelope.host, span) : nullptr;
    return [=, &region, &envelope](const openvdb::Coord& ijk) {
      const Eigen::Vector3d p = region.point(ijk);
      return std::max((*in_defect)(p), in_host ? envelope.clearance_mm - (*in_host)(p) : -kInfinity);
    };
  });
  const LevelSet thick = moved(levelset::wrap(sweep(*whole.grid().vdb, shrink + band, 0)), -shrink, band);
  const levelset::Components parts(thick, levelset::Components::Side::Inside);
  if (parts.pieces().empty())
    throw core::Error(
        core::Exit::DataError,
        {.what = "nothing of the defect is thick enough to print",
         .expected = fmt::format("parts above {} mm after a clearance of {} mm", kThinnest_mm, envelope.clearance_mm),
         .hint = "check that defect and host belong together, or lower --clearance-mm"});
  const auto largest = std::max_element(parts.pieces().begin(), parts.pieces().end(),
                                        [](const auto& a, const auto& b) { return a.volume_mm3 < b.volume_mm3; });
  envelope.pieces_removed = static_cast<int>(parts.pieces().size()) - 1;
  return parts.filtered([&](const levelset::Piece& piece) { return &piece == &*largest; }, false);
}

/// Whether any voxel of the region lies in the defect but too far from its thick core.
bool hasSlivers(const LevelSet& defect, const LevelSet& near, double reach_mm, const Region& region) {
  const openvdb::Coord low = region.box.min(), size = region.box.dim();
  std::vector<char> found(static_cast<std::size_t>(size.x()), 0);
  core::parallelFor(size.x(), [&](std::int64_t x) {
    const int plane = low.x() + static_cast<int>(x);
    const Span span{region.point(openvdb::Coord(plane, low.y(), low.z())),
                    region.point(openvdb::Coord(plane, region.box.max().y(), region.box.max().z()))};
    const Sampler in_defect(defect, span), to_core(near, span);
    for (int y = 0; y < size.y(); ++y)
      for (int z = 0; z < size.z(); ++z) {
        const Eigen::Vector3d p = region.point(low.offsetBy(static_cast<int>(x), y, z));
        if (in_defect(p) < 0 && to_core(p) > reach_mm) found[static_cast<std::size_t>(x)] = 1;
      }
  });
  return std::find(found.begin(), found.end(), 1) != found.end();
}

/// The defect without what lies too far from its thick core.
LevelSet pruned(const LevelSet& defect, const Region& region, Envelope& envelope) {
  const double reach = kReach * 0.5 * kThinnest_mm + envelope.clearance_mm, band = 3 * region.voxel_mm;
  const LevelSet core = thickCore(defect, region, envelope);
  const LevelSet near = levelset::wrap(sweep(*core.grid().vdb, reach + band, band));
  const Region own = regionOf(defect, defect.voxel_mm(), 4 * defect.voxel_mm());
  LevelSet kept = defect;
  if (hasSlivers(defect, near, reach, region)) {
    kept = evaluate(own, 3 * own.voxel_mm, [&](const Span& span) -> VoxelFunction {
      auto in_defect = std::make_shared<Sampler>(defect, span), to_core = std::make_shared<Sampler>(near, span);
      return [=, &own](const openvdb::Coord& ijk) {
        const Eigen::Vector3d p = own.point(ijk);
        return std::max((*in_defect)(p), (*to_core)(p)-reach);
      };
    });
    envelope.slivers_removed_mm3 = insideVolume_mm3(defect) - insideVolume_mm3(kept);
  }
  // Finer grids are evaluated voxel by voxel anyway; on coarse ones the wide band tells which blocks lie outside.
  return own.voxel_mm < kField_mm ? kept : levelset::wrap(widen(*kept.grid().vdb, kNear_mm));
}

/// Negative where the body is to be solid: shallower than the skin under the surface of defect and host together.
LevelSet skinOf(const Envelope& envelope, const Region& region, const Fit& fit, const Eigen::Vector3d& centre_mm) {
  const double voxel = region.voxel_mm, seam = kSeam_voxels * voxel, band = 3 * voxel;
  const LevelSet both = evaluate(region, seam + band, [&](const Span& span) -> VoxelFunction {
    auto in_defect = std::make_shared<Sampler>(envelope.defect, span),
         in_host = std::make_shared<Sampler>(*envelope.host, span);
    return [=, &region](const openvdb::Coord& ijk) {
      const Eigen::Vector3d p = region.point(ijk);
      return std::min((*in_defect)(p), (*in_host)(p));
    };
  });
  const LevelSet body = moved(moved(both, seam, seam + band), -seam, fit.skin_mm + band);
  return evaluate(region, band, [&](const Span& span) -> VoxelFunction {
    auto in_defect = std::make_shared<Sampler>(envelope.defect, span), in_body = std::make_shared<Sampler>(body, span),
         in_host = std::make_shared<Sampler>(*envelope.host, span);
    return [=, &region, &fit](const openvdb::Coord& ijk) {
      const Eigen::Vector3d p = region.point(ijk);
      if ((*in_defect)(p) > 2 * voxel) return band;
      double skin = -(*in_body)(p)-fit.skin_mm;
      if (fit.skin == Skin::Outer && skin < 0.5 * voxel) {
        const Eigen::Vector3d out = (p - centre_mm).normalized();
        skin = std::max(skin, -in_body->gradient(p).dot(out) * voxel);
      }
      if (fit.skin == Skin::Rim) skin = std::max(skin, (*in_host)(p)-fit.clearance_mm - fit.rim_mm);
      return skin;
    };
  });
}

}  // namespace

Envelope makeEnvelope(const LevelSet& defect, const LevelSet* host, const Fit& fit) {
  if (defect.empty())
    throw core::Error(core::Exit::DataError, {.what = "the defect is empty", .expected = "a level set with an inside"});
  const double voxel = std::max(defect.voxel_mm(), kField_mm);
  const double band = std::max({kNear_mm, fit.clearance_mm + 3 * voxel,
                                fit.skin == Skin::Rim ? fit.clearance_mm + fit.rim_mm + voxel : 0.0}) +
                      voxel;
  const Region region = regionOf(defect, voxel, host ? band + fit.skin_mm + (kSeam_voxels + 4) * voxel : 4 * voxel);
  core::Progress progress("fit to the host", 3);
  Envelope envelope;
  envelope.clearance_mm = host ? fit.clearance_mm : 0.0;
  if (host) envelope.host = hostAround(*host, region, band);
  progress.advance();
  envelope.defect = pruned(defect, region, envelope);
  progress.advance();
  if (host && fit.skin_mm > 0) {
    const Region whole = regionOf(*host, host->voxel_mm(), 0);
    envelope.skin = skinOf(envelope, region, fit, 0.5 * (whole.point(whole.box.min()) + whole.point(whole.box.max())));
  }
  return envelope;
}

}  // namespace osteo::design_scaffold
