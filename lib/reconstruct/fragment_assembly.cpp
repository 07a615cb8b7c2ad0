#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "core/parallel.h"
#include "mesh/measures.h"
#include "reconstruct/fragment_goal.h"
#include "reconstruct/shape_fit.h"

namespace osteo::reconstruct {
namespace {

using Eigen::Isometry3d;
using Eigen::Vector3d;

constexpr double kMostShift_mm = 42, kMostTurn = 0.9;  ///< of a fragment's middle, and radians: twice what is usual
constexpr double kMostContact_mm = 0.45, kMostGap_mm = 0.5;  ///< left between fracture surfaces that belong together
constexpr double kLeastContact = 0.4;                        ///< of the fracture surface, to be placed without a goal
constexpr double kLeastOnGoal = 0.5;                         ///< of its intact surface, to be placed with one
constexpr int kShapeRounds = 2;
constexpr double kGuessReach_mm = 8, kGuessSd_mm = 3;  ///< of a shape model fitted to one fragment alone
constexpr double kLateCorrelation_mm =
    50;  ///< sides differ in torsion and bend: fracture surfaces that meet know better

/// Puts one fragment after the other in its place, the surest first.
class Reassembler {
 public:
  Reassembler(std::vector<Body>& bodies, int reference) : bodies_(bodies), reference_(reference) {
    assembly_.bodies = bodies_;
    assembly_.poses.assign(bodies.size(), Isometry3d::Identity());
    assembly_.placed.assign(bodies.size(), 0);
    assembly_.placed[reference] = 1;
  }

  /// Everything is measured in the goal's frame from here on.
  void aimAt(GoalFit fit) {
    fit_ = std::move(fit);
    assembly_.goal = &fit_.goal;
    for (std::size_t b = 0; b < bodies_.size(); ++b) {
      if (!fit_.goal.guessed) markBroken(bodies_[b], fit_.goal, fit_.poses[b][0].pose);
      assembly_.poses[b] = fit_.poses[reference_][0].pose;
    }
  }
  void changeGoal(Goal goal) { fit_.goal = std::move(goal); }

  void place() {
    fitTogether(assembly_, everyPlaced(), 3, 1, 10);
    must_meet_ = fit_.goal.guessed;
    while (placeNext()) fitTogether(assembly_, everyPlaced(), 2, 0.8, 8);
    must_meet_ = false;
    while (assembly_.goal != nullptr && placeNext()) fitTogether(assembly_, everyPlaced(), 2, 0.8, 8);
    finish();
  }

  void finish() {
    for (std::size_t b = 0; b < bodies_.size(); ++b) {
      if (assembly_.placed[b] == 0) continue;
      if (assembly_.goal != nullptr && !fit_.goal.guessed)
        markBroken(bodies_[b], fit_.goal, assembly_.poses[b]);
      else
        markFacing(bodies_[b], facingShares(assembly_, static_cast<int>(b)));
    }
    assembly_.goal_correlation_mm = kLateCorrelation_mm;
    fitTogether(assembly_, everyPlaced(), 1.5, 0.6, 25);
  }

  const Assembly& assembly() const { return assembly_; }
  /// From the CT to the fragment's place, with the reference where it was.
  Isometry3d motion(int b) const { return assembly_.poses[reference_].inverse() * assembly_.poses[b]; }

 private:
  struct Choice {
    int body = -1;
    Isometry3d pose = Isometry3d::Identity();
    Standing standing;
  };

  /// With a goal the reference moves, too, and the goal stays; the motions are told against the reference.
  std::vector<int> everyPlaced() const {
    std::vector<int> out;
    for (int b = 0; b < static_cast<int>(bodies_.size()); ++b)
      if (assembly_.placed[b] != 0 && (assembly_.goal != nullptr || b != reference_)) out.push_back(b);
    return out;
  }

  std::vector<Found> candidates(int b) {
    std::vector<Found> out;
    if (assembly_.goal != nullptr) out = fit_.poses[b];
    for (int other = 0; other < static_cast<int>(bodies_.size()); ++other) {
      if (assembly_.placed[other] == 0) continue;
      const auto key = std::make_pair(other, b);
      if (contacts_.count(key) == 0) contacts_[key] = searchContact(bodies_[other], bodies_[b], Isometry3d::Identity());
      for (const Found& f : contacts_[key]) out.push_back({assembly_.poses[other] * f.pose, f.score, f.patch_mm2});
    }
    return out;
  }

