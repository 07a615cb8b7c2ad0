#pragma once
#include "simulate/block_matrix.h"

namespace osteo::simulate {

/// A level of smoothed aggregation: nodes are gathered into boxes of `width` (units of `position`) whose nodes hang
/// together in the matrix; each aggregate moves like a rigid body, and the interpolation is smoothed by one damped
/// Jacobi step (Vaněk, Mandel & Brezina, Computing 56 (1996) 179-196).
struct CoarseLevel {
  BlockMatrix<6, 6> A;
  std::vector<Eigen::Vector3f> position;  ///< of the aggregates: mean of their nodes
  std::vector<float> modes;               ///< the six rigid motions of each aggregate in its six values, B×6 blocks
};

/// Rigid motions of nodes that hold displacements, 3×6 blocks, about the middle of all nodes.
std::vector<float> rigidModes(const std::vector<Eigen::Vector3f>& position, const Eigen::Vector3f& scale);

/// Coarsens a matrix of B×B blocks; `P` becomes the interpolation. `inverse_diagonal` and `largest` (the largest
/// eigenvalue of D⁻¹ A) belong to A.
template <int B>
CoarseLevel coarsen(const BlockMatrix<B, B>& A, const std::vector<float>& inverse_diagonal, double largest,
                    const std::vector<Eigen::Vector3f>& position, const std::vector<float>& modes, double width,
                    BlockMatrix<B, 6>& P);

}  // namespace osteo::simulate
