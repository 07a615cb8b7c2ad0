#pragma once
#include <optional>
#include <vector>

#include "simulate/coarse.h"
#include "simulate/conditions.h"

namespace osteo::design_scaffold {

/// What a solve on larger elements tells of a case at the body's own elements.
struct CoarseAnswer {
  double work_n_mm = 0;                    ///< of the larger elements
  double furthest_mm = 0;                  ///< that any node moves
  bool is_moved = false;                   ///< displacements drive the case, not loads
  std::vector<simulate::Vector6d> strain;  ///< at the middle of each of the body's elements
  std::vector<double> energy_n_mm;  ///< of each under that strain and its own stiffness: strain · stress · volume
  std::vector<simulate::Vector6d> of_cells;  ///< strain at the middle of the larger elements
  std::vector<double> bent;                  ///< share of each one's energy that its middle doesn't see
  std::vector<double> force_n, held;         ///< on the nodes of each: sums of lengths, and their held share
};

/// A body on elements of about factor³ of its own, made once; its stiffness follows the body's again and again.
class CoarseBody {
 public:
  /// `fine` has to outlive it.
  explicit CoarseBody(const simulate::VoxelModel& fine, int factor = 4);
  CoarseBody(const CoarseBody&) = delete;
  CoarseBody& operator=(const CoarseBody&) = delete;

  /// A case of the body on the larger elements: forces with the same resultant; a node is held where much of what it
  /// stands for is. Nothing where that leaves the body free to move.
  std::optional<simulate::Conditions> placedOf(const simulate::Operator& fine,
                                               const simulate::Conditions& conditions) const;
  /// Takes over the body's stiffness: of each entry c11, c12, c44 the power mean with exponent 3/4 (E f^(4/3) for a
  /// share f of one solid).
  void follow();
  /// Solves a case of placedOf().
  CoarseAnswer solve(const simulate::Conditions& conditions) const;

  const simulate::VoxelModel& fine() const { return fine_; }
  const simulate::CoarseModel& coarse() const { return coarse_; }
  /// Larger elements along each axis.
  const Eigen::Vector3i& cells() const { return coarse_.model.frame.size; }
  /// Of each of the body's elements: its place along the axes, from the body's first.
  const std::vector<Eigen::Vector3i>& place() const { return place_; }
  /// The larger element in a cell (x fastest), −1: none.
  const std::vector<std::int64_t>& elementAt() const { return element_at_; }

 private:
  struct Part {  ///< of an element in a larger one
    std::int32_t element;
    float share;
  };
  const simulate::VoxelModel& fine_;
  simulate::CoarseModel coarse_;
  simulate::Operator K_;
  std::vector<Eigen::Vector3i> place_;
  std::vector<std::int64_t> element_at_;
  std::vector<std::array<std::int64_t, 8>> nodes_;  ///< of the larger elements
  std::vector<Eigen::Vector3i> cell_;               ///< of the larger elements
  std::vector<Part> parts_;                         ///< eight for each of the body's elements
  std::size_t cellOf(const Eigen::Vector3i& c) const {
    return static_cast<std::size_t>(c[0] + cells()[0] * (c[1] + std::int64_t{cells()[1]} * c[2]));
  }
  std::vector<simulate::FixedDof> heldOf(const simulate::Operator& fine,
                                         const std::vector<simulate::FixedDof>& fixed) const;
};

}  // namespace osteo::design_scaffold
