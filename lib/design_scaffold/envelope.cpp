#include "design_scaffold/envelope.h"

#include <fmt/format.h>
#include <openvdb/tools/FastSweeping.h>
#include <openvdb/tools/LevelSetUtil.h>
#include <openvdb/tools/Morphology.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/blocks.h"
#include "design_scaffold/fixation.h"
#include "design_scaffold/solid.h"
#include "levelset/components.h"
#include "mesh/io.h"
#include "mesh/measures.h"

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

struct Region {
  openvdb::CoordBBox box;
  double voxel_mm = 0;
  Eigen::Vector3d point(const openvdb::Coord& ijk) const {
    return Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()) * voxel_mm;
  }
};

Span spanOf(const LevelSet& level_set) {
  Eigen::Vector3i min, max;
  level_set.activeBox(min, max);
  return {min.cast<double>() * level_set.voxel_mm(), max.cast<double>() * level_set.voxel_mm()};
}

Region regionOf(const Span& span, double voxel_mm, double margin_mm) {
  Region region;
  region.voxel_mm = voxel_mm;
  for (int axis = 0; axis < 3; ++axis) {
    region.box.min()[axis] = static_cast<int>(std::floor((span.low_mm[axis] - margin_mm) / voxel_mm));
    region.box.max()[axis] = static_cast<int>(std::ceil((span.high_mm[axis] + margin_mm) / voxel_mm));
  }
  return region;
}

