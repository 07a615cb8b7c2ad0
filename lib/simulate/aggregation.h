#pragma once
#include "simulate/block_matrix.h"

namespace osteo::simulate {

/// Nodes of each aggregate, rising, and the aggregate of each node.
struct Members {
  std::vector<std::int32_t> of, start, node;
  std::int32_t count() const { return static_cast<std::int32_t>(start.size()) - 1; }
};

/// The interpolation P = (1 − ω D⁻¹ A) T from aggregates that move like rigid bodies (T), smoothed by one damped Jacobi
/// step (Vaněk, Mandel & Brezina, Computing 56 (1996) 179-196). Only T is stored: P costs a product with A instead of
/// its own, larger traffic of memory.
template <int B>
struct Interpolation {
  Members members;
  std::vector<float> tentative;  ///< T: B×6 blocks, one a node
  float omega = 0;

  Eigen::Map<const Block<B, 6>> block(std::int64_t node) const {
    return Eigen::Map<const Block<B, 6>>(tentative.data() + 6 * B * node);
  }
  double bytes() const {
    return double((members.of.size() + members.start.size() + members.node.size() + tentative.size()) * 4);
  }
};

/// A level of smoothed aggregation.
template <int B>
struct CoarseLevel {
  Interpolation<B> interpolation;  ///< to the finer level
  BlockMatrix<6> A;
  std::vector<Eigen::Vector3f> position;  ///< of the aggregates: mean of their nodes
  std::vector<float> modes;               ///< the six rigid motions of each aggregate in its six values, 6×6 blocks
};

/// Rigid motions of nodes that hold displacements, 3×6 blocks, about the middle of all nodes.
std::vector<float> rigidModes(const std::vector<Eigen::Vector3f>& position, const Eigen::Vector3f& scale);

/// Where and how a level is gathered: boxes of `width` (units of `position`) whose nodes hang together in the matrix.
struct Gathering {
  const std::vector<Eigen::Vector3f>& position;
  const std::vector<float>& modes;
  double width;
  double largest;  ///< eigenvalue of D⁻¹ A
};

/// Coarsens the matrix `half`, whose full rows `rows` gives (as BlockMatrix does).
template <class Rows>
CoarseLevel<Rows::kBlock> coarsen(const Rows& rows, const SymmetricMatrix<Rows::kBlock>& half,
                                  const std::vector<float>& inverse_diagonal, const Gathering& gathering);

}  // namespace osteo::simulate
