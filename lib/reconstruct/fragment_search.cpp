#include "reconstruct/fragment_search.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::reconstruct {
namespace {

using Eigen::AngleAxisd;
using Eigen::Isometry3d;
using Eigen::Vector3d;
using registration::OrientedPoint;

constexpr double kMostTurn_deg = 65, kMostShift_mm = 55;  ///< of two fragments against one another
constexpr double kMostRatio = 1.9;                        ///< logarithm of two fracture surfaces' areas
constexpr std::size_t kKept = 6, kPairs = 12;

constexpr double radians(double degrees) { return degrees * M_PI / 180; }

Isometry3d turnAbout(const Vector3d& centre, const Eigen::Matrix3d& turn) {
  Isometry3d t = Isometry3d::Identity();
  t.linear() = turn;
  t.translation() = centre - turn * centre;
  return t;
}

std::vector<OrientedPoint> moved(const std::vector<OrientedPoint>& points, const Isometry3d& by, std::size_t most) {
  std::vector<OrientedPoint> out;
  const std::size_t stride = std::max<std::size_t>(1, points.size() / most);
  for (std::size_t i = 0; i < points.size(); i += stride)
    out.push_back({by * points[i].position, by.linear() * points[i].normal});
  return out;
}

/// Share of the points that lie on the surface, more the nearer.
double shareOn(const std::vector<OrientedPoint>& points, const image::CtVolume& map, double reach_mm) {
  double sum = 0;
  for (const auto& p : points) {
    const double d = image::sampleLinear(map, map.frame.toIndex(p.position), 1e3F) / reach_mm;
    if (std::abs(d) >= 1) continue;
    // The slope along the normal tells whether the surface there faces the same way.
    const double beyond =
        image::sampleLinear(map, map.frame.toIndex(p.position + 0.5 * reach_mm * p.normal), 1e3F) / reach_mm;
    if (beyond - d > 0.25) sum += 1 - d * d;
  }
  return sum / static_cast<double>(std::max<std::size_t>(1, points.size()));
}

/// One search: every start is fitted from `far_mm` with few points, the best ones from `near_mm` with more.
struct Reaches {
  double far_mm, near_mm;
  std::size_t few, many;
};

double apart(const Isometry3d& a, const Isometry3d& b, const Vector3d& centre, double radius_mm) {
  const double turn = AngleAxisd(a.linear().transpose() * b.linear()).angle();
  return (a * centre - b * centre).norm() + turn * radius_mm;
}

std::vector<Found> distinct(std::vector<Found> found, const Vector3d& centre, double radius_mm, std::size_t most) {
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
  std::vector<Found> kept;
  for (const Found& f : found) {
    const auto like = [&](const Found& other) { return apart(f.pose, other.pose, centre, radius_mm) < 1.0; };
    if (kept.size() < most && std::none_of(kept.begin(), kept.end(), like)) kept.push_back(f);
  }
  return kept;
}

std::vector<Found> fitAll(const std::vector<OrientedPoint>& points, const image::CtVolume& map,
                          const std::vector<Isometry3d>& starts, const Reaches& reaches) {
  Vector3d centre = Vector3d::Zero();
  double radius = 1;
  for (const auto& p : points) centre += p.position / static_cast<double>(points.size());
  for (const auto& p : points) radius += (p.position - centre).norm() / static_cast<double>(points.size());
  const auto round = [&](std::vector<Found>& found, double reach, std::size_t count) {
    core::parallelFor(static_cast<std::int64_t>(found.size()), [&](std::int64_t i) {
      auto at = moved(points, found[i].pose, count);
      const auto fit = registration::fitToSurface(at, map, reach);
      found[i].pose = fit.transform * found[i].pose;
      at = moved(points, found[i].pose, count);
      found[i].score = shareOn(at, map, std::max(2.0, 0.5 * reach));
    });
  };
  std::vector<Found> found;
  for (const auto& start : starts) found.push_back({start, 0});
  round(found, reaches.far_mm, reaches.few);
  found = distinct(std::move(found), centre, radius, 4 * kKept);
  round(found, reaches.near_mm, reaches.many);
  return distinct(std::move(found), centre, radius, kKept);
}

/// Starts that lay patch b of the moving body on patch a of the fixed one.
void addStarts(const Patch& a, const Patch& b, const Isometry3d& now, const Vector3d& centre,
               std::vector<Isometry3d>& starts) {
  const Vector3d normal = now.linear() * b.normal, at = now * b.centre_mm;
  const Eigen::Matrix3d align = Eigen::Quaterniond::FromTwoVectors(normal, -a.normal).toRotationMatrix();
  const double ratio = a.area_mm2 / b.area_mm2, width = std::sqrt(std::max(a.area_mm2, b.area_mm2) / M_PI);
  const bool alike = ratio > 0.7 && ratio < 1.4;
  const double step = alike ? std::min(3.0, 0.4 * width) : 0.35 * width;
  const int steps = alike ? 1 : 2;
  const Vector3d u = a.normal.unitOrthogonal(), v = a.normal.cross(u);
  for (int twist = -5; twist <= 5; ++twist) {
    const Eigen::Matrix3d turn = AngleAxisd(radians(9.0 * twist), a.normal).toRotationMatrix() * align;
    for (int i = -steps; i <= steps; ++i) {
      for (int j = -steps; j <= steps; ++j) {
        if (alike && std::abs(i) + std::abs(j) > 1) continue;
        Isometry3d t = Isometry3d::Identity();
        t.linear() = turn;
        t.translation() = a.centre_mm + step * (i * u + j * v) - turn * at;
        const Isometry3d pose = t * now;
        if (AngleAxisd(turn).angle() < radians(kMostTurn_deg) && (pose * centre - now * centre).norm() < kMostShift_mm)
          starts.push_back(pose);
      }
    }
  }
}

struct PatchPair {
  std::size_t fixed, moving;
  double unlikely;
};

/// The pairs of fracture surfaces that need the least motion and are of like size, larger ones first.
std::vector<PatchPair> likelyPairs(const Body& fixed, const Body& moving, const Isometry3d& now) {
  std::vector<PatchPair> pairs;
  for (std::size_t a = 0; a < fixed.patches.size(); ++a) {
    for (std::size_t b = 0; b < moving.patches.size(); ++b) {
      const Patch &one = fixed.patches[a], &other = moving.patches[b];
      if (!one.broken || !other.broken) continue;
      const double turn = std::acos(std::clamp(-one.normal.dot(now.linear() * other.normal), -1.0, 1.0));
      const double shift = (one.centre_mm - now * other.centre_mm).norm();
      const double ratio = std::abs(std::log(one.area_mm2 / other.area_mm2));
      if (turn > radians(kMostTurn_deg) || shift > kMostShift_mm || ratio > kMostRatio) continue;
      pairs.push_back({a, b,
                       turn / radians(30) + shift / 20 + ratio -
                           std::log(std::min(one.area_mm2, other.area_mm2) / moving.area_mm2)});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const PatchPair& a, const PatchPair& b) { return a.unlikely < b.unlikely; });
  pairs.resize(std::min(pairs.size(), kPairs));
  return pairs;
}

}  // namespace