Region regionOf(const LevelSet& level_set, double voxel_mm, double margin_mm) {
  return regionOf(spanOf(level_set), voxel_mm, margin_mm);
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

/// Counts the pieces that are thicker than kThinnest_mm. Beside the largest only crumbs may lie: an implant in two
/// parts is two designs.
void requireThickPiece(const LevelSet& whole, Envelope& envelope) {
  constexpr double kCrumbs = 0.05;  // of the whole
  const levelset::Components parts(whole, levelset::Components::Side::Inside, -0.5 * kThinnest_mm);
  if (parts.pieces().empty())
    throw core::Error(core::Exit::DataError,
                      {.what = "nothing of the defect is thick enough to print",
                       .expected = fmt::format("parts above {} mm after a clearance of {} mm", kThinnest_mm,
                                               envelope.clearance.most_mm()),
                       .hint = "check that defect and host belong together, or lower --clearance-mm"});
  envelope.pieces_removed = static_cast<int>(parts.pieces().size()) - 1;
  double all = 0, largest = 0;
  for (const auto& piece : parts.pieces()) all += piece.volume_mm3, largest = std::max(largest, piece.volume_mm3);
  if (all - largest < kCrumbs * all) return;
  throw core::Error(core::Exit::DataError,
                    {.what = "the envelope is not connected",
                     .expected = fmt::format("one piece, or crumbs of less than {:.0f} % beside it", 100 * kCrumbs),
                     .got = fmt::format("{} pieces that are printable; the largest has {:.0f} % of the volume",
                                        parts.pieces().size(), 100 * largest / all),
                     .hint = "design each piece on its own, or lower --clearance-mm where the host cuts it in two"});
}

constexpr double kShrink_mm = 0.5 * kThinnest_mm;

/// Defect minus the host grown by the clearance; inside, values are true distances.
LevelSet clearedBody(const Region& region, const Envelope& envelope) {
  const double band = kShrink_mm + 3 * region.voxel_mm,
               known = levelset::kHalfWidth_voxels * envelope.defect.voxel_mm();
  const LevelSet whole = evaluate(region, band, [&](const Span& span) -> VoxelFunction {
    const Body body(envelope, span);
    return [body, &region](const openvdb::Coord& ijk) { return body.envelope_mm(region.point(ijk)); };
  });
  // A fine level set doesn't know how deep its inside is.
  return known < 1.1 * kShrink_mm ? levelset::wrap(sweep(*whole.grid().vdb, band, known)) : whole;
}

/// Puts keep-outs into the envelope. Throws DataError when they leave less than half of the body.
void keepOff(const std::vector<KeepOut>& keep_outs, const Span& span, const Region& region, Envelope& envelope) {
  if (keep_outs.empty()) return;
  constexpr double kLeastLeft = 0.5;
  const double before = levelset::measureSurface(clearedBody(region, envelope)).volume_mm3;
  for (const KeepOut& obstacle : keep_outs)
    envelope.obstacles.push_back({obstacle.name,
                                  around(obstacle.shape, span, obstacle.distance_mm + 3 * region.voxel_mm),
                                  obstacle.distance_mm});
  envelope.keep_outs_removed_mm3 = before - levelset::measureSurface(clearedBody(region, envelope)).volume_mm3;
  if (envelope.keep_outs_removed_mm3 <= (1 - kLeastLeft) * before) return;
  std::string names;
  for (const KeepOut& obstacle : keep_outs)
    names += fmt::format("{}{} by {} mm", names.empty() ? "" : ", ", obstacle.name, obstacle.distance_mm);
  throw core::Error(
      core::Exit::DataError,
      {.what = "the defect and what it has to keep off conflict",
       .expected = fmt::format("at least {:.0f} % of the implant left", 100 * kLeastLeft),
       .got = fmt::format("{:.0f} % beside {}", 100 * (1 - envelope.keep_outs_removed_mm3 / before), names),
       .hint = "a smaller --keep-out-mm, or fewer --keep-out-labels"});
}

/// The largest piece of what is thicker than kThinnest_mm once the host is clear.
LevelSet thickCore(const LevelSet& whole, const Region& region) {
  const double band = 3 * region.voxel_mm;
  const LevelSet thick =
      moved(levelset::wrap(sweep(*whole.grid().vdb, kShrink_mm + band, kShrink_mm + band)), -kShrink_mm, band);
  const levelset::Components parts(thick, levelset::Components::Side::Inside);
  const auto largest = std::max_element(parts.pieces().begin(), parts.pieces().end(),
                                        [](const auto& a, const auto& b) { return a.volume_mm3 < b.volume_mm3; });
  return parts.filtered([&](const levelset::Piece& piece) { return &piece == &*largest; }, false);
}

/// Whether every voxel of a body lies within some steps of its thick core, fewer than make up `reach_mm`.
bool isThickThroughout(const LevelSet& whole, double reach_mm) {
  const openvdb::FloatGrid& grid = *whole.grid().vdb;
  const auto inside = openvdb::tools::sdfInteriorMask(grid, 0.0F);
  auto near = openvdb::tools::sdfInteriorMask(grid, static_cast<float>(-kShrink_mm));
  const int steps = static_cast<int>(reach_mm / whole.voxel_mm());
  if (steps < 1) return false;
  openvdb::tools::dilateActiveValues(near->tree(), 1, openvdb::tools::NN_FACE_EDGE_VERTEX);
  openvdb::tools::dilateActiveValues(near->tree(), steps - 1, openvdb::tools::NN_FACE);
  auto far = inside->deepCopy();
  far->tree().topologyDifference(near->tree());
  return far->tree().activeVoxelCount() == 0;
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
  const double reach = kReach * 0.5 * kThinnest_mm + std::max(0.0, envelope.clearance.most_mm()),
               band = 3 * region.voxel_mm;
  const LevelSet whole = clearedBody(region, envelope);
  requireThickPiece(whole, envelope);
  const Region own = regionOf(defect, defect.voxel_mm(), 4 * defect.voxel_mm());
  LevelSet kept = defect, near;
  const bool is_thick = envelope.pieces_removed == 0 && isThickThroughout(whole, reach);
  if (!is_thick) near = levelset::wrap(sweep(*thickCore(whole, region).grid().vdb, reach + band, band));
  if (!is_thick && hasSlivers(defect, near, reach, region)) {
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

/// Which side of an implant is its outer one.
struct OuterSide {
  Eigen::Vector3d centre_mm;  ///< of the host
  std::optional<Eigen::Vector3d> outward;

  /// Above 0 on the outer side. An implant that comes along a straight way has it where its surface looks that way, and
  /// where it bends round further, as the edge of a large cranial one does, where it looks away from the centre.
  double facing(const Eigen::Vector3d& p, const Eigen::Vector3d& normal) const {
    constexpr double kSurely = 0.2, kRound = 0.5;
    const double away = normal.dot((p - centre_mm).normalized());
    if (!outward) return away;
    const double along = normal.dot(*outward);
    return std::max(along - kSurely, std::min(along + kRound, away));
  }
};

/// Negative where the body is to be solid: shallower than the skin under the surface of defect and host together.
LevelSet skinOf(const Envelope& envelope, const Region& region, const Fit& fit, const OuterSide& outer) {
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
      if (fit.skin == Skin::Outer && skin < 0.5 * voxel)
        skin = std::max(skin, -outer.facing(p, in_body->gradient(p)) * voxel);
      if (fit.skin == Skin::Rim) skin = std::max(skin, (*in_host)(p)-envelope.clearance(p) - fit.rim_mm);
      return skin;
    };
  });
}

