#include "registration/symmetry.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace osteo::registration {
namespace {

constexpr float kUnseen = -1.0F;
constexpr double kWidest_rad = 0.8;

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

  /// Mean truncated distance of the reflections of every `stride`-th point.
  double cost(const Eigen::Vector3d& q, double cap_mm, std::size_t stride) const {
    const SymmetryPlane mirror = plane(q);
    double sum = 0;
    std::size_t seen = 0, all = 0;
    for (std::size_t i = 0; i < points_.size(); i += stride, ++all) {
      const float d = image::sampleLinear(distance_, distance_.frame.toIndex(mirror.reflect(points_[i])), kUnseen);
      if (d < 0) continue;
      sum += std::min<double>(d, cap_mm);
      ++seen;
    }
    // What leaves the view is neither for nor against a plane, but a plane must not win by pushing points out.
    const double unseen = static_cast<double>(all - seen);
    return (sum + 0.5 * cap_mm * unseen) / static_cast<double>(std::max<std::size_t>(all, 1));
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

}  // namespace

SymmetryPlane findSymmetry(const std::vector<Eigen::Vector3d>& points, const image::CtVolume& distance) {
  constexpr double kStep_rad = 0.0873, kShift_mm = 4.0;  // 5°
  constexpr int kTurns = 9, kShifts = 10, kFinalists = 24;
  const Search search(points, distance);
  std::vector<Candidate> candidates;
  for (int yaw = -kTurns; yaw <= kTurns; ++yaw) {
    for (int pitch = -kTurns; pitch <= kTurns; ++pitch) {
      for (int shift = -kShifts; shift <= kShifts; ++shift) {
        candidates.push_back({{yaw * kStep_rad, pitch * kStep_rad, shift * kShift_mm}});
      }
    }
  }
  const std::size_t coarse = std::max<std::size_t>(1, points.size() / 500),
                    fine = std::max<std::size_t>(1, points.size() / 2000);
  core::parallelChunks(static_cast<std::int64_t>(candidates.size()), 64,
                       [&](std::int64_t first, std::int64_t last, std::int64_t) {
                         for (std::int64_t i = first; i < last; ++i)
                           candidates[i].cost = search.cost(candidates[i].parameter, 12.0, coarse);
                       });
  const auto better = [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; };
  std::stable_sort(candidates.begin(), candidates.end(), better);
  candidates.resize(std::min<std::size_t>(candidates.size(), kFinalists));
  core::parallelFor(static_cast<std::int64_t>(candidates.size()), [&](std::int64_t i) {
    candidates[i] = search.refine(candidates[i], 8.0, fine, kStep_rad / 2);
    candidates[i] = search.refine(candidates[i], 4.0, fine, kStep_rad / 8);
  });
  Candidate best = *std::min_element(candidates.begin(), candidates.end(), better);
  best = search.refine(best, 2.5, 1, kStep_rad / 16);
  SymmetryPlane mirror = search.plane(best.parameter);
  search.judge(mirror);
  return mirror;
}

}  // namespace osteo::registration
