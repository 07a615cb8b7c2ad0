#include "design_scaffold/screws.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "mesh/closest.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kFinest_mm = 0.2;      // steps along an axis; crossings are interpolated between them
constexpr double kAlong_mm = 0.5;       // steps at which distances to structures are looked up
constexpr double kLengths_mm = 0.5;     // screws come in such steps
constexpr double kShort_mm = 0.5;       // a screw that isn't to leave the bone ends before its far surface
constexpr double kThrough_mm = 1.0;     // a bicortical screw leaves the bone by at most this
constexpr double kScrewdriver_mm = 30;  // free of bone along the axis
constexpr int kRing = 12;

const char* const kStock = "bone stock";
const char* const kCut = "distance to the cut";
const char* const kBorder = "distance to the bone's border";
const char* const kLong = "longest screw";
const char* const kAccess = "way of the screwdriver";
const char* const kKeepOut = "keep-out ";

std::pair<Vector3d, Vector3d> across(const Vector3d& axis) {
  const Vector3d a = axis.unitOrthogonal();
  return {a, axis.cross(a)};
}

double roundedDown(double length_mm) { return kLengths_mm * std::floor(length_mm / kLengths_mm + 1e-9); }

}  // namespace

double Stem::distance_mm(const Vector3d& p) const {
  const Vector3d along = to_mm - from_mm;
  const double t = std::clamp((p - from_mm).dot(along) / along.squaredNorm(), 0.0, 1.0);
  return (p - from_mm - t * along).norm() - radius_mm;
}

void Tally::add(const Trial& trial) {
  ++places;
  if (!trial.refusal.empty()) ++refused[trial.refusal];
}

void Tally::add(const Tally& other) {
  places += other.places;
  for (const auto& [reason, count] : other.refused) refused[reason] += count;
}

/// Ericson, Real-Time Collision Detection, 2005, section 5.1.9.
double axisDistance_mm(const Screw& a, const Screw& b) {
  const Vector3d from = a.head() - b.head();
  const double across = a.direction.dot(b.direction), to_a = a.direction.dot(from), to_b = b.direction.dot(from);
  const double denominator = 1 - across * across;
  double s = denominator > 1e-9 ? std::clamp((across * to_b - to_a) / denominator, 0.0, a.length_mm) : 0;
  double t = across * s + to_b;
  if (t < 0 || t > b.length_mm) {
    t = std::clamp(t, 0.0, b.length_mm);
    s = std::clamp(across * t - to_a, 0.0, a.length_mm);
  }
  return (from + s * a.direction - t * b.direction).norm();
}

/// Distances to a level set's surface at any range.
struct ScrewTrials::Surface {
  explicit Surface(const levelset::LevelSet& shape)
      : level_set(shape), triangles(levelset::toMesh(shape)), closest(triangles) {}
  double signedDistance_mm(const Vector3d& p) const {
    const double near = levelset::sample(level_set, p);
    const double band = levelset::kHalfWidth_voxels * level_set.voxel_mm();
    if (std::abs(near) < 0.7 * band) return near;
    return std::copysign(closest(p).distance_mm, near);
  }
  const levelset::LevelSet& level_set;
  mesh::TriangleMesh triangles;
  mesh::ClosestPoint closest;
};

struct ScrewTrials::Way {
  bool leaves = false;  ///< the far surface was met
  double exit_mm = 0;   ///< depth of the far surface, or how far the axis was followed
};

ScrewTrials::ScrewTrials(const FixationSite& site, const FixationSpec& spec)
    : site_(site),
      spec_(spec),
      step_mm_(std::min(kFinest_mm, 0.5 * site.host.voxel_mm())),
      cut_(std::make_unique<Surface>(site.defect)) {
  for (const KeepOut& keep_out : site.keep_outs)
    keep_outs_.push_back(keep_out.shape.empty() ? nullptr : std::make_unique<Surface>(keep_out.shape));
}

ScrewTrials::~ScrewTrials() = default;

double ScrewTrials::bone(const Vector3d& p) const { return levelset::sample(site_.host, p); }

double ScrewTrials::toCut_mm(const Vector3d& p) const { return cut_->signedDistance_mm(p); }

double ScrewTrials::standing_mm() const {
  return spec_.kind == FixationSpec::Kind::Nail ? 0.0 : site_.clearance_mm + spec_.thickness_mm;
}

std::optional<Vector3d> ScrewTrials::foot(const Vector3d& from) const {
  const double voxel = site_.host.voxel_mm(), half = 0.5 * voxel;
  Vector3d p = from;
  for (int round = 0; round < 6; ++round) {
    const double distance = bone(p);
    if (std::abs(distance) < 1e-3 * voxel) return p;
    Vector3d slope;
    for (int axis = 0; axis < 3; ++axis)
      slope[axis] = (bone(p + half * Vector3d::Unit(axis)) - bone(p - half * Vector3d::Unit(axis))) / voxel;
    if (slope.norm() < 0.3) return std::nullopt;
    p -= std::clamp(distance / slope.norm(), -voxel, voxel) * slope.normalized();
  }
  return std::abs(bone(p)) < 0.1 * voxel ? std::optional(p) : std::nullopt;
}

