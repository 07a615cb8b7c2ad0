#pragma once
#include <string>
#include <vector>

#include "simulate/voxel_model.h"

namespace osteo::simulate {

/// Nodal values, three component arrays in one vector: component c of node n stands at [c·stride + n]. Grid axes, mm or
/// N.
using Field = std::vector<double>;

/// The stiffness of a model as an operator; nothing is assembled.
class Operator {
 public:
  explicit Operator(const VoxelModel& model);
  const VoxelModel& model() const { return model_; }
  std::int64_t nodes() const { return model_.nodes; }
  std::int64_t stride() const { return stride_; }
  Field zeros() const { return Field(static_cast<std::size_t>(3 * stride_), 0.0); }
  /// y = K u. The same bits for any thread count: layers are added in a fixed order.
  void apply(const Field& u, Field& y) const;
  /// Diagonal 3×3 blocks, six arrays xx yy zz yz xz xy of `stride` each.
  std::vector<double> diagonalBlocks() const;

 private:
  const VoxelModel& model_;
  std::int64_t stride_;
  std::vector<std::int64_t> block_start_;  ///< first run of each block of layers, and the end
  void forEachBlock(const std::function<void(std::int64_t, std::int64_t)>& body) const;
};

/// A prescribed displacement: dof = component · stride + node.
struct FixedDof {
  std::int64_t dof;
  double value_mm;
};

struct SolveOptions {
  double tolerance = 1e-6;  ///< of the residual norm relative to that of the right-hand side
  int max_iterations = 20000;
};

struct SolveReport {
  int iterations = 0;
  double residual = 0;  ///< relative, reached
  double bytes = 0;     ///< of the vectors and the preconditioner
};

/// Solves K u = f with fixed degrees of freedom by conjugate gradients, preconditioned with the inverses of the
/// diagonal 3×3 blocks. `u` is overwritten. Throws DataError when it does not converge.
SolveReport solve(const Operator& K, const Field& force, const std::vector<FixedDof>& fixed,
                  const SolveOptions& options, Field& u);

/// Rigid motions that the fixed degrees of freedom leave free, in words ("translation along x"), empty when none.
std::vector<std::string> freeRigidMotions(const Operator& K, const std::vector<FixedDof>& fixed);

/// Adds single fixed components (value 0) until no rigid motion is left: they carry no force when the loads balance.
void pinRigidMotions(const Operator& K, std::vector<FixedDof>& fixed);

/// a · b over all nodes, the same bits for any thread count.
double dot(const Operator& K, const Field& a, const Field& b);

}  // namespace osteo::simulate
