#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <functional>
#include <vector>

namespace osteo::design_scaffold {

/// Phases of a lattice whose cells change in size: φ(x) in cells, with ∇φ_c as near to e_c / cell(x) as a gradient can
/// be (least squares over the box, a Poisson problem for each axis), so that cells stretch without tearing.
class PhaseMap {
 public:
  using CellSize = std::function<double(const Eigen::Vector3d&)>;
  /// Solves over the box low…high (mm) on nodes `step_mm` apart; `cell` gives the wanted cell in mm. φ is zero where
  /// origin_mm is, or would be, at the cell size of the nearest node.
  PhaseMap(const Eigen::Vector3d& low_mm, const Eigen::Vector3d& high_mm, double step_mm, const CellSize& cell,
           const Eigen::Vector3d& origin_mm);

  /// φ in cells, trilinear; held at the border beyond the box.
  Eigen::Vector3d phase(const Eigen::Vector3d& point_mm) const;
  /// The cell that φ makes there, mm: (det ∇φ)^(−1/3).
  double cell_mm(const Eigen::Vector3d& point_mm) const;
  /// Largest relative difference between the cells that were wanted and those that φ makes, over 99 % of the box.
  double misfit() const { return misfit_; }

 private:
  Eigen::Vector3d low_;
  double step_;
  Eigen::Vector3i size_;
  std::vector<Eigen::Vector3d> phase_;
  double misfit_ = 0;

  std::size_t at(int i, int j, int k) const {
    return static_cast<std::size_t>(i + std::int64_t{size_[0]} * (j + std::int64_t{size_[1]} * k));
  }
  void solve(const std::vector<double>& frequency, int component);
};

}  // namespace osteo::design_scaffold
