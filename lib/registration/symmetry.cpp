#include "registration/symmetry.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.h"

namespace osteo::registration {
namespace {

constexpr float kUnseen = -1.0F;
constexpr double kWidest_rad = 0.8;
constexpr double kUnseenShare = 0.75;

/// Plane as yaw and pitch of the normal from +x, and offset from the points' centre.
struct Candidate {
  Eigen::Vector3d parameter = Eigen::Vector3d::Zero();
  double cost = 1e300;
};

class Search {
 public:
  Search(const std::vector<Eigen::Vector3d>& points, const image::CtVolume& distance)
      : points_(points), distance_(distance) {
    for (const auto& p : points) centre_ += p / static_cast<double>(points.size());
  }

  SymmetryPlane plane(const Eigen::Vector3d& q) const {
    SymmetryPlane out;
    out.normal = {std::cos(q[0]) * std::cos(q[1]), std::sin(q[0]) * std::cos(q[1]), std::sin(q[1])};
    out.offset_mm = out.normal.dot(centre_) + q[2];
    return out;
  }

  /// Mean distances, truncated at each cap, of the reflections of every `stride`-th point.
  template <std::size_t N>
  std::array<double, N> costs(const Eigen::Vector3d& q, const std::array<double, N>& caps_mm,
                              std::size_t stride) const {
    const SymmetryPlane mirror = plane(q);
    std::array<double, N> sums{};
    std::size_t all = 0;
    for (std::size_t i = 0; i < points_.size(); i += stride, ++all) {
      const float d = image::sampleLinear(distance_, distance_.frame.toIndex(mirror.reflect(points_[i])), kUnseen);
      // What leaves the view is neither for nor against a plane, but a plane must not win by pushing points out.
      for (std::size_t c = 0; c < N; ++c)
        sums[c] += d < 0 ? kUnseenShare * caps_mm[c] : std::min<double>(d, caps_mm[c]);
    }
    for (double& sum : sums) sum /= static_cast<double>(std::max<std::size_t>(all, 1));
    return sums;
  }

  double cost(const Eigen::Vector3d& q, double cap_mm, std::size_t stride) const {
    return costs<1>(q, {cap_mm}, stride)[0];
  }

  Candidate refine(Candidate start, double cap_mm, std::size_t stride, double step_rad) const {
    start.cost = cost(start.parameter, cap_mm, stride);
    Eigen::Vector3d step(step_rad, step_rad, step_rad * 60);  // a head's radius turns angles into mm
    for (int round = 0; round < 60 && step[0] > 2e-4; ++round) {
      bool better = false;
      for (int k = 0; k < 6; ++k) {
        Candidate next = start;
        next.parameter[k / 2] += (k % 2 == 0 ? 1 : -1) * step[k / 2];
        if (next.parameter.head<2>().cwiseAbs().maxCoeff() > kWidest_rad) continue;
        next.cost = cost(next.parameter, cap_mm, stride);
        if (next.cost >= start.cost) continue;
        start = next;
        better = true;
      }
      if (!better) step *= 0.5;
    }
    return start;
  }

  void judge(SymmetryPlane& mirror) const {
    constexpr float kInlier_mm = 4;
    std::vector<float> near;
    std::size_t seen = 0;
    for (const auto& p : points_) {
      const float d = image::sampleLinear(distance_, distance_.frame.toIndex(mirror.reflect(p)), kUnseen);
      if (d < 0) continue;
      ++seen;
      if (d < kInlier_mm) near.push_back(d);
    }
    if (near.empty()) return;
    std::nth_element(near.begin(), near.begin() + near.size() / 2, near.end());
    mirror.residual_mm = near[near.size() / 2];
    mirror.inlier_share = static_cast<double>(near.size()) / static_cast<double>(seen);
  }

 private:
  const std::vector<Eigen::Vector3d>& points_;
  const image::CtVolume& distance_;
  Eigen::Vector3d centre_ = Eigen::Vector3d::Zero();
};

constexpr double kStep_rad = 0.0873, kShift_mm = 4.0;  // 5°

/// The best of the lattice that are no neighbours of one another.
void takeBest(std::vector<Candidate> lattice, std::size_t count, std::vector<Candidate>& finalists) {
  std::stable_sort(lattice.begin(), lattice.end(),
                   [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  const Eigen::Vector3d step(kStep_rad, kStep_rad, kShift_mm);
  const std::size_t goal = finalists.size() + count;
  for (std::size_t i = 0; i < lattice.size() && finalists.size() < goal; ++i) {
    const auto near = [&](const Candidate& other) {
      return (lattice[i].parameter - other.parameter).cwiseQuotient(step).cwiseAbs().maxCoeff() < 1.5;
    };
    if (std::none_of(finalists.begin(), finalists.end(), near)) finalists.push_back(lattice[i]);
  }
}

/// Finalists under a wide truncation, which leads from far, and under a narrow one, which a slab beside the head
/// doesn't lead astray.
std::vector<Candidate> searchLattice(const Search& search, std::size_t stride) {
  constexpr int kTurns = 9, kShifts = 10;
  constexpr std::array<double, 2> kCaps_mm{12.0, 5.0};
  constexpr std::size_t kEach = 12;
  std::array<std::vector<Candidate>, 2> lattice;
  for (int yaw = -kTurns; yaw <= kTurns; ++yaw) {
    for (int pitch = -kTurns; pitch <= kTurns; ++pitch) {
      for (int shift = -kShifts; shift <= kShifts; ++shift) {
        lattice[0].push_back({{yaw * kStep_rad, pitch * kStep_rad, shift * kShift_mm}});
      }
    }
  }
  lattice[1] = lattice[0];
  core::parallelChunks(static_cast<std::int64_t>(lattice[0].size()), 64,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t i = first; i < last; ++i) {
                           const auto costs = search.costs(lattice[0][i].parameter, kCaps_mm, stride);
                           for (std::size_t c = 0; c < 2; ++c) lattice[c][i].cost = costs[c];
                         }
                       });
  std::vector<Candidate> finalists;
  for (std::vector<Candidate>& costed : lattice) takeBest(std::move(costed), kEach, finalists);
  return finalists;
}

}  // namespace

SymmetryPlane findSymmetry(const std::vector<Eigen::Vector3d>& points, const image::CtVolume& distance) {
  const Search search(points, distance);
  const std::size_t coarse = std::max<std::size_t>(1, points.size() / 500),
                    fine = std::max<std::size_t>(1, points.size() / 2000);
  std::vector<Candidate> candidates = searchLattice(search, coarse);
  core::parallelFor(static_cast<std::int64_t>(candidates.size()), [&](std::int64_t i) {
    candidates[i] = search.refine(candidates[i], 8.0, fine, kStep_rad / 2);
    candidates[i] = search.refine(candidates[i], 4.0, fine, kStep_rad / 8);
  });
  Candidate best = *std::min_element(candidates.begin(), candidates.end(),
                                     [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  best = search.refine(best, 2.5, 1, kStep_rad / 16);
  SymmetryPlane mirror = search.plane(best.parameter);
  search.judge(mirror);
  return mirror;
}

}  // namespace osteo::registration
