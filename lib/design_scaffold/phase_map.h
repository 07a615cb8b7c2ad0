#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <functional>
#include <vector>

namespace osteo::design_scaffold {

/// Nodes of a cubic grid over a box, x fastest.
struct NodeGrid {
  Eigen::Vector3d low_mm;
  double step_mm;
  Eigen::Vector3i size;

  NodeGrid(const Eigen::Vector3d& low_mm, const Eigen::Vector3d& high_mm, double step_mm);
  std::size_t count() const { return static_cast<std::size_t>(size.cast<std::int64_t>().prod()); }
  std::size_t at(int i, int j, int k) const {
    return static_cast<std::size_t>(i + std::int64_t{size[0]} * (j + std::int64_t{size[1]} * k));
  }
  Eigen::Vector3d point(int i, int j, int k) const { return low_mm + step_mm * Eigen::Vector3d(i, j, k); }
  Eigen::Vector3i nearest(const Eigen::Vector3d& point_mm) const;
  /// Runs visit(node, {i, j, k}) for all nodes, planes side by side.
  void forNodes(const std::function<void(std::size_t, const Eigen::Vector3i&)>& visit) const;
  /// Trilinear; held at the border beyond the box.
  Eigen::Vector3d interpolate(const std::vector<Eigen::Vector3d>& values, const Eigen::Vector3d& point_mm) const;
  /// Solves (L + diagonal) x = right from the given x, L the sum of differences over the edges to the neighbours, by
  /// conjugate gradients; an empty diagonal is zero.
  void solve(const std::vector<double>& diagonal, const std::vector<double>& right, std::vector<double>& x) const;
};

/// What a map of phases is to follow. Rows of `frequency` are the wanted gradients of the lattice's three phases, in
/// cells per mm; `base` are phases that the map starts from. With turns > 0 the first of them goes up by so many whole
/// cells around an axis, and is known modulo that number.
struct CellField {
  std::function<Eigen::Matrix3d(const Eigen::Vector3d&)> frequency;
  std::function<Eigen::Vector3d(const Eigen::Vector3d&)> base;
  double turns = 0;

  /// Difference of base phases between neighbours.
  Eigen::Vector3d baseStep(const Eigen::Vector3d& from_mm, const Eigen::Vector3d& to_mm) const;
};

/// Phases of a lattice whose cells change in size and direction: φ(x) in cells, with ∇φ as near to the wanted
/// frequencies as gradients can be (least squares over the box, a Poisson problem for each phase), so that cells
/// stretch without tearing.
class PhaseMap {
 public:
  /// Solves over the box on nodes `step_mm` apart. φ is zero where origin_mm is, or would be, at the frequencies of the
  /// nearest node.
  PhaseMap(const NodeGrid& grid, CellField cells, const Eigen::Vector3d& origin_mm);

  /// φ in cells, trilinear; held at the border beyond the box.
  Eigen::Vector3d phase(const Eigen::Vector3d& point_mm) const;
  /// The cell that φ makes between the nodes around, mm: (det ∇φ)^(−1/3).
  double cell_mm(const Eigen::Vector3d& point_mm) const;
  /// Largest relative difference between the cells that were wanted and those that φ makes, over 99 % of the box.
  double misfit() const { return misfit_; }

 private:
  NodeGrid grid_;
  CellField cells_;
  std::vector<Eigen::Vector3d> phase_;  ///< at the nodes; with turns, what is to be added to the base
  std::vector<float> cell_mm_;          ///< between a node and its neighbours above
  double misfit_ = 0;

  double cellBetween_mm(const Eigen::Vector3i& low) const;
  double misfitOf(const std::vector<Eigen::Matrix3d>& frequency) const;
};

}  // namespace osteo::design_scaffold