std::vector<Found> searchOnGoal(const Body& body, const Goal& goal, const Isometry3d& start) {
  std::vector<OrientedPoint> points;
  for (const auto& p : body.points) points.push_back({p.position, p.normal});
  std::vector<Isometry3d> starts;
  for (int turn = 0; turn < 7; ++turn) {
    for (int shift = 0; shift < 27; ++shift) {
      const Vector3d by_mm = 15.0 * Vector3d(shift % 3 - 1, shift / 3 % 3 - 1, shift / 9 - 1);
      if ((by_mm.array() != 0).count() == 2) continue;  // the edges' middles of the cube lie between the others
      const Eigen::Matrix3d by =
          turn == 0 ? Eigen::Matrix3d::Identity()
                    : AngleAxisd(radians(turn % 2 != 0 ? 22 : -22), Vector3d::Unit((turn - 1) / 2)).toRotationMatrix();
      Isometry3d t = turnAbout(start * body.centre_mm, by);
      t.pretranslate(by_mm);
      starts.push_back(t * start);
    }
  }
  return fitAll(points, goal.distance, starts, {14, 4, 120, 1000});
}

std::vector<Found> searchContact(const Body& fixed, const Body& moving, const Isometry3d& start) {
  std::vector<Found> all;
  for (const PatchPair& pair : likelyPairs(fixed, moving, start)) {
    const Patch& patch = moving.patches[pair.moving];
    std::vector<OrientedPoint> points;
    for (const auto& p : moving.fine)
      if (p.patch == static_cast<int>(pair.moving)) points.push_back({p.position, -p.normal});
    std::vector<Isometry3d> starts;
    addStarts(fixed.patches[pair.fixed], patch, start, moving.centre_mm, starts);
    if (starts.empty() || points.empty()) continue;
    for (Found f : fitAll(points, fixed.distance, starts, {5, 2, 150, 600})) {
      f.score *= patch.area_mm2;
      f.patch_mm2 = std::min(patch.area_mm2, fixed.patches[pair.fixed].area_mm2);
      all.push_back(f);
    }
  }
  return distinct(std::move(all), moving.centre_mm, moving.radius_mm, kKept);
}

}  // namespace osteo::reconstruct