/// Whether balls of some diameter fit around points of a coarse grid, as far as points on them tell.
bool hasObviousRoom(const LevelSet& body, const Eigen::Vector3i& min, const Eigen::Vector3i& max, double diameter_mm) {
  constexpr int kPlaces = 16;
  const double voxel = body.voxel_mm();
  const Eigen::Vector3d low = min.cast<double>() * voxel, step = (max - min).cast<double>() * voxel / kPlaces;
  const auto isInside = [&](const Eigen::Vector3d& p) { return levelset::sample(body, p) < 0; };
  const auto fits = [&](const Eigen::Vector3d& p) {
    for (int n = 0; n < 27; ++n) {
      const Eigen::Vector3d way(n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1);
      if (!isInside(n == 13 ? p : Eigen::Vector3d(p + 0.5 * diameter_mm * way.normalized()))) return false;
    }
    return true;
  };
  for (int n = 0; n < kPlaces * kPlaces * kPlaces; ++n) {
    const Eigen::Vector3d at(n % kPlaces, n / kPlaces % kPlaces, n / kPlaces / kPlaces);
    if (fits(low + (at + Eigen::Vector3d::Constant(0.5)).cwiseProduct(step))) return true;
  }
  return false;
}

}  // namespace

double checkedSkin_mm(std::optional<double> wanted_mm, bool has_host) {
  constexpr double kSkin_mm = 1.0;
  if (has_host) return wanted_mm.value_or(kSkin_mm);
  if (wanted_mm.value_or(0) <= 0) return 0;
  throw core::Error(core::Exit::Usage,
                    {.what = "a skin needs --host",
                     .expected = "--host BONE.vdb",
                     .hint = "without the bone nothing says which side must stay open; or --skin-mm 0"});
}

LevelSet readDefect(const std::string& path, double voxel_mm) {
  constexpr double kFinest_mm = 0.15, kVoxels = 3e7;
  if (!levelset::isMeshFile(path)) return levelset::readVdb(path);
  const mesh::TriangleMesh shape = mesh::readMesh(path);
  const double fits = std::sqrt(2 * levelset::kHalfWidth_voxels * mesh::area_mm2(shape) / kVoxels);
  return levelset::fromMesh(shape, std::max({voxel_mm, kFinest_mm, fits}));
}

LevelSet readHost(const std::string& path, double voxel_mm) {
  return levelset::readSolid(path, std::max(voxel_mm, kField_mm));
}

double longestExtent_mm(const LevelSet& body) {
  std::vector<Eigen::Vector3d> points;
  Eigen::Vector3d sum = Eigen::Vector3d::Zero();
  const double voxel = body.voxel_mm();
  for (auto value = body.grid().vdb->cbeginValueOn(); value; ++value)
    if (value.isVoxelValue() && std::abs(*value) < voxel) {
      const openvdb::Coord ijk = value.getCoord();
      points.emplace_back(voxel * Eigen::Vector3d(ijk.x(), ijk.y(), ijk.z()));
      sum += points.back();
    }
  if (points.empty()) return 0;
  const Eigen::Vector3d middle = sum / static_cast<double>(points.size());
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const Eigen::Vector3d& p : points) spread += (p - middle) * (p - middle).transpose();
  const Eigen::Vector3d axis = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(spread).eigenvectors().col(2);
  double low = 0, high = 0;
  for (const Eigen::Vector3d& p : points) {
    low = std::min(low, axis.dot(p - middle));
    high = std::max(high, axis.dot(p - middle));
  }
  return high - low;
}

