#include "design_scaffold/contour.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <atomic>
#include <cmath>

#include "design_scaffold/blocks.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

constexpr double kNear_mm = 1.5, kFar_mm = 3.0;  // beside the gap
constexpr double kReach_mm = 2.0;                // up and down in search of a surface
constexpr double kStep_mm = 0.1;
constexpr double kBeside_mm = 1.0;   // wider gaps than the clearance and this have no rim
constexpr double kCrevice_mm = 1.5;  // wider ones are left open
constexpr double kMost_mm = 1.5;     // that a surface is raised or lowered by
constexpr double kFade_mm = 8.0;     // from the rim inwards
constexpr double kAverage_mm = 2.5;  // along the rim
constexpr double kFlush_mm = 0.05;   // nobody feels smaller steps

/// A place on the rim: how much higher the host's outer surface lies than the defect's.
struct RimPoint {
  Vector3d at_mm, normal;
  double step_mm;
};

/// The highest place along `up` where a field goes from inside to outside, as a height above `at`.
std::optional<double> surfaceHeight(const Sampler& field, const Vector3d& at, const Vector3d& up) {
  double above = field(at + kReach_mm * up);
  for (double height = kReach_mm - kStep_mm; height >= -kReach_mm; height -= kStep_mm) {
    const double here = field(at + height * up);
    if (here < 0 && above >= 0) return height + kStep_mm * here / (here - above);
    above = here;
  }
  return std::nullopt;
}

/// The height at `wanted` of the line through two heights.
double carriedOn(double x1, double y1, double x2, double y2, double wanted) {
  return y1 + (y2 - y1) * (wanted - x1) / (x2 - x1);
}

std::vector<RimPoint> rimPoints(const Envelope& envelope, const Vector3d& outward) {
  std::vector<RimPoint> rim;
  if (!envelope.host) return rim;
  const Span box = envelope.box();
  const Vector3d margin = Vector3d::Constant(kFar_mm + kReach_mm + 2);
  const Span span{box.low_mm - margin, box.high_mm + margin};
  const Sampler body(envelope.defect, span), host(*envelope.host, span);
  const double voxel = envelope.defect.voxel_mm();
  for (auto value = envelope.defect.grid().vdb->cbeginValueOn(); value; ++value) {
    if (!value.isVoxelValue() || std::abs(*value) > 0.5 * voxel) continue;
    const openvdb::Coord c = value.getCoord();
    Vector3d p = voxel * Vector3d(c.x(), c.y(), c.z());
    const Vector3d n = body.gradient(p).normalized();
    p -= *value * n;
    const double gap = host(p);
    if (gap < 0 || gap > std::max(0.0, envelope.clearance(p)) + kBeside_mm || n.dot(outward) < 0.3) continue;
    const Vector3d off = host.gradient(p).normalized();
    if (std::abs(n.dot(off)) > 0.5) continue;  // that's the side which faces the host
    const Vector3d to_host = -(off - off.dot(n) * n).normalized();
    const auto own1 = surfaceHeight(body, p - kNear_mm * to_host, n),
               own2 = surfaceHeight(body, p - kFar_mm * to_host, n);
    const auto other1 = surfaceHeight(host, p + (gap + kNear_mm) * to_host, n),
               other2 = surfaceHeight(host, p + (gap + kFar_mm) * to_host, n);
    if (!own1 || !own2 || !other1 || !other2) continue;
    rim.push_back({p, n,
                   carriedOn(gap + kNear_mm, *other1, gap + kFar_mm, *other2, 0.5 * gap) -
                       carriedOn(-kNear_mm, *own1, -kFar_mm, *own2, 0.5 * gap)});
  }
  return rim;
}

/// By how much the surface is to rise at a point whose outer normal is known.
double raiseAt(const std::vector<RimPoint>& rim, const Vector3d& p, const Vector3d& normal) {
  double nearest = kFade_mm * kFade_mm, sum = 0, weights = 0;
  for (const RimPoint& r : rim) {
    const double far = (r.at_mm - p).squaredNorm();
    if (far > kFade_mm * kFade_mm) continue;
    nearest = std::min(nearest, far);
    const double alike = std::max(0.0, r.normal.dot(normal)),
                 weight = std::exp(-0.5 * far / (kAverage_mm * kAverage_mm));
    sum += weight * alike * std::clamp(r.step_mm, -kMost_mm, kMost_mm);
    weights += weight;
  }
  if (weights <= 0) return 0;
  const double inwards = std::sqrt(nearest) / kFade_mm;
  return sum / weights * (1 - inwards * inwards * (3 - 2 * inwards));
}