Vector3d ScrewTrials::normal(const Vector3d& at) const {
  const double voxel = site_.host.voxel_mm();
  const auto slope = [&](const Vector3d& p) {
    Vector3d out;
    for (int axis = 0; axis < 3; ++axis)
      out[axis] = bone(p + voxel * Vector3d::Unit(axis)) - bone(p - voxel * Vector3d::Unit(axis));
    return out;
  };
  const Vector3d first = slope(at).normalized();
  if (!first.allFinite()) return Vector3d::UnitZ();
  const auto [a, b] = across(first);
  Vector3d sum = first;
  for (const double share : {0.25, 0.5})
    for (int n = 0; n < kRing; ++n) {
      const double angle = 2 * M_PI * n / kRing;
      const auto p = foot(at + share * spec_.head_mm * (std::cos(angle) * a + std::sin(angle) * b));
      if (!p) continue;
      const Vector3d there = slope(*p).normalized();
      if (there.allFinite() && there.dot(first) > 0) sum += there;
    }
  return sum.normalized();
}

std::optional<double> ScrewTrials::outermost_mm(const Vector3d& from, const Vector3d& along, double reach_mm) const {
  std::optional<double> last;
  double before = bone(from);
  for (double t = step_mm_; t <= reach_mm; t += step_mm_) {
    const double here = bone(from + t * along);
    if (before < 0 && here >= 0) last = t - step_mm_ * here / (here - before);
    before = here;
  }
  return last;
}

/// How long the axis runs outside bone from a depth on.
double ScrewTrials::hollowFrom(const Place& place, double depth_mm, double reach_mm) const {
  double t = depth_mm;
  while (t <= reach_mm && bone(place.entry_mm + t * place.direction) >= 0) t += step_mm_;
  return t - depth_mm;
}

/// Whether bone lies around a place inside it: a canal is open along the bone at most, a notch to a side.
bool ScrewTrials::isCanal(const Place& place, double depth_mm) const {
  constexpr int kRays = 16, kMostOpen = 4;
  constexpr double kReach_mm = 60;
  const auto [a, b] = across(place.direction);
  const Vector3d from = place.entry_mm + depth_mm * place.direction;
  const double step = std::max(step_mm_, site_.host.voxel_mm());
  int open = 0;
  for (int n = 0; n < kRays; ++n) {
    const double angle = 2 * M_PI * n / kRays;
    const Vector3d way = std::cos(angle) * a + std::sin(angle) * b;
    bool any = false;
    for (double t = 0; t <= kReach_mm && !any; t += step) any = bone(from + t * way) < 0;
    open += any ? 0 : 1;
  }
  return open <= kMostOpen;
}

ScrewTrials::Way ScrewTrials::follow(const Place& place) const {
  const double reach = spec_.longest_mm - standing_mm(), start = 0.75 * site_.host.voxel_mm();
  double before = bone(place.entry_mm + start * place.direction);
  if (before >= 0) return {true, 0};
  for (double t = start + step_mm_; t <= reach; t += step_mm_) {
    const double here = bone(place.entry_mm + t * place.direction);
    const double exit = t - step_mm_ * here / (here - before);
    if (before < 0 && here >= 0) {
      const double hollow = hollowFrom(place, t, reach);
      if (exit > place.middle_mm || !isCanal(place, t + 0.5 * hollow)) return {true, exit};
    }
    before = here;
  }
  return {false, reach};
}

bool ScrewTrials::isReachable(const Place& place) const {
  const double step = std::max(step_mm_, site_.host.voxel_mm());
  for (double t = 2 * site_.host.voxel_mm(); t <= standing_mm() + kScrewdriver_mm; t += step)
    if (bone(place.entry_mm - t * place.direction) < 0) return false;
  return true;
}

/// Whether bone goes on for edge_mm on all sides: lines along the axis around it meet some, not deeper than they are
/// far from it.
bool ScrewTrials::hasBorders(const Place& place) const {
  const auto [a, b] = across(place.direction);
  const double reach = spec_.edge_mm, step = std::max(step_mm_, site_.host.voxel_mm());
  for (int n = 0; n < kRing; ++n) {
    const double angle = 2 * M_PI * n / kRing;
    const Vector3d side = place.entry_mm + reach * (std::cos(angle) * a + std::sin(angle) * b);
    bool any = false;
    for (double t = reach; t >= -reach && !any; t -= step) any = bone(side + t * place.direction) < 0;
    if (!any) return false;
  }
  return true;
}

