#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "reconstruct/fragment_fit.h"
#include "reconstruct/point_grid.h"

namespace osteo::reconstruct {

using Eigen::Isometry3d;
using Eigen::Vector3d;
using registration::OrientedPoint;

namespace {

constexpr double kMostTurn = 50 * M_PI / 180, kMostShift_mm = 40;
constexpr std::size_t kFaces = 14, kFacePoints = 400, kLeastPoints = 25;

/// A plane on the whole, grown over neighbours from a seed.
struct Region {
  Vector3d centre, normal;
  std::vector<std::uint32_t> members;
  double thickness_mm = 4;
  double sharp_share = 0;  ///< of its border: the surface turns off at once, by 80 degrees or more
};

class FaceFinder {
 public:
  explicit FaceFinder(const Body& body) : body_(body), near_(body.points.size()), smoothed_(body.points.size()) {
    constexpr double kNear = 2.2, kRough_mm = 3.5;  // spacings to a neighbour; roughness is averaged over this
    const double radius = std::max(kNear * body.spacing_mm, kRough_mm);
    std::vector<Vector3d> places;
    for (const auto& p : body.points) places.push_back(p.position);
    const PointGrid grid(places, radius);
    core::parallelFor(static_cast<std::int64_t>(places.size()), [&](std::int64_t i) {
      Vector3d sum = 1e-9 * body.points[i].normal;
      grid.visit(places[i], radius, [&](std::uint32_t k, double) {
        near_[i].push_back(k);
        sum += body.points[k].normal;
      });
      smoothed_[i] = sum.normalized();
    });
  }

  Region grow(std::uint32_t seed) const {
    constexpr int kRounds = 4;
    Region region{body_.points[seed].position, smoothed_[seed], {}};
    for (int round = 0; round < kRounds; ++round) {
      fill(seed, region);
      if (region.members.size() < kLeastPoints) return region;
      refit(region);
    }
    region.sharp_share = sharpShare(region);
    return region;
  }

 private:
  bool belongs(std::uint32_t k, const Region& region) const {
    const double off = region.normal.dot(body_.points[k].position - region.centre);
    return std::abs(off) < region.thickness_mm && smoothed_[k].dot(region.normal) > 0.5;
  }

  void fill(std::uint32_t seed, Region& region) const {
    std::vector<char> seen(body_.points.size(), 0);
    std::vector<std::uint32_t> stack{seed};
    seen[seed] = 1;
    region.members.clear();
    while (!stack.empty()) {
      const std::uint32_t at = stack.back();
      stack.pop_back();
      region.members.push_back(at);
      for (const std::uint32_t k : near_[at]) {
        if (seen[k] != 0 || !belongs(k, region)) continue;
        seen[k] = 1;
        stack.push_back(k);
      }
    }
    std::sort(region.members.begin(), region.members.end());
  }

  void refit(Region& region) const {
    const double share = 1 / static_cast<double>(region.members.size());
    Vector3d centre = Vector3d::Zero(), normal = Vector3d::Zero();
    for (const auto k : region.members) {
      centre += share * body_.points[k].position;
      normal += share * body_.points[k].normal;
    }
    region.centre = centre;
    region.normal = normal.normalized();
  }

  double sharpShare(const Region& region) const {
    std::vector<char> mine(body_.points.size(), 0);
    for (const auto k : region.members) mine[k] = 1;
    double border = 0, sharp = 0;
    for (const auto k : region.members) {
      bool at_border = false, turns = false;
      for (const std::uint32_t other : near_[k]) {
        at_border = at_border || mine[other] == 0;
        turns = turns || (mine[other] == 0 && body_.points[other].normal.dot(region.normal) < 0.2);
      }
      border += at_border ? 1 : 0;
      sharp += turns ? 1 : 0;
    }
    return border > 0 ? sharp / border : 0;
  }