openvdb::CoordBBox grownBox(const LevelSet& level_set, int voxels) {
  openvdb::CoordBBox box = level_set.grid().vdb->evalActiveVoxelBoundingBox();
  box.expand(voxels);
  return box;
}

/// A level set's band remade from a function of its voxels; metadata stay.
LevelSet remade(const LevelSet& from, int margin_voxels, const MakeVoxelFunction& make) {
  const double voxel = from.voxel_mm(), band = levelset::kHalfWidth_voxels * voxel;
  const LevelSet made =
      levelset::wrap(sweep(*gridFromFunction(grownBox(from, margin_voxels), voxel, band, make), band, band));
  LevelSet out = made;
  for (const char* key : {"frame_id", "slice_gap_mm"})
    if (!from.meta(key).empty()) out.setMeta(key, from.meta(key));
  return out;
}

}  // namespace

std::optional<ContourStep> contourStep(const Envelope& envelope, const Vector3d& outward) {
  std::vector<double> steps;
  for (const RimPoint& point : rimPoints(envelope, outward)) steps.push_back(std::abs(point.step_mm));
  if (steps.empty()) return std::nullopt;
  std::sort(steps.begin(), steps.end());
  const auto at = [&](double share) {
    return steps[static_cast<std::size_t>(share * static_cast<double>(steps.size() - 1))];
  };
  return ContourStep{at(0.5), at(0.95), static_cast<int>(steps.size())};
}

LevelSet flushed(const Envelope& envelope, const Vector3d& outward) {
  constexpr int kRounds = 2;
  Envelope now = envelope;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<RimPoint> rim = rimPoints(now, outward);
    const bool is_flush =
        std::all_of(rim.begin(), rim.end(), [](const RimPoint& r) { return std::abs(r.step_mm) < kFlush_mm; });
    if (is_flush) break;
    const LevelSet before = now.defect;
    const double voxel = before.voxel_mm(), band = levelset::kHalfWidth_voxels * voxel;
    now.defect =
        remade(before, static_cast<int>(std::ceil(kMost_mm / voxel)) + 3, [&](const Span& span) -> VoxelFunction {
          auto in_body = std::make_shared<Sampler>(before, span);
          auto near = std::make_shared<std::vector<RimPoint>>();
          for (const RimPoint& r : rim)
            if (((r.at_mm - span.low_mm).array() > -kFade_mm).all() &&
                ((r.at_mm - span.high_mm).array() < kFade_mm).all())
              near->push_back(r);
          return [=](const openvdb::Coord& ijk) {
            const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
            const double value = (*in_body)(p);
            if (near->empty() || std::abs(value) >= band) return value;
            return value - raiseAt(*near, p, in_body->gradient(p).normalized());
          };
        });
  }
  return now.defect;
}

LevelSet seamFilled(const Envelope& envelope) {
  if (!envelope.host) return envelope.defect;
  constexpr double kFacing = 0.7;
  const double voxel = envelope.defect.voxel_mm(), band = levelset::kHalfWidth_voxels * voxel;
  // Crevices wider than the defect's band are known from outside it.
  const LevelSet wide = levelset::wrap(widen(*envelope.defect.grid().vdb, kCrevice_mm + 2 * voxel));
  std::atomic<bool> any = false;
  const LevelSet filled = remade(
      envelope.defect, static_cast<int>(std::ceil(kCrevice_mm / voxel)) + 3, [&](const Span& span) -> VoxelFunction {
        auto in_body = std::make_shared<Sampler>(wide, span), in_host = std::make_shared<Sampler>(*envelope.host, span);
        return [=, &any](const openvdb::Coord& ijk) {
          const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
          const double body = (*in_body)(p), host = (*in_host)(p);
          if (body <= 0 || body + host > kCrevice_mm + band) return std::min(body, band);
          const double alike = in_body->gradient(p).normalized().dot(in_host->gradient(p).normalized());
          const double crevice = std::max(body + host - kCrevice_mm, (alike + kFacing) * kCrevice_mm);
          if (crevice < 0 && body > 0.25 * voxel) any = true;
          return std::min(body, crevice);
        };
      });
  return any ? filled : envelope.defect;
}

}  // namespace osteo::design_scaffold
