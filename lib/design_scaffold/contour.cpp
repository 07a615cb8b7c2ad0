#include "design_scaffold/contour.h"

#include <Eigen/Geometry>
#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/parallel.h"
#include "design_scaffold/blocks.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

constexpr double kNear_mm = 1.0, kFar_mm = 4.0;  // beside the gap, where surfaces are followed
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

/// Follows a surface away from a point of the rim and carries the line through it on to the middle of the gap: its
/// height there.
std::optional<double> carriedOn(const Sampler& field, const Vector3d& at, const Vector3d& away, const Vector3d& up,
                                double to_middle_mm) {
  constexpr double kApart_mm = 0.5;
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (double far = kNear_mm; far <= kFar_mm; far += kApart_mm) {
    const auto height = surfaceHeight(field, at + far * away, up);
    if (!height) return std::nullopt;
    n += 1, x += far, y += *height, xx += far * far, xy += far * *height;
  }
  const double slope = (n * xy - x * y) / (n * xx - x * x);
  return y / n + slope * (-to_middle_mm - x / n);
}

/// Steps are the medians of those around, which takes the roughness of the bone out.
void smoothSteps(std::vector<RimPoint>& rim) {
  constexpr double kAround_mm = 2.0;
  std::vector<double> smooth(rim.size());
  core::parallelFor(static_cast<std::int64_t>(rim.size()), [&](std::int64_t n) {
    std::vector<double> near;
    for (const RimPoint& r : rim)
      if ((r.at_mm - rim[n].at_mm).squaredNorm() <= kAround_mm * kAround_mm) near.push_back(r.step_mm);
    std::nth_element(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(near.size() / 2), near.end());
    smooth[n] = near[near.size() / 2];
  });
  for (std::size_t n = 0; n < rim.size(); ++n) rim[n].step_mm = smooth[n];
}

/// Points of a defect's rim along the host around it.
std::vector<RimPoint> rimPoints(const LevelSet& defect, const LevelSet& around, const Clearance& clearance,
                                const Vector3d& outward) {
  std::vector<RimPoint> rim;
  const double voxel = defect.voxel_mm();
  Eigen::Vector3i min, max;
  defect.activeBox(min, max);
  const Vector3d margin = Vector3d::Constant(kFar_mm + kReach_mm + 2);
  const Span span{voxel * min.cast<double>() - margin, voxel * max.cast<double>() + margin};
  const Sampler body(defect, span), host(around, span);
  for (auto value = defect.grid().vdb->cbeginValueOn(); value; ++value) {
    if (!value.isVoxelValue() || std::abs(*value) > 0.5 * voxel) continue;
    const openvdb::Coord c = value.getCoord();
    Vector3d p = voxel * Vector3d(c.x(), c.y(), c.z());
    const Vector3d n = body.gradient(p).normalized();
    p -= *value * n;
    const double gap = host(p);
    if (gap < 0 || gap > std::max(0.0, clearance(p)) + kBeside_mm || n.dot(outward) < 0.3) continue;
    const Vector3d off = host.gradient(p).normalized();
    if (std::abs(n.dot(off)) > 0.5) continue;  // that's the side which faces the host
    const Vector3d to_host = -(off - off.dot(n) * n).normalized();
    const auto own = carriedOn(body, p, -to_host, n, 0.5 * gap),
               other = carriedOn(host, p + gap * to_host, to_host, n, 0.5 * gap);
    if (own && other) rim.push_back({p, n, *other - *own});
  }
  smoothSteps(rim);
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

LevelSet flushed(LevelSet defect, const LevelSet& host, const Clearance& clearance, const Vector3d& outward) {
  constexpr int kRounds = 2;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<RimPoint> rim = rimPoints(defect, host, clearance, outward);
    const bool is_flush =
        std::all_of(rim.begin(), rim.end(), [](const RimPoint& r) { return std::abs(r.step_mm) < kFlush_mm; });
    if (is_flush) break;
    const double voxel = defect.voxel_mm(), band = levelset::kHalfWidth_voxels * voxel, wide = kMost_mm + band;
    // The surface moves farther than the band of a fine level set reaches.
    const LevelSet before = levelset::wrap(sweep(*defect.grid().vdb, wide, band));
    defect = remade(defect, static_cast<int>(std::ceil(kMost_mm / voxel)) + 3, [&](const Span& span) -> VoxelFunction {
      auto in_body = std::make_shared<Sampler>(before, span);
      auto near = std::make_shared<std::vector<RimPoint>>();
      for (const RimPoint& r : rim)
        if (((r.at_mm - span.low_mm).array() > -kFade_mm).all() && ((r.at_mm - span.high_mm).array() < kFade_mm).all())
          near->push_back(r);
      return [=](const openvdb::Coord& ijk) {
        const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
        const double value = (*in_body)(p);
        if (near->empty() || std::abs(value) >= wide) return value;
        return value - raiseAt(*near, p, in_body->gradient(p).normalized());
      };
    });
  }
  return defect;
}

LevelSet seamFilled(const LevelSet& defect, const LevelSet& host) {
  constexpr double kFacing = 0.7;
  const double voxel = defect.voxel_mm(), band = levelset::kHalfWidth_voxels * voxel;
  // Crevices wider than the defect's band are known from outside it.
  const LevelSet wide = levelset::wrap(widen(*defect.grid().vdb, kCrevice_mm + 2 * voxel));
  std::atomic<bool> any = false;
  const LevelSet filled =
      remade(defect, static_cast<int>(std::ceil(kCrevice_mm / voxel)) + 3, [&](const Span& span) -> VoxelFunction {
        auto in_body = std::make_shared<Sampler>(wide, span), in_host = std::make_shared<Sampler>(host, span);
        return [=, &any](const openvdb::Coord& ijk) {
          const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
          const double body = (*in_body)(p), to_host = (*in_host)(p);
          if (body <= 0 || body + to_host > kCrevice_mm + band) return std::min(body, band);
          const double alike = in_body->gradient(p).normalized().dot(in_host->gradient(p).normalized());
          const double crevice = std::max(body + to_host - kCrevice_mm, (alike + kFacing) * kCrevice_mm);
          if (crevice < 0 && body > 0.25 * voxel) any = true;
          return std::min(body, crevice);
        };
      });
  return any ? filled : defect;
}

}  // namespace

std::optional<ContourStep> contourStep(const Envelope& envelope, const Vector3d& outward) {
  std::vector<double> steps;
  if (!envelope.host) return std::nullopt;
  for (const RimPoint& point : rimPoints(envelope.defect, *envelope.host, envelope.clearance, outward))
    steps.push_back(std::abs(point.step_mm));
  if (steps.empty()) return std::nullopt;
  std::sort(steps.begin(), steps.end());
  const auto at = [&](double share) {
    return steps[static_cast<std::size_t>(share * static_cast<double>(steps.size() - 1))];
  };
  return ContourStep{at(0.5), at(0.95), static_cast<int>(steps.size())};
}

LevelSet fittedTo(const LevelSet& host, const LevelSet& defect, const Clearance& clearance, const Vector3d& outward) {
  const double voxel = defect.voxel_mm();
  Eigen::Vector3i min, max;
  defect.activeBox(min, max);
  const Vector3d margin = Vector3d::Constant(kFade_mm + kFar_mm + kReach_mm);
  const LevelSet near = around(host, {voxel * min.cast<double>() - margin, voxel * max.cast<double>() + margin},
                               std::max(clearance.most_mm(), 0.0) + kBeside_mm + kReach_mm + 2 * voxel);
  return flushed(seamFilled(defect, near), near, clearance, outward);
}

}  // namespace osteo::design_scaffold
