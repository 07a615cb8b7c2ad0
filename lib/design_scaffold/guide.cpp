#include "design_scaffold/guide.h"

#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "design_scaffold/guide_seat.h"
#include "levelset/components.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;
using levelset::LevelSet;

/// Two bars over the piece that join the parts of a guide, along both edges of what is seen.
struct Bars {
  Vector3d across;  ///< unit vector; bars lie at its two ends
  double low_mm = 0, high_mm = 0, width_mm = 0;
  double operator()(const Vector3d& p) const {
    const double u = across.dot(p);
    return std::max({low_mm - u, u - high_mm, std::min(u - low_mm - width_mm, high_mm - width_mm - u)});
  }
};

/// The guide's body.
struct Body {
  const GuideSeat& seat;
  std::optional<Bars> bars = {};
  std::vector<PinHole> holes = {};

  double rail(double beyond) const { return std::max(-beyond, beyond - seat.shape().width_mm); }

  double operator()(const Vector3d& p) const {
    constexpr double kGrip_mm = 1;  // of a bar on the rails
    const double bone = seat.bone(p), reach = 2.5 * seat.voxel_mm();
    const double off = std::max(bone - seat.shape().gap_mm - seat.shape().thickness_mm, seat.shape().gap_mm - bone);
    if (off > reach) return off;
    const double beyond = seat.beyond(p);
    double plan = rail(beyond);
    if (bars) plan = std::min(plan, std::max(beyond - kGrip_mm, (*bars)(p)));
    if (plan > reach) return plan;
    double value = std::max(plan, seat.shell(p));
    for (const PinHole& hole : holes)
      value = std::max(value, 0.5 * kPinHole_mm - (p - hole.point_mm).cross(seat.access()).norm());
    return value;
  }

  /// For whole balls that the guide is sure not to come near, by two voxels: values next to a crossing must be true.
  double certain(const Vector3d& centre, double ball) const {
    const double radius = ball + 2 * seat.voxel_mm();
    const double bone = seat.bone(centre), outer = bone - seat.shape().gap_mm - seat.shape().thickness_mm,
                 inner = seat.shape().gap_mm - bone;
    if (std::max(outer, inner) > radius) return std::max(outer, inner);
    const double beyond = seat.beyond(centre), far = beyond - seat.shape().width_mm;
    if (far > radius) return far;
    return !bars && -beyond > radius ? -beyond : 0;
  }

  LevelSet made() const {
    mesh::Bounds box;
    for (const Vector3d& v : seat.surface()) box.min = box.min.cwiseMin(v), box.max = box.max.cwiseMax(v);
    const Vector3d around = Vector3d::Constant(seat.shape().gap_mm + seat.shape().thickness_mm + 2 * seat.voxel_mm());
    return levelset::fromFunction(*this, box.min - around, box.max + around, seat.voxel_mm(),
                                  [this](const Vector3d& c, double r) { return certain(c, r); });
  }
};

[[noreturn]] void refuse(const std::string& what) {
  throw core::Error(core::Exit::DataError, {.what = what,
                                            .expected = "a guide in one piece over the cut",
                                            .hint = "choose another --access-mm, or a larger --guide-width-mm"});
}

/// Parts worth joining, largest first.
std::vector<levelset::Piece> partsOf(const LevelSet& guide) {
  constexpr double kPart = 0.15;  // of the largest
  std::vector<levelset::Piece> parts = levelset::Components(guide, levelset::Components::Side::Inside).pieces();
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.volume_mm3 > b.volume_mm3; });
  while (!parts.empty() && parts.back().volume_mm3 < kPart * parts.front().volume_mm3) parts.pop_back();
  return parts;
}