void requireRoomForCell(const Envelope& envelope, double cell_mm) {
  const LevelSet& body = envelope.defect;
  Eigen::Vector3i min, max;
  body.activeBox(min, max);
  const double thinnest = (max - min).minCoeff() * body.voxel_mm();
  if (hasObviousRoom(body, min, max, cell_mm)) return;
  double deepest = 0.5 * thinnest;
  if (thinnest > cell_mm) {  // else the box tells already
    const double step = std::max(body.voxel_mm(), cell_mm / 12);
    const LevelSet coarse = step > body.voxel_mm() ? levelset::resample(body, step) : body;
    const auto deep = openvdb::tools::dilateSdf(
        *coarse.grid().vdb, static_cast<int>(std::ceil(0.5 * cell_mm / step)) + 1, openvdb::tools::NN_FACE_EDGE, 1,
        openvdb::tools::FastSweepingDomain::SWEEP_LESS_THAN_ISOVALUE);
    float lowest = 0;
    for (auto value = deep->cbeginValueOn(); value; ++value) lowest = std::min(lowest, *value);
    deepest = -lowest + 0.5 * step;
  }
  if (2 * deepest >= cell_mm) return;
  throw core::Error(core::Exit::DataError,
                    {.what = "the envelope is thinner than a cell of the lattice",
                     .expected = fmt::format("room for a ball of {:.3g} mm, the cell's edge", cell_mm),
                     .got = fmt::format("{:.3g} mm where it is thickest", 2 * deepest),
                     .hint = "a smaller --cell-mm, --pore-mm or --wall-mm, or a larger --volume-fraction"});
}

Span Envelope::box() const {
  Span span = spanOf(defect);
  if (!fixed) return span;
  const Span other = spanOf(*fixed);
  return {span.low_mm.cwiseMin(other.low_mm), span.high_mm.cwiseMax(other.high_mm)};
}

Envelope makeEnvelope(const LevelSet& defect, const Surroundings& surroundings, const Fit& fit) {
  if (defect.empty())
    throw core::Error(core::Exit::DataError, {.what = "the defect is empty", .expected = "a level set with an inside"});
  const LevelSet* host = surroundings.host;
  core::Progress progress("fit to the host", 3);
  Envelope envelope;
  envelope.defect = defect;
  if (surroundings.fixation) {
    envelope.fixed = surroundings.fixation->solid;
    envelope.collars = surroundings.fixation->collars;
    envelope.holes = surroundings.fixation->holes;
  }
  if (host) envelope.clearance = Clearance(fit.clearance_mm, fit.regions);
  const double voxel = std::max(defect.voxel_mm(), kField_mm), most = envelope.clearance.most_mm();
  const double band =
      std::max({kNear_mm, most + 3 * voxel, fit.skin == Skin::Rim ? most + fit.rim_mm + voxel : 0.0}) + voxel;
  const Region region =
      regionOf(envelope.box(), voxel, host ? band + fit.skin_mm + (kSeam_voxels + 4) * voxel : 4 * voxel);
  const Span span{region.point(region.box.min()), region.point(region.box.max())};
  if (host) {
    const bool reamed = surroundings.fixation && surroundings.fixation->bed;
    envelope.host = around(reamed ? levelset::subtract(*host, *surroundings.fixation->bed) : *host, span, band);
  }
  progress.advance();
  keepOff(surroundings.keep_outs, span, region, envelope);
  if (surroundings.barrier)
    envelope.obstacles.push_back({"the way in", around(*surroundings.barrier, span, 3 * voxel), 0});
  envelope.defect = pruned(envelope.defect, region, envelope);
  progress.advance();
  if (host && fit.skin_mm > 0) {
    const Region whole = regionOf(*host, host->voxel_mm(), 0);
    const Eigen::Vector3d centre = 0.5 * (whole.point(whole.box.min()) + whole.point(whole.box.max()));
    envelope.skin = skinOf(envelope, region, fit, {centre, surroundings.outward});
  }
  return envelope;
}

}  // namespace osteo::design_scaffold