std::string ScrewTrials::collision(const Screw& screw) const {
  for (std::size_t k = 0; k < keep_outs_.size(); ++k) {
    if (!keep_outs_[k]) continue;
    for (double t = 0; t < screw.length_mm + kAlong_mm; t += kAlong_mm) {
      const double along = std::min(t, screw.length_mm);
      const double radius = 0.5 * (along <= screw.standing_mm ? spec_.head_mm : spec_.screw_mm);
      const Vector3d p = screw.head() + along * screw.direction;
      if (keep_outs_[k]->signedDistance_mm(p) < site_.keep_outs[k].distance_mm + radius)
        return kKeepOut + site_.keep_outs[k].name;
    }
  }
  return "";
}

void ScrewTrials::describeBone(const Place& place, Screw& screw) const {
  const int steps = std::max(1, static_cast<int>(std::ceil((screw.length_mm - screw.standing_mm) / step_mm_)));
  const double step = (screw.length_mm - screw.standing_mm) / steps;
  double sum = 0;
  int inside = 0, seen = 0;
  for (int n = 0; n < steps; ++n) {
    const Vector3d p = screw.entry_mm + (n + 0.5) * step * screw.direction;
    if (bone(p) >= 0 || (place.stem && place.stem->distance_mm(p) < 0)) continue;
    ++inside;
    if (!site_.ct) continue;
    const double hu = image::sampleLinear(*site_.ct, site_.ct->frame.toIndex(p), NAN);
    if (std::isnan(hu)) continue;
    sum += hu;
    ++seen;
  }
  screw.bone_mm = inside * step;
  if (seen > 0) screw.mean_hu = sum / seen;
}

Trial ScrewTrials::operator()(const Place& place) const {
  Trial trial;
  Screw& screw = trial.screw;
  const auto refuse = [&](const std::string& reason) {
    trial.refusal = reason;
    return trial;
  };
  const Way way = follow(place);
  const bool through = spec_.bicortical || spec_.kind == FixationSpec::Kind::Nail;
  screw.entry_mm = place.entry_mm;
  screw.direction = place.direction;
  screw.diameter_mm = spec_.screw_mm;
  screw.standing_mm = standing_mm();
  const double depth = through ? way.exit_mm + kThrough_mm : way.exit_mm - (way.leaves ? kShort_mm : 0.0);
  screw.length_mm = roundedDown(std::min(screw.standing_mm + depth, through ? INFINITY : spec_.longest_mm));
  screw.cortices = through ? 2 : 1;
  if (way.exit_mm <= 0 || screw.length_mm <= screw.standing_mm) return refuse(kStock);
  if (through && (!way.leaves || screw.length_mm > spec_.longest_mm)) return refuse(kLong);
  screw.edge_mm = INFINITY;
  for (double t = 0; t < screw.length_mm + kAlong_mm; t += kAlong_mm) {
    screw.edge_mm = std::min(screw.edge_mm, toCut_mm(screw.head() + std::min(t, screw.length_mm) * screw.direction));
    if (screw.edge_mm < fromCut_mm()) return refuse(kCut);
  }
  describeBone(place, screw);
  if (screw.bone_mm < spec_.least_bone_mm) return refuse(kStock);
  if (!hasBorders(place)) return refuse(kBorder);
  if (!isReachable(place)) return refuse(kAccess);
  return refuse(collision(screw));
}

namespace {

std::string hintFor(const std::string& reason) {
  if (reason == kStock) return "lower --screw-bone-mm, or take shorter or unicortical screws";
  if (reason == kCut || reason == kBorder) return "lower --screw-edge-mm";
  if (reason == kLong) return "raise --screw-longest-mm, or leave out --bicortical";
  if (reason == kAccess) return "another direction of insertion";
  if (reason.starts_with(kKeepOut)) return "a smaller distance to " + reason.substr(std::string(kKeepOut).size());
  return "lower --screw-spacing-mm, or fewer --screws";
}

}  // namespace

void tooFewScrews(const ScrewTrials& trials, const Tally& tally, std::size_t found, const std::string& where) {
  const FixationSpec& spec = trials.spec();
  std::vector<std::pair<int, std::string>> reasons;
  for (const auto& [reason, count] : tally.refused) reasons.emplace_back(-count, reason);
  std::sort(reasons.begin(), reasons.end());
  std::string got = fmt::format("{} places tried", tally.places), hint;
  for (const auto& [count, reason] : reasons) {
    got += fmt::format("; {} ruled out by the {}", -count, reason);
    const std::string advice = hintFor(reason);
    if (hint.find(advice) == std::string::npos) hint += (hint.empty() ? "" : "; ") + advice;
  }
  throw core::Error(core::Exit::DataError,
                    {.what = fmt::format("only {} of {} screws find a place{}", found, spec.screws, where),
                     .expected = fmt::format(
                         "{:g} mm of bone along each, {:g} mm from head to cut, {:g} mm between axes, at most {:g} "
                         "mm long, clear of all keep-outs",
                         spec.least_bone_mm, spec.edge_mm, spec.spacing_mm, spec.longest_mm),
                     .got = got,
                     .hint = hint});
}

}  // namespace osteo::design_scaffold
