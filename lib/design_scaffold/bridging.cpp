#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "core/error.h"
#include "core/parallel.h"
#include "design_scaffold/placing.h"
#include "design_scaffold/stumps.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kPlaces_mm = 1.0;  // between places tried along the bone
constexpr double kWall_mm = 1.0;    // of bone around a nail's bed
constexpr int kRays = 16;
constexpr double kLeaning = 0.87;     // cosine between a plate's screw and the surface's normal, 30 degrees
constexpr double kSmoothing_mm = 10;  // of a plate's normals along it
const char* const kSpacing = "distance to other screws";
const char* const kWallName = "wall around the nail";

/// Bone that the wanted screws need in a stump, from the cut to behind the last.
double needed_mm(const ScrewTrials& trials) {
  return trials.fromCut_mm() + (trials.spec().screws - 1) * trials.spec().spacing_mm + trials.spec().edge_mm;
}
/// Bone that is searched when some places hold no screw.
double searched_mm(const ScrewTrials& trials) { return 1.6 * needed_mm(trials) + 20; }

Vector3d turned(const Vector3d& side, const Vector3d& axis, double degrees) {
  return Eigen::AngleAxisd(degrees * M_PI / 180, axis) * side;
}

[[noreturn]] void longerThanBone(const ScrewTrials& trials, const char* what, double room_mm) {
  throw core::Error(core::Exit::DataError,
                    {.what = fmt::format("the {} is longer than the bone", what),
                     .expected = fmt::format(
                         "{:.0f} mm of bone beside the cut for {} screws, {:g} mm apart and {:g} mm "
                         "from cut and end",
                         needed_mm(trials), trials.spec().screws, trials.spec().spacing_mm, trials.spec().edge_mm),
                     .got = fmt::format("{:.0f} mm of bone in one stump", room_mm),
                     .hint = "fewer --screws, or smaller --screw-spacing-mm or --screw-edge-mm"});
}

/// Screws of one place, the better ones first.
using Options = std::vector<Trial>;

/// The first screws that hold, from the cut outwards, each far enough from those before.
std::vector<Trial> picked(const ScrewTrials& trials, const std::vector<Options>& along, Tally& tally,
                          std::vector<double>& at_mm) {
  std::vector<Trial> out;
  for (std::size_t n = 0; n < along.size() && static_cast<int>(out.size()) < trials.spec().screws; ++n) {
    Options options = along[n];
    for (Trial& trial : options)
      if (trial.refusal.empty() && !out.empty() &&
          axisDistance_mm(out.back().screw, trial.screw) < trials.spec().spacing_mm)
        trial.refusal = kSpacing;
    const auto held = std::find_if(options.begin(), options.end(), [](const Trial& t) { return t.refusal.empty(); });
    tally.add(held == options.end() ? options.front() : *held);
    if (held == options.end()) continue;
    out.push_back(*held);
    at_mm.push_back(static_cast<double>(n) * kPlaces_mm);
  }
  return out;
}

double reachOf(const Stump& stump) {
  return stump.radius_mm.empty() ? 0 : *std::max_element(stump.radius_mm.begin(), stump.radius_mm.end());
}

/// What one side or angle brings: the screws of both stumps.
struct Attempt {
  double turned_deg = 0;
  std::array<std::vector<Trial>, 2> screws;
  std::array<Strip, 2> lines;
  std::array<double, 2> reach_mm{};  ///< from the cut to the last screw
  std::array<double, 2> room_mm{};   ///< bone along the line
  std::array<Tally, 2> tallies;
  std::size_t found() const { return screws[0].size() + screws[1].size(); }
};