  /// No farther off than fragments are displaced, and on the goal or well on another fragment.
  bool acceptable(const Choice& c, double patch_mm2) const {
    const Isometry3d motion = assembly_.poses[reference_].inverse() * c.pose;
    const Vector3d& centre = bodies_[c.body].centre_mm;
    if ((motion * centre - centre).norm() > kMostShift_mm || Eigen::AngleAxisd(motion.linear()).angle() > kMostTurn)
      return false;
    const Standing& s = c.standing;
    const bool met = patch_mm2 > 0 && s.contact_mm2 > kLeastContact * patch_mm2 && s.contact_mm < kMostContact_mm &&
                     s.gap_mm < kMostGap_mm;
    if (assembly_.goal == nullptr || must_meet_) return s.score > 0 && met;
    return s.score > 0 && s.goal_share > kLeastOnGoal;
  }

  Choice best(int b) {
    const auto starts = candidates(b);
    std::vector<Choice> tried(starts.size());
    core::parallelFor(static_cast<std::int64_t>(starts.size()), [&](std::int64_t i) {
      Assembly trial = assembly_;
      trial.placed[b] = 1;
      trial.poses[b] = starts[i].pose;
      fitTogether(trial, {b}, 3, 1, 10);
      tried[i] = {b, trial.poses[b], standingOf(trial, b)};
    });
    Choice out;
    for (std::size_t i = 0; i < tried.size(); ++i)
      if (acceptable(tried[i], starts[i].patch_mm2) && (out.body < 0 || tried[i].standing.score > out.standing.score))
        out = tried[i];
    return out;
  }

  bool placeNext() {
    Choice next;
    for (int b = 0; b < static_cast<int>(bodies_.size()); ++b) {
      if (assembly_.placed[b] != 0) continue;
      const Choice c = best(b);
      if (c.body >= 0 && (next.body < 0 || c.standing.score > next.standing.score)) next = c;
    }
    if (next.body < 0) return false;
    assembly_.placed[next.body] = 1;
    assembly_.poses[next.body] = next.pose;
    return true;
  }

