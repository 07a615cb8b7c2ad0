#pragma once
#include <array>
#include <memory>
#include <vector>

#include "design_scaffold/periodic_distance.h"

namespace osteo::design_scaffold {

/// A symmetric operator on the nodes of a periodic cube: link[a][n] ties a node to its upper neighbour along axis a,
/// `wall` ties it to zero. Nodes without any tie are left out (their values stay 0).
struct PeriodicOperator {
  int side = 0;
  std::array<std::vector<float>, 3> link;
  std::vector<float> wall, diagonal;

  explicit PeriodicOperator(int nodes_along_edge);
  /// Sums link and wall up; to be called once they are set.
  void close();
  /// y = A x.
  void apply(const std::vector<double>& x, std::vector<double>& y) const;
};

/// One V-cycle of multigrid by unsmoothed aggregation of 2³ nodes with red-black Gauss–Seidel (Braess, Computing 55,
/// 1995, whose factor of 1.8 on the coarse correction is used): a symmetric preconditioner, the same for any number of
/// threads. The side has to be even.
class PeriodicMultigrid {
 public:
  explicit PeriodicMultigrid(const PeriodicOperator& fine);
  void apply(const std::vector<double>& right, std::vector<double>& x);

 private:
  struct Level {
    PeriodicOperator op;
    std::vector<double> x, right, residual;
  };
  std::vector<Level> levels_;
  void cycle(std::size_t level);
};

/// Sum of products in a fixed order.
double innerProduct(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace osteo::design_scaffold