/// A stump's surface on one side, point for point of its axis.
Strip sideLine(const ScrewTrials& trials, const Stump& stump, const Vector3d& side) {
  Strip line;
  for (std::size_t n = 0; n < stump.axis.size(); ++n) {
    const auto out = sideOf(stump.onward[n], side);
    const auto depth = out ? trials.outermost_mm(stump.axis[n], *out, stump.radius_mm[n]) : std::nullopt;
    if (!depth) break;
    line.points_mm.push_back(stump.axis[n] + *depth * *out);
    line.normals.push_back(trials.normal(line.points_mm.back()));
  }
  return line;
}

/// Screws square to the surface, and across the bone's axis where that leans by at most kLeaning.
Options plateScrews(const ScrewTrials& trials, const Vector3d& near, const Vector3d& on_axis, const Vector3d& onward) {
  const auto entry = trials.foot(near);
  if (!entry) return {Trial{{}, "bone stock"}};
  const Vector3d square = -trials.normal(*entry), inwards = sideOf(onward, on_axis - *entry).value_or(square);
  Options out;
  for (const Vector3d& direction : {square, inwards}) {
    if (direction.dot(square) < kLeaning) continue;
    const double middle = trials.spec().bicortical ? (on_axis - *entry).dot(direction) : 0.0;
    out.push_back(trials(Place{*entry, direction, middle, nullptr}));
  }
  return out;
}

/// Every kPlaces_mm along a line over the stump's side.
std::vector<Options> plateTrials(const ScrewTrials& trials, const Stump& stump, const Strip& line) {
  const double length = (static_cast<double>(line.points_mm.size()) - 1) * kAxisStep_mm;
  const int places = line.points_mm.size() < 2 ? 0 : static_cast<int>(length / kPlaces_mm);
  std::vector<Options> out(static_cast<std::size_t>(places));
  core::parallelFor(places, [&](std::int64_t n) {
    const double at = static_cast<double>(n) * kPlaces_mm / kAxisStep_mm;
    const auto low = static_cast<std::size_t>(at);
    const double part = at - static_cast<double>(low);
    const auto between = [&](const std::vector<Vector3d>& v) -> Vector3d {
      return (1 - part) * v[low] + part * v[low + 1];
    };
    out[static_cast<std::size_t>(n)] =
        plateScrews(trials, between(line.points_mm), between(stump.axis), stump.onward[low]);
  });
  return out;
}

/// Direction of the largest spread of points around their middle, and the root mean square distance from that line.
Vector3d mainAxis(const std::vector<Vector3d>& points, Vector3d& middle, double* off_mm = nullptr) {
  middle.setZero();
  for (const Vector3d& p : points) middle += p / static_cast<double>(points.size());
  Eigen::Matrix3d spread = Eigen::Matrix3d::Zero();
  for (const Vector3d& p : points)
    spread += (p - middle) * (p - middle).transpose() / static_cast<double>(points.size());
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solved(spread);
  if (off_mm) *off_mm = std::sqrt(std::max(0.0, solved.eigenvalues()[0] + solved.eigenvalues()[1]));
  return solved.eigenvectors().col(2);
}

/// How far the lines on a side lie from a straight one.
double straightness(const std::array<Strip, 2>& lines, double length_mm) {
  std::vector<Vector3d> points;
  for (const Strip& line : lines)
    for (std::size_t n = 0; n < line.points_mm.size() && static_cast<double>(n) * kAxisStep_mm < length_mm; ++n)
      points.push_back(line.points_mm[n]);
  if (points.size() < 3) return INFINITY;
  Vector3d middle;
  double off = 0;
  mainAxis(points, middle, &off);
  return off;
}

Attempt plateAttempt(const ScrewTrials& trials, const std::array<Stump, 2>& stumps, const Vector3d& side) {
  Attempt attempt;
  for (std::size_t k = 0; k < 2; ++k) {
    attempt.lines[k] = sideLine(trials, stumps[k], side);
    std::vector<double> at;
    attempt.screws[k] = picked(trials, plateTrials(trials, stumps[k], attempt.lines[k]), attempt.tallies[k], at);
    attempt.reach_mm[k] = at.empty() ? 0 : at.back() + kAxisStep_mm;
    attempt.room_mm[k] = static_cast<double>(attempt.lines[k].points_mm.size()) * kAxisStep_mm;
  }
  return attempt;
}

