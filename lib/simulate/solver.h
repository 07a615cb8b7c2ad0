#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simulate/ties.h"
#include "simulate/voxel_model.h"

namespace osteo::simulate {

/// Nodal values, three component arrays in one vector: component c of node n stands at [c·stride + n]. Grid axes, mm or
/// N.
using Field = std::vector<double>;
using FloatField = std::vector<float>;

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
  void apply(const FloatField& u, FloatField& y) const;
  /// Diagonal 3×3 blocks, six arrays xx yy zz yz xz xy of `stride` each.
  std::vector<double> diagonalBlocks() const;

 private:
  const VoxelModel& model_;
  std::int64_t stride_;
  std::vector<std::int64_t> block_start_;  ///< first run of each block of layers, and the end
  template <class T>
  void applyTo(const std::vector<T>& u, std::vector<T>& y) const;
  void forEachBlock(const std::function<void(std::int64_t, std::int64_t)>& body) const;
};

/// A prescribed displacement: dof = component · stride + node.
struct FixedDof {
  std::int64_t dof;
  double value_mm;
};

/// What the tolerance is of: the residual's norm relative to that of a cold start, or the estimated relative error of
/// the strain energy, and so of the reaction or the displacement that a single moved end or load is asked for.
enum class StopBy { Residual, Energy };

struct SolveOptions {
  double tolerance = 1e-6;
  int max_iterations = 2000;
  StopBy stop = StopBy::Residual;
  /// Called between iterations with the displacements so far, e.g. to keep them for a resume.
  std::function<void(const Field& u, int iterations)> watch = {};
};

struct SolveReport {
  int iterations = 0;
  double energy_error = 0;                ///< relative, estimated from the last steps (Hestenes & Stiefel 1952)
  double residual = 0;                    ///< relative, of f − K u as computed at the end
  double bytes = 0;                       ///< of the vectors and the preconditioner
  std::vector<std::int64_t> levels = {};  ///< degrees of freedom of each grid, the voxels first
};

/// Solves K u = f with fixed degrees of freedom by conjugate gradients in double, preconditioned by a multigrid cycle
/// in float that is built once for the set of fixed degrees of freedom.
class Solver {
 public:
  /// A problem: no force when it is empty; `fixed` holds the constructor's degrees of freedom with any values; `u` is
  /// overwritten, and a first guess where it has the right size.
  struct Problem {
    const Field* force;
    const std::vector<FixedDof>* fixed;
    Field* u;
  };
  /// With ties, forces are folded and displacements spread (simulate/ties.h); only originals may be fixed.
  Solver(const Operator& K, const std::vector<FixedDof>& fixed, const Ties& ties = {});
  ~Solver();
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;
  /// An empty force is none. `fixed` holds the same degrees of freedom as the constructor's, with any values. `u` is
  /// overwritten; where it has the right size it is the first guess, so that a sequence of like problems starts warm.
  /// Throws DataError when it does not converge.
  SolveReport solve(const Field& force, const std::vector<FixedDof>& fixed, const SolveOptions& options, Field& u);
  /// Several problems at once, as many in a block as memory allows: they share the reading of the coarse matrices. The
  /// same bits as one by one. Throws DataError when one does not converge.
  std::vector<SolveReport> solve(const std::vector<Problem>& problems, const SolveOptions& options);
  /// Whether it was built for these degrees of freedom.
  bool holds(const std::vector<FixedDof>& fixed) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// One solve from a cold start.
SolveReport solve(const Operator& K, const Field& force, const std::vector<FixedDof>& fixed,
                  const SolveOptions& options, Field& u);

/// A point whose displacement along a direction, or the rotation about it of the body that it belongs to, is held; LPS.
struct HeldPoint {
  Eigen::Vector3d point_mm, direction;
  bool is_rotation;
};

/// Rigid motions that the fixed degrees of freedom leave free, in words ("translation along x"), empty when none.
std::vector<std::string> freeRigidMotions(const Operator& K, const std::vector<FixedDof>& fixed,
                                          const std::vector<HeldPoint>& points = {});

/// Adds single fixed components (value 0) until no rigid motion is left: they carry no force when the loads balance.
/// Nodes that `blocked` marks are not taken.
void pinRigidMotions(const Operator& K, std::vector<FixedDof>& fixed, const std::vector<HeldPoint>& points = {},
                     const std::vector<std::uint8_t>& blocked = {});

/// a · b over all nodes, the same bits for any thread count.
double dot(const Operator& K, const Field& a, const Field& b);

}  // namespace osteo::simulate