  const Body& body_;
  std::vector<std::vector<std::uint32_t>> near_;
  std::vector<Vector3d> smoothed_;
};

Isometry3d about(const Vector3d& from, const Vector3d& to, const Eigen::Matrix3d& turn) {
  Isometry3d out = Isometry3d::Identity();
  out.linear() = turn;
  out.translation() = to - turn * from;
  return out;
}

/// Break on break, centre on centre and normal against normal, turned about the normal in steps.
std::vector<Isometry3d> startsOf(const Body& body, const BreakFace& mine, const Body& other, const BreakFace& theirs) {
  constexpr int kSpins = 5;
  constexpr double kSpin = 9 * M_PI / 180;
  std::vector<Isometry3d> out;
  const Vector3d to = other.pose * theirs.centre, against = -(other.pose.linear() * theirs.normal);
  const Eigen::Matrix3d tilt = Eigen::Quaterniond::FromTwoVectors(mine.normal, against).toRotationMatrix();
  for (int spin = -kSpins; spin <= kSpins; ++spin) {
    const Isometry3d pose = about(mine.centre, to, Eigen::AngleAxisd(spin * kSpin, against).toRotationMatrix() * tilt);
    if (turnOf(pose) < kMostTurn && shiftOf(pose, body.centre) < kMostShift_mm) out.push_back(pose);
  }
  return out;
}

/// Moves the break, seen from inside, onto the other's surface.
Isometry3d fitBreak(const std::vector<OrientedPoint>& flipped, const Body& other, Isometry3d pose,
                    const std::vector<double>& reaches_mm) {
  for (const double reach : reaches_mm) {
    const Isometry3d into = other.pose.inverse() * pose;
    const auto fit = registration::fitToSurface(movedPoints(flipped, into), other.distance, reach);
    pose = other.pose * fit.transform * into;
  }
  return pose;
}

std::vector<OrientedPoint> flipped(const std::vector<OrientedPoint>& points, std::size_t most) {
  const std::size_t stride = std::max<std::size_t>(1, (points.size() + most - 1) / most);
  std::vector<OrientedPoint> out;
  for (std::size_t i = 0; i < points.size(); i += stride) out.push_back({points[i].position, -points[i].normal});
  return out;
}

/// Turns and shifts within the break's plane about a pose, where roughness may have locked in beside its place.
std::vector<Isometry3d> jittered(const Isometry3d& pose, const BreakFace& face) {
  constexpr double kShift_mm = 2.5, kSpin = 4 * M_PI / 180;
  const Vector3d centre = pose * face.centre, normal = pose.linear() * face.normal, u = normal.unitOrthogonal();
  std::vector<Isometry3d> out{pose};
  for (int k = 0; k < 6; ++k) {
    const double sign = k % 2 == 0 ? 1 : -1;
    const Vector3d shift = k / 2 == 0 ? u : k / 2 == 1 ? Vector3d(normal.cross(u)) : Vector3d::Zero();
    const Eigen::Matrix3d turn = Eigen::AngleAxisd(k / 2 == 2 ? sign * kSpin : 0, normal).toRotationMatrix();
    out.push_back(about(centre, centre + sign * kShift_mm * shift, turn) * pose);
  }
  return out;
}

struct Trial {
  Isometry3d pose;
  std::size_t mine, theirs;
  double score = -1e300, rank = -1e300;
};

void sortTrials(std::vector<Trial>& trials) {
  std::stable_sort(trials.begin(), trials.end(), [](const Trial& a, const Trial& b) { return a.rank > b.rank; });
}

}  // namespace

std::vector<BreakFace> breakFaces(const Body& body) {
  constexpr std::size_t kSeeds = 300;
  const FaceFinder finder(body);
  std::vector<Region> regions(std::min(kSeeds, body.points.size()));
  const auto stride = static_cast<std::int64_t>(body.points.size() / std::max<std::size_t>(1, regions.size()));
  core::parallelFor(static_cast<std::int64_t>(regions.size()),
                    [&](std::int64_t i) { regions[i] = finder.grow(static_cast<std::uint32_t>(i * stride)); });
  const auto merit = [](const Region& r) { return static_cast<double>(r.members.size()) * std::pow(r.sharp_share, 3); };
  std::stable_sort(regions.begin(), regions.end(),
                   [&](const Region& a, const Region& b) { return merit(a) > merit(b); });
  std::vector<char> taken(body.points.size(), 0);
  std::vector<BreakFace> faces;
  for (const Region& region : regions) {
    if (faces.size() == kFaces || region.members.size() < kLeastPoints || region.sharp_share < 0.2) continue;
    std::size_t again = 0;
    for (const auto k : region.members) again += taken[k] != 0 ? 1 : 0;
    if (2 * again > region.members.size()) continue;
    BreakFace face{region.centre, region.normal, {}};
    for (const auto k : region.members) {
      taken[k] = 1;
      face.points.push_back(body.points[k]);
    }
    face.area_mm2 = body.area_mm2 * static_cast<double>(region.members.size());
    face.merit = merit(region);
    faces.push_back(std::move(face));
  }
  return faces;
}

std::vector<ContactFit> fitContacts(const Body& body, const std::vector<BreakFace>& faces, const Body& other,
                                    const std::vector<BreakFace>& other_faces, const std::vector<const Body*>& placed) {
  constexpr std::size_t kHopeful = 30, kKept = 6, kProbe = 120;
  std::vector<Trial> trials;
  for (std::size_t a = 0; a < faces.size(); ++a) {
    for (std::size_t b = 0; b < other_faces.size(); ++b)
      for (const Isometry3d& pose : startsOf(body, faces[a], other, other_faces[b])) trials.push_back({pose, a, b});
  }
  const auto smaller = [&](const Trial& t) { return std::min(faces[t.mine].area_mm2, other_faces[t.theirs].area_mm2); };
  const auto fitAll = [&](std::size_t points, const std::vector<double>& reaches_mm) {
    core::parallelFor(static_cast<std::int64_t>(trials.size()), [&](std::int64_t i) {
      Trial& t = trials[i];
      t.pose = fitBreak(flipped(faces[t.mine].points, points), other, t.pose, reaches_mm);
      const bool near = turnOf(t.pose) < kMostTurn && shiftOf(t.pose, body.centre) < kMostShift_mm;
      t.score = near ? touch(body, t.pose, placed).score() : 0;
      // A small break that is covered whole says more than as much contact on a part of a large one.
      t.rank = t.score * std::abs(t.score) / smaller(t);
    });
    sortTrials(trials);
  };
  fitAll(kProbe, {8, 4});
  trials.resize(std::min(trials.size(), kHopeful));
  std::vector<Trial> wider;
  for (const Trial& t : trials)
    for (const Isometry3d& pose : jittered(t.pose, faces[t.mine])) wider.push_back({pose, t.mine, t.theirs});
  trials = std::move(wider);
  fitAll(kFacePoints, {4, 2.5, 1.5});
  std::vector<ContactFit> out;
  for (const Trial& t : trials) {
    const auto like = [&](const ContactFit& fit) {
      return shiftOf(fit.pose * t.pose.inverse(), t.pose * body.centre) +
                 body.radius * turnOf(fit.pose * t.pose.inverse()) <
             2;
    };
    if (t.score <= 0 || out.size() == kKept || std::any_of(out.begin(), out.end(), like)) continue;
    out.push_back({t.pose, t.score, smaller(t)});
  }
  return out;
}

}  // namespace osteo::reconstruct