/// The plate's line over the defect: outermost points of host and defect across the line between the stumps.
Strip gapLine(const ScrewTrials& trials, const std::array<Stump, 2>& stumps, const Vector3d& side) {
  Strip line;
  const Vector3d &from = stumps[0].face_mm, way = stumps[1].face_mm - from;
  const double reach = std::max(reachOf(stumps[0]), reachOf(stumps[1])), step = 0.25;
  const int points = static_cast<int>(way.norm() / kAxisStep_mm);
  const Vector3d out = sideOf(way.normalized(), side).value_or(side);
  for (int n = 1; n < points; ++n) {
    const Vector3d p = from + way * n / points;
    double last = -1;
    for (double t = 0; t < reach; t += step)
      if (levelset::sample(trials.site().defect, p + t * out) < 0) last = t;
    if (last < 0) continue;
    line.points_mm.push_back(p + (last + 0.5 * step) * out);
    line.normals.push_back(out);
  }
  return line;
}

/// From the last screw of one stump over the gap to the last of the other, with normals that turn slowly.
Strip plateStrip(const ScrewTrials& trials, const std::array<Stump, 2>& stumps, const Attempt& attempt,
                 const Vector3d& side) {
  Strip whole;
  const auto add = [&](const Strip& line, std::size_t n) {
    whole.points_mm.push_back(line.points_mm[n]);
    whole.normals.push_back(line.normals[n]);
  };
  const auto count = [&](std::size_t k) {
    return std::min(attempt.lines[k].points_mm.size(),
                    static_cast<std::size_t>(std::ceil((attempt.reach_mm[k] - kAxisStep_mm) / kAxisStep_mm)) + 1);
  };
  for (std::size_t n = count(0); n-- > 0;) add(attempt.lines[0], n);
  const Strip gap = gapLine(trials, stumps, side);
  for (std::size_t n = 0; n < gap.points_mm.size(); ++n) add(gap, n);
  for (std::size_t n = 0; n < count(1); ++n) add(attempt.lines[1], n);
  const auto window = static_cast<std::ptrdiff_t>(0.5 * kSmoothing_mm / kAxisStep_mm), size = std::ssize(whole.normals);
  std::vector<Vector3d> smooth(whole.normals.size(), Vector3d::Zero());
  for (std::ptrdiff_t n = 0; n < size; ++n) {
    for (std::ptrdiff_t m = std::max<std::ptrdiff_t>(0, n - window); m <= std::min(size - 1, n + window); ++m)
      smooth[static_cast<std::size_t>(n)] += whole.normals[static_cast<std::size_t>(m)];
    smooth[static_cast<std::size_t>(n)].normalize();
  }
  whole.normals = smooth;
  return whole;
}

/// Sides to try: the wanted one and those beside it, or, when none is wanted, all around.
std::vector<double> turns(bool is_wanted, double step_deg, double most_deg) {
  std::vector<double> out{0};
  for (double d = step_deg; d <= (is_wanted ? most_deg : 180.0); d += step_deg) out.insert(out.end(), {d, -d});
  return out;
}

void collect(const ScrewTrials& trials, const Attempt& attempt, const char* what, Placing& placing) {
  for (std::size_t k = 0; k < 2; ++k) {
    placing.tally.add(attempt.tallies[k]);
    for (const Trial& trial : attempt.screws[k]) placing.screws.push_back(trial.screw);
  }
  placing.turned_deg = attempt.turned_deg;
  for (std::size_t k = 0; k < 2; ++k) {
    if (static_cast<int>(attempt.screws[k].size()) >= trials.spec().screws) continue;
    if (attempt.room_mm[k] < needed_mm(trials)) longerThanBone(trials, what, attempt.room_mm[k]);
    tooFewScrews(trials, attempt.tallies[k], attempt.screws[k].size(), " in one of the stumps");
  }
}