/// Where bars can lie over all of the piece between two parts.
Bars barsBetween(const GuideSeat& seat, const Vector3d& from, const Vector3d& to) {
  constexpr double kBin_mm = 2, kRoom = 3;  // in bars' widths
  const Vector3d along = (to - from - (to - from).dot(seat.access()) * seat.access()).normalized();
  Bars bars{seat.access().cross(along).normalized()};
  bars.width_mm = seat.shape().thickness_mm;
  struct Station {
    double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
    int points = 0;
  };
  std::map<int, Station> stations;
  for (const Vector3d& v : seat.surface()) {
    if (seat.beyond(v) > 0 || seat.shell(seat.over(v)) > 0) continue;
    Station& at = stations[static_cast<int>(std::floor(along.dot(v) / kBin_mm))];
    at.low = std::min(at.low, bars.across.dot(v)), at.high = std::max(at.high, bars.across.dot(v)), ++at.points;
  }
  int most = 0;
  for (const auto& [bin, at] : stations) most = std::max(most, at.points);
  bars.low_mm = -std::numeric_limits<double>::infinity(), bars.high_mm = -bars.low_mm;
  for (const auto& [bin, at] : stations) {
    if (2 * at.points < most)
      continue;  // at the piece's ends a cut runs across the station and leaves part of its width
    bars.low_mm = std::max(bars.low_mm, at.low);
    bars.high_mm = std::min(bars.high_mm, at.high);
  }
  if (stations.empty() || bars.high_mm - bars.low_mm < kRoom * bars.width_mm)
    refuse("the two sides of the cut can't be joined over the piece from this direction");
  return bars;
}

/// The two places farthest apart on the rails' middle where a hole has wall all around and doesn't graze the surface.
std::vector<PinHole> pinHoles(const Body& body) {
  constexpr double kWall_mm = 1.2, kSteepest = 0.5;
  const GuideSeat& seat = body.seat;
  const double ring = 0.5 * kPinHole_mm + kWall_mm, middle = 0.5 * seat.shape().width_mm;
  const Vector3d x = seat.access().unitOrthogonal(), y = seat.access().cross(x);
  const auto fits = [&](const Vector3d& at) {
    if (body(at) > -0.4 || seat.normal(at).dot(seat.access()) < kSteepest) return false;
    for (int n = 0; n < 8; ++n) {
      const double turn = n * 0.785398163397448;
      const Vector3d p = at + ring * (std::cos(turn) * x + std::sin(turn) * y);
      if (body.rail(seat.beyond(p)) > 0 || seat.normal(p).dot(seat.access()) < 0.5 * kSteepest) return false;
    }
    return true;
  };
  std::vector<Vector3d> places;
  for (const Vector3d& v : seat.surface())
    if (std::abs(seat.beyond(v) - middle) < seat.voxel_mm() && fits(seat.over(v))) places.push_back(seat.over(v));
  const auto farthest = [&](const Vector3d& from) {
    return *std::max_element(places.begin(), places.end(), [&](const Vector3d& a, const Vector3d& b) {
      return (a - from).squaredNorm() < (b - from).squaredNorm();
    });
  };
  if (places.empty()) return {};
  const Vector3d first = farthest(places.front()), second = farthest(first);
  if ((first - second).norm() < 3 * kPinHole_mm) return {{first}};
  return {{first}, {second}};
}

void reportHoles(const Guide& guide, nlohmann::json& results) {
  results["pin_holes"] = nlohmann::json::array();
  for (const PinHole& hole : guide.holes)
    results["pin_holes"].push_back({{"point_mm", {hole.point_mm.x(), hole.point_mm.y(), hole.point_mm.z()}},
                                    {"direction", {-guide.access.x(), -guide.access.y(), -guide.access.z()}},
                                    {"diameter_mm", kPinHole_mm}});
  if (guide.holes.size() < 2)
    core::warn(fmt::format("the guide has room for {} pin hole instead of two: a larger --guide-width-mm makes some",
                           guide.holes.size()));
}

/// How far the guide's inner face lies from the cut, over its triangles that face the piece away from its other faces.
void reportFace(const GuideSeat& seat, const Guide& guide, nlohmann::json& results) {
  constexpr double kNear_mm = 0.5, kFacing = 0.95, kEdge_mm = 0.5;
  std::vector<double> off;
  double area = 0;
  for (const mesh::Triangle& t : guide.mesh.triangles) {
    const Vector3d &a = guide.mesh.vertices[t[0]], &b = guide.mesh.vertices[t[1]], &c = guide.mesh.vertices[t[2]];
    const Vector3d middle = (a + b + c) / 3, twice = (b - a).cross(c - a);
    const double beyond = seat.beyond(middle), bone = seat.bone(middle) - seat.shape().gap_mm;
    if (std::abs(beyond) > kNear_mm || bone < kEdge_mm || bone > seat.shape().thickness_mm - kEdge_mm) continue;
    Vector3d outwards;
    for (int axis = 0; axis < 3; ++axis)
      outwards[axis] =
          seat.beyond(middle + 0.2 * Vector3d::Unit(axis)) - seat.beyond(middle - 0.2 * Vector3d::Unit(axis));
    if (-twice.dot(outwards) < kFacing * twice.norm() * outwards.norm()) continue;
    area += 0.5 * twice.norm();
    off.push_back(std::abs(beyond));
  }
  std::sort(off.begin(), off.end());
  results["cutting_face_area_mm2"] = area;
  if (off.empty()) return;
  results["cutting_face_off_p95_mm"] = off[static_cast<std::size_t>(0.95 * static_cast<double>(off.size() - 1))];
  results["cutting_face_off_max_mm"] = off.back();
}