  std::vector<Body>& bodies_;
  int reference_;
  bool must_meet_ = false;  ///< a place on the goal alone is not enough yet
  GoalFit fit_;
  Assembly assembly_;
  std::map<std::pair<int, int>, std::vector<Found>> contacts_;  ///< poses of the second in the first one's frame
};

mesh::TriangleMesh moved(mesh::TriangleMesh mesh, const Isometry3d& by) {
  for (auto& v : mesh.vertices) v = by * v;
  return mesh;
}

/// The shape model about the intact bone of the fragments where they lie now.
Goal goalOfShape(const ShapeModel& prior, const Assembly& assembly) {
  std::vector<registration::OrientedPoint> points;
  for (std::size_t b = 0; b < assembly.bodies.size(); ++b) {
    const Body& body = assembly.bodies[b];
    for (std::size_t i = 0; i < body.fine.size() && assembly.placed[b] != 0; ++i)
      if (body.broken[i] == 0)
        points.push_back({assembly.poses[b] * body.fine[i].position, assembly.poses[b].linear() * body.fine[i].normal});
  }
  const ShapePosterior posterior = fitShape(prior, points);
  Goal goal = goalOfSurface(posterior.surface, 0.5 * assembly.bodies[0].spacing_mm);
  goal.sd_mm = std::clamp(1.48 * posterior.residual_mm, 0.3, 3.0);
  return goal;
}

void placeOnShape(Reassembler& reassembler, std::vector<Body>& bodies, int reference, const ShapeModel& prior) {
  GoalFit fit;
  fit.goal = goalOfShape(prior, reassembler.assembly());
  fit.goal.guessed = true;
  fit.goal.reach_mm = kGuessReach_mm;
  fit.goal.sd_mm = std::max(fit.goal.sd_mm, kGuessSd_mm);
  fit.poses.resize(bodies.size());
  for (std::size_t b = 0; b < bodies.size(); ++b)
    fit.poses[b] = static_cast<int>(b) == reference ? std::vector<Found>{{}}
                                                    : searchOnGoal(bodies[b], fit.goal, Isometry3d::Identity());
  reassembler.aimAt(std::move(fit));
  reassembler.place();
  for (int round = 0; round < kShapeRounds; ++round) {
    reassembler.changeGoal(goalOfShape(prior, reassembler.assembly()));
    reassembler.finish();
  }
}

void measure(const std::vector<Fragment>& fragments, const Reassembler& reassembler, Reassembly& out) {
  const int n = static_cast<int>(fragments.size());
  std::vector<levelset::LevelSet> solids;
  for (int b = 0; b < n; ++b) {
    Placement p;
    p.placed = reassembler.assembly().placed[b] != 0;
    if (p.placed && b != out.reference) p.transform = reassembler.motion(b);
    const Vector3d centre = reassembler.assembly().bodies[b].centre_mm;
    p.displacement_mm = (p.transform * centre - centre).norm();
    p.turn_deg = Eigen::AngleAxisd(p.transform.linear()).angle() * 180 / M_PI;
    const bool still = p.transform.isApprox(Isometry3d::Identity());
    solids.push_back(still
                         ? fragments[b].solid
                         : levelset::fromMesh(moved(fragments[b].surface, p.transform), fragments[b].solid.voxel_mm()));
    if (p.placed) {
      const Standing s = standingOf(reassembler.assembly(), b);
      p.residual_mm = reassembler.assembly().goal != nullptr ? s.goal_mm : s.contact_mm;
      p.gap_mm = s.gap_mm;
      p.contact_mm2 = s.contact_mm2;
    }
    out.placements.push_back(p);
  }
  out.bone = solids[0];
  for (int b = 1; b < n; ++b) out.bone = levelset::unite(out.bone, solids[b]);
  for (int b = 0; b < n; ++b)
    for (int other = 0; other < n; ++other)
      if (other != b)
        out.placements[b].overlap_mm3 += levelset::volume_mm3(levelset::intersect(solids[b], solids[other]));
  if (!fragments[0].solid.frameId().empty()) out.bone.setMeta("frame_id", fragments[0].solid.frameId());
}

}  // namespace

Reassembly reassemble(const std::vector<Fragment>& fragments, const ReassembleOptions& options) {
  Reassembly out;
  double area = 0;
  std::vector<double> volumes;
  for (const auto& f : fragments) {
    area += mesh::area_mm2(f.surface);
    volumes.push_back(mesh::volume_mm3(f.surface));
  }
  out.reference = options.reference >= 0
                      ? options.reference
                      : static_cast<int>(std::max_element(volumes.begin(), volumes.end()) - volumes.begin());
  const double spacing = std::clamp(std::sqrt(area / 12000), 0.8, 2.0);
  std::vector<Body> bodies;
  for (const auto& f : fragments) bodies.push_back(makeBody(f.solid, f.surface, spacing));
  Reassembler reassembler(bodies, out.reference);
  if (options.whole) {
    GoalFit fit = goalOfTemplate(bodies, out.reference, *options.whole);
    out.goal = "template";
    out.mirrored = fit.mirrored;
    out.goal_sd_mm = fit.goal.sd_mm;
    reassembler.aimAt(std::move(fit));
    reassembler.place();
  } else if (options.prior) {
    out.goal = "shape";
    placeOnShape(reassembler, bodies, out.reference, *options.prior);
    out.goal_sd_mm = reassembler.assembly().goal->sd_mm;
  } else {
    reassembler.place();
  }
  measure(fragments, reassembler, out);
  if (std::count_if(out.placements.begin(), out.placements.end(), [](const auto& p) { return p.placed; }) < 2) {
    throw core::Error(core::Exit::DataError,
                      {.what = "no fragment fits to the largest one",
                       .expected = "fracture surfaces that meet, at most about 20 mm and 30 degrees off",
                       .hint = options.whole || options.prior ? "" : "give the other side's bone with --template"});
  }
  return out;
}

}  // namespace osteo::reconstruct