/// The straight line through the axes of both stumps, over a share of what screws need: a point and a direction from
/// the first stump to the second.
std::pair<Vector3d, Vector3d> nailAxis(const ScrewTrials& trials, const std::array<Stump, 2>& stumps, double share) {
  std::vector<Vector3d> points;
  for (const Stump& stump : stumps) {
    points.push_back(stump.face_mm);
    for (std::size_t n = 0; n < stump.axis.size(); ++n)
      if (static_cast<double>(n) * kAxisStep_mm < share * needed_mm(trials)) points.push_back(stump.axis[n]);
  }
  Vector3d middle = Vector3d::Zero();
  const Vector3d axis = mainAxis(points, middle);
  const Vector3d way = stumps[1].face_mm - stumps[0].face_mm;
  return {middle, axis.dot(way) < 0 ? Vector3d(-axis) : axis};
}

/// How far from the cut the nail may reach, with bone all around it.
double nailRoom(const ScrewTrials& trials, const Vector3d& face, const Vector3d& onward, double reach_mm) {
  const double least = 0.5 * trials.spec().width_mm + trials.site().clearance_mm + kWall_mm;
  const Vector3d a = onward.unitOrthogonal(), b = onward.cross(a);
  double room = trials.spec().edge_mm;
  for (; room < searched_mm(trials); room += kPlaces_mm)
    for (int n = 0; n < kRays; ++n) {
      const double angle = 2 * M_PI * n / kRays;
      const auto wall = trials.outermost_mm(face + room * onward, std::cos(angle) * a + std::sin(angle) * b, reach_mm);
      if (!wall || *wall < least) return room - kPlaces_mm;
    }
  return room;
}

struct Bore {
  Vector3d point, axis;
  std::array<Vector3d, 2> faces, onward;
  std::array<double, 2> room_mm{}, reach_mm{};  ///< for the nail, from the cut; for the bone, from the axis
  std::array<double, 2> bone_mm{};              ///< from the cut to the bone's end
  double behind_mm = 0;                         ///< of nail behind the last screw
};

Attempt nailAttempt(const ScrewTrials& trials, const Bore& bore, const Vector3d& side) {
  Attempt attempt;
  const double radius = 0.5 * trials.spec().width_mm, far = 2 * searched_mm(trials);
  const Stem stem{bore.faces[0] + far * bore.onward[0], bore.faces[1] + far * bore.onward[1], radius};
  for (std::size_t k = 0; k < 2; ++k) {
    std::vector<Options> along(static_cast<std::size_t>(searched_mm(trials) / kPlaces_mm), Options(1));
    core::parallelFor(std::ssize(along), [&](std::int64_t n) {
      Trial& trial = along[static_cast<std::size_t>(n)].front();
      const double gone = static_cast<double>(n) * kPlaces_mm;
      const Vector3d p = bore.faces[k] + gone * bore.onward[k];
      const auto depth = trials.outermost_mm(p, side, bore.reach_mm[k]);
      if (!depth)
        trial.refusal = "bone stock";
      else if (gone + bore.behind_mm > bore.room_mm[k])
        trial.refusal = kWallName;
      else
        trial = trials(Place{p + *depth * side, -side, *depth + radius, &stem});
    });
    std::vector<double> at;
    attempt.screws[k] = picked(trials, along, attempt.tallies[k], at);
    attempt.reach_mm[k] = at.empty() ? 0 : at.back();
    attempt.room_mm[k] = bore.bone_mm[k];
  }
  return attempt;
}