void reportFit(const GuideSeat& seat, const Guide& guide, nlohmann::json& results) {
  const std::vector<Vector3d>& vertices = guide.mesh.vertices;
  std::vector<double> gap(vertices.size()), lift(vertices.size());
  core::parallelFor(static_cast<std::int64_t>(vertices.size()), [&](std::int64_t n) {
    gap[static_cast<std::size_t>(n)] = seat.bone(vertices[static_cast<std::size_t>(n)]);
    lift[static_cast<std::size_t>(n)] = seat.lift(vertices[static_cast<std::size_t>(n)]);
  });
  results["lift_off_clearance_min_mm"] = *std::min_element(lift.begin(), lift.end());
  std::sort(gap.begin(), gap.end());
  const auto inner = std::lower_bound(gap.begin(), gap.end(), seat.shape().gap_mm + 0.25 * seat.shape().thickness_mm);
  results["gap_min_mm"] = gap.front();
  results["gap_p50_mm"] = gap[static_cast<std::size_t>(0.5 * static_cast<double>(inner - gap.begin()))];
  const auto common = [&](const Vector3d& p) { return std::max(levelset::sample(guide.solid, p), seat.bone(p)); };
  const mesh::Bounds box = mesh::bounds(guide.mesh);
  const levelset::Components shared(levelset::fromFunction(common, box.min, box.max, seat.voxel_mm()),
                                    levelset::Components::Side::Inside);
  double overlap = 0;
  for (const levelset::Piece& piece : shared.pieces()) overlap += piece.volume_mm3;
  results["overlap_mm3"] = overlap;
}

}  // namespace

Guide makeGuide(const LevelSet& bone, const Region& region, const GuideShape& shape, nlohmann::json& results) {
  core::Progress progress("guide", 4);
  const GuideSeat seat(bone, region, shape);
  progress.advance();
  Body body{seat};
  LevelSet made = body.made();
  progress.advance();
  const std::vector<levelset::Piece> parts = made.empty() ? std::vector<levelset::Piece>{} : partsOf(made);
  if (parts.empty()) refuse("nothing of the cut's outline is seen from the access direction");
  if (parts.size() > 1) body.bars = barsBetween(seat, parts[0].centre_mm, parts[1].centre_mm);
  Guide guide{{}, {}, seat.access(), pinHoles(body)};
  body.holes = guide.holes;
  int removed = 0;
  made = body.made();
  if (parts.size() > 1 && partsOf(made).size() > parts.size() - 1) refuse("the bars don't join the guide's parts");
  guide.solid = levelset::largestComponent(made, &removed);
  progress.advance();
  for (const char* key : {"frame_id", "slice_gap_mm"})
    if (!bone.meta(key).empty()) guide.solid.setMeta(key, bone.meta(key));
  guide.mesh = levelset::toMesh(guide.solid);
  guide.mesh.frame_id = bone.frameId();
  const mesh::Topology topology = mesh::topology(guide.mesh);
  results["access"] = {guide.access.x(), guide.access.y(), guide.access.z()};
  results["volume_mm3"] = mesh::volume_mm3(guide.mesh);
  results["voxel_mm"] = seat.voxel_mm();
  results["closed"] = topology.closed();
  results["components"] = topology.components;
  results["crumbs_removed"] = removed;
  results["bars"] = body.bars ? 2 : 0;
  results["outline_guided_share"] = seat.seenOutline();
  reportHoles(guide, results);
  reportFace(seat, guide, results);
  reportFit(seat, guide, results);
  progress.advance();
  return guide;
}

}  // namespace osteo::design_scaffold
