#include <fmt/format.h>

#include <Eigen/Geometry>
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/parallel.h"
#include "design_scaffold/placing.h"
#include "levelset/grid.h"

namespace osteo::design_scaffold {
namespace {

using Eigen::Vector3d;

constexpr double kLooksOutward = 0.3;  // cosine: the sides of the rim don't count as outer surface
constexpr double kPlaces_mm = 1.0;     // one place to try in a cube of this edge
constexpr int kBins = 72;              // of the rim, around the way in
constexpr int kPhases = 36;            // turns of the even spread that are tried
constexpr double kAnchor_mm = 3.0;     // of a tab's middle line over the defect, at least

struct Candidate {
  Place place;
  double from_cut_mm = 0;
  double along_mm = 0;  ///< on the rim
  Trial trial;
};

/// Places on the host's outer surface beside the cut, one in a cube of kPlaces_mm.
std::vector<Candidate> candidates(const ScrewTrials& trials) {
  const levelset::LevelSet& host = trials.site().host;
  const double voxel = host.voxel_mm(), least = trials.fromCut_mm();
  const double most = least + std::max(trials.spec().edge_mm, 0.5 * trials.spec().width_mm);
  Eigen::Vector3i low, high;
  trials.site().defect.activeBox(low, high);
  const double scale = trials.site().defect.voxel_mm();
  const Vector3d from = low.cast<double>() * scale - Vector3d::Constant(most),
                 to = high.cast<double>() * scale + Vector3d::Constant(most);
  std::vector<Vector3d> seeds;
  std::set<std::tuple<int, int, int>> taken;
  for (auto value = host.grid().vdb->cbeginValueOn(); value; ++value) {
    if (!value.isVoxelValue() || std::abs(*value) > 0.5 * voxel) continue;
    const openvdb::Coord ijk = value.getCoord();
    const Vector3d p = voxel * Vector3d(ijk.x(), ijk.y(), ijk.z());
    if ((p.array() < from.array()).any() || (p.array() > to.array()).any()) continue;
    const Eigen::Vector3i cell = (p / kPlaces_mm).array().floor().cast<int>();
    if (taken.insert({cell[0], cell[1], cell[2]}).second) seeds.push_back(p);
  }
  std::vector<Candidate> all(seeds.size()), kept;
  core::parallelFor(static_cast<std::int64_t>(seeds.size()), [&](std::int64_t n) {
    Candidate& candidate = all[static_cast<std::size_t>(n)];
    const auto foot = trials.foot(seeds[static_cast<std::size_t>(n)]);
    candidate.from_cut_mm = foot ? trials.toCut_mm(*foot) : -1;
    if (!foot || candidate.from_cut_mm < least || candidate.from_cut_mm > most) return;
    candidate.place = {*foot, -trials.normal(*foot)};
  });
  for (const Candidate& candidate : all)
    if (candidate.from_cut_mm >= least && candidate.from_cut_mm <= most &&
        -candidate.place.direction.dot(trials.site().outward) > kLooksOutward)
      kept.push_back(candidate);
  return kept;
}

/// Gives every candidate its place along the rim as seen against the way in; returns the rim's length.
double measureRim(std::vector<Candidate>& all, const Vector3d& outward) {
  Vector3d middle = Vector3d::Zero();
  for (const Candidate& one : all) middle += one.place.entry_mm / static_cast<double>(all.size());
  const Vector3d right = outward.unitOrthogonal(), up = outward.cross(right);
  std::vector<double> radius(kBins, 0), count(kBins, 0), bin(all.size());
  for (std::size_t n = 0; n < all.size(); ++n) {
    const Vector3d d = all[n].place.entry_mm - middle;
    bin[n] = (std::atan2(d.dot(up), d.dot(right)) / (2 * M_PI) + 0.5) * kBins;
    const auto b = static_cast<std::size_t>(std::min<double>(bin[n], kBins - 1));
    radius[b] += std::hypot(d.dot(up), d.dot(right));
    count[b] += 1;
  }
  for (std::size_t b = 0; b < kBins; ++b)
    if (count[b] > 0) radius[b] /= count[b];
  for (std::size_t b = 0; b < 2 * kBins; ++b) {  // twice around, so that gaps at the seam are bridged
    const double before = radius[(b + kBins - 1) % kBins];
    if (count[b % kBins] == 0) radius[b % kBins] = before;
  }
  std::vector<double> along(kBins + 1, 0);
  for (std::size_t b = 0; b < kBins; ++b) {
    const double here = radius[b], next = radius[(b + 1) % kBins], turn = 2 * M_PI / kBins;
    along[b + 1] = along[b] + std::sqrt(here * here + next * next - 2 * here * next * std::cos(turn));
  }
  for (std::size_t n = 0; n < all.size(); ++n) {
    const auto b = static_cast<std::size_t>(std::min<double>(bin[n], kBins - 1));
    all[n].along_mm = along[b] + (bin[n] - static_cast<double>(b)) * (along[b + 1] - along[b]);
  }
  return along[kBins];
}

double aroundRim(double a, double b, double length) {
  const double d = std::abs(a - b);
  return std::min(d, length - d);
}

bool keepsSpacing(const Candidate& candidate, const std::vector<const Candidate*>& chosen, double spacing_mm) {
  return std::all_of(chosen.begin(), chosen.end(), [&](const Candidate* other) {
    return axisDistance_mm(candidate.trial.screw, other->trial.screw) >= spacing_mm;
  });
}

/// One candidate in each of the even parts of the rim, turned by a share of one; fewer where some part has none.
std::vector<const Candidate*> evenly(const std::vector<Candidate>& all, const FixationSpec& spec, double length,
                                     double phase, double& cost) {
  std::vector<const Candidate*> chosen;
  const double part = length / spec.screws;
  cost = 0;
  for (int k = 0; k < spec.screws; ++k) {
    const double target = std::fmod((k + phase) * part, length);
    const Candidate* best = nullptr;
    double least = std::numeric_limits<double>::infinity();
    for (const Candidate& one : all) {
      const double off = aroundRim(one.along_mm, target, length);
      const double wish = off + 2 * one.from_cut_mm;
      if (!one.trial.refusal.empty() || off > 0.5 * part || wish >= least) continue;
      if (!keepsSpacing(one, chosen, spec.spacing_mm)) continue;
      best = &one;
      least = wish;
    }
    if (!best) continue;
    chosen.push_back(best);
    cost += least * least;
  }
  return chosen;
}

/// As many as go around the rim one after the other; for rims of which parts hold no screw.
std::vector<const Candidate*> packed(const std::vector<Candidate>& all, const FixationSpec& spec) {
  std::vector<const Candidate*> holding, most;
  for (const Candidate& one : all)
    if (one.trial.refusal.empty()) holding.push_back(&one);
  std::stable_sort(holding.begin(), holding.end(),
                   [](const Candidate* a, const Candidate* b) { return a->along_mm < b->along_mm; });
  for (int start = 0; start < kPhases && !holding.empty(); ++start) {
    std::vector<const Candidate*> chosen;
    for (std::size_t n = 0; n < holding.size(); ++n) {
      const Candidate* one = holding[(n + start * holding.size() / kPhases) % holding.size()];
      if (keepsSpacing(*one, chosen, spec.spacing_mm)) chosen.push_back(one);
    }
    if (chosen.size() > most.size()) most = chosen;
  }
  if (most.size() <= static_cast<std::size_t>(spec.screws)) return most;
  std::vector<const Candidate*> spread;
  for (int k = 0; k < spec.screws; ++k) spread.push_back(most[k * most.size() / spec.screws]);
  return spread;
}

/// From the screw straight to the cut and on over the defect.
Strip tabOf(const ScrewTrials& trials, const Candidate& candidate) {
  const Vector3d& entry = candidate.place.entry_mm;
  const Vector3d normal = -candidate.place.direction;
  Vector3d away;
  constexpr double kStep_mm = 0.5;
  for (int axis = 0; axis < 3; ++axis)
    away[axis] = trials.toCut_mm(entry + kStep_mm * Vector3d::Unit(axis)) -
                 trials.toCut_mm(entry - kStep_mm * Vector3d::Unit(axis));
  away = (away - away.dot(normal) * normal).normalized();
  const double reach = candidate.from_cut_mm + std::max(kAnchor_mm, 0.5 * trials.spec().width_mm);
  return {{entry - reach * away, entry}, {normal, normal}};
}

}  // namespace

Placing placeFlanges(const ScrewTrials& trials) {
  const FixationSpec& spec = trials.spec();
  std::vector<Candidate> all = candidates(trials);
  if (all.empty())
    throw core::Error(core::Exit::DataError,
                      {.what = "no bone around the defect looks against the way in",
                       .expected = "outer surface of the host beside the cut",
                       .hint = "check that defect and host belong together, and the direction of insertion"});
  core::parallelFor(static_cast<std::int64_t>(all.size()),
                    [&](std::int64_t n) { all[n].trial = trials(all[static_cast<std::size_t>(n)].place); });
  Placing placing;
  for (const Candidate& one : all) placing.tally.add(one.trial);
  const double length = measureRim(all, trials.site().outward);
  std::vector<const Candidate*> chosen;
  double least = std::numeric_limits<double>::infinity();
  for (int phase = 0; phase < kPhases; ++phase) {
    double cost = 0;
    const auto spread = evenly(all, spec, length, static_cast<double>(phase) / kPhases, cost);
    if (static_cast<int>(spread.size()) < spec.screws || cost >= least) continue;
    chosen = spread;
    least = cost;
  }
  if (chosen.empty()) chosen = packed(all, spec);
  if (static_cast<int>(chosen.size()) < spec.screws) {
    for (const Candidate& one : all)
      if (one.trial.refusal.empty() && !keepsSpacing(one, chosen, spec.spacing_mm))
        ++placing.tally.refused["distance to other screws"];
    tooFewScrews(trials, placing.tally, chosen.size(), " around the defect");
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const Candidate* a, const Candidate* b) { return a->along_mm < b->along_mm; });
  for (const Candidate* one : chosen) {
    placing.screws.push_back(one->trial.screw);
    placing.strips.push_back(tabOf(trials, *one));
  }
  return placing;
}

}  // namespace osteo::design_scaffold