Bore boreOf(const ScrewTrials& trials, const std::array<Stump, 2>& stumps, double share) {
  Bore bore;
  std::tie(bore.point, bore.axis) = nailAxis(trials, stumps, share);
  bore.onward = {-bore.axis, bore.axis};
  bore.behind_mm = std::max(trials.spec().edge_mm, trials.spec().head_mm);
  for (std::size_t k = 0; k < 2; ++k) {
    bore.faces[k] = bore.point + (stumps[k].face_mm - bore.point).dot(bore.axis) * bore.axis;
    bore.reach_mm[k] = reachOf(stumps[k]);
    bore.bone_mm[k] = static_cast<double>(stumps[k].axis.size()) * kAxisStep_mm;
    bore.room_mm[k] = nailRoom(trials, bore.faces[k], bore.onward[k], bore.reach_mm[k]);
  }
  return bore;
}

bool isWhole(const ScrewTrials& trials, const Attempt& attempt) {
  return attempt.found() == 2 * static_cast<std::size_t>(trials.spec().screws);
}

}  // namespace

Placing placePlate(const ScrewTrials& trials) {
  const std::array<Stump, 2> stumps = findStumps(trials, searched_mm(trials));
  for (const Stump& stump : stumps)
    if (static_cast<double>(stump.axis.size()) * kAxisStep_mm < trials.fromCut_mm())
      longerThanBone(trials, "plate", static_cast<double>(stump.axis.size()) * kAxisStep_mm);
  const Vector3d axis = (stumps[1].face_mm - stumps[0].face_mm).normalized();
  const auto wanted = sideOf(axis, trials.site().outward);
  const Vector3d base = wanted.value_or(axis.unitOrthogonal());
  std::vector<double> order = turns(wanted.has_value(), wanted ? 10.0 : 15.0, 30.0);
  if (!wanted) {
    std::map<double, double> rate;
    for (const double degrees : order) {
      const Vector3d side = turned(base, axis, degrees);
      rate[degrees] =
          straightness({sideLine(trials, stumps[0], side), sideLine(trials, stumps[1], side)}, needed_mm(trials));
    }
    std::stable_sort(order.begin(), order.end(), [&](double a, double b) { return rate[a] < rate[b]; });
  }
  Attempt best;
  for (const double degrees : order) {
    Attempt attempt = plateAttempt(trials, stumps, turned(base, axis, degrees));
    attempt.turned_deg = degrees;
    const bool is_better = attempt.found() > best.found() || best.lines[0].points_mm.empty();
    if (is_better) best = std::move(attempt);
    if (isWhole(trials, best)) break;
  }
  Placing placing;
  collect(trials, best, "plate", placing);
  placing.strips.push_back(plateStrip(trials, stumps, best, turned(base, axis, best.turned_deg)));
  return placing;
}

Placing placeNail(const ScrewTrials& trials) {
  const std::array<Stump, 2> stumps = findStumps(trials, searched_mm(trials));
  Attempt best;
  Bore of_best;
  // Where a bone bends not far from the cut, the line through less of it fits better.
  for (const double share : {1.0, 0.6, 0.3}) {
    const Bore bore = boreOf(trials, stumps, share);
    const Vector3d base = sideOf(bore.axis, trials.site().outward).value_or(bore.axis.unitOrthogonal());
    for (const double degrees : turns(true, 15.0, 90.0)) {
      Attempt attempt = nailAttempt(trials, bore, turned(base, bore.axis, degrees));
      attempt.turned_deg = degrees;
      if (best.tallies[0].places > 0 && attempt.found() <= best.found()) continue;
      best = std::move(attempt);
      of_best = bore;
      if (isWhole(trials, best)) break;
    }
    if (isWhole(trials, best)) break;
  }
  Placing placing;
  collect(trials, best, "nail", placing);
  const auto end = [&](std::size_t k) -> Vector3d {
    return of_best.faces[k] + (best.reach_mm[k] + of_best.behind_mm) * of_best.onward[k];
  };
  placing.stem = Stem{end(0), end(1), 0.5 * trials.spec().width_mm};
  return placing;
}

}  // namespace osteo::design_scaffold
