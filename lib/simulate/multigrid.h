#pragma once
#include <Eigen/Cholesky>
#include <memory>
#include <vector>

#include "simulate/aggregation.h"
#include "simulate/split_level.h"

namespace osteo::simulate {

/// Chebyshev smoothing over [largest/ratio, largest] of D⁻¹ A (Adams et al., J Comput Phys 188 (2003) 593-610).
struct Smoothing {
  double largest = 0;
  double ratio = 10;
  int degree = 2;
};

/// One V-cycle in float as a preconditioner: matrix-free bricks on the voxels, the split grid of 2×2×2 cells, then
/// smoothed aggregation with rigid motions down to a dense factor. Symmetric, so that conjugate gradients can use it.
class Multigrid {
 public:
  /// `held` has a bit a component for each node that is prescribed. With ties, residuals are folded and what comes out
  /// is spread.
  Multigrid(const Operator& K, const std::vector<std::uint8_t>& held, const Ties& ties);
  ~Multigrid();
  Multigrid(const Multigrid&) = delete;
  Multigrid& operator=(const Multigrid&) = delete;
  /// z = M⁻¹ r for several vectors (kWidest at most) at once, which share the reading of the coarse matrices; held
  /// components of z are 0. The same bits as one by one.
  void apply(const std::vector<const FloatField*>& r, const std::vector<FloatField*>& z);
  /// z = D⁻¹ r alone, the inverses of the diagonal 3×3 blocks.
  void applyDiagonal(const FloatField& r, FloatField& z) const;
  /// Smooths more cautiously from now on; false when it has done so often enough.
  bool damp();
  double bytes() const;
  /// Degrees of freedom of each level, the voxels first.
  std::vector<std::int64_t> levels() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace osteo::simulate
