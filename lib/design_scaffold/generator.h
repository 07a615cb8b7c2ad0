#pragma once
#include <string>
#include <vector>

#include "design_scaffold/stretched_law.h"
#include "learn/proposal.h"

/// Cells for a wanted stiffness: a network that proposes them, and the law that they are polished by.
namespace osteo::design_scaffold {

/// A lattice with sides and fillet for a wanted stiffness, by its place in the law's list.
struct Proposal {
  std::size_t lattice = 0;
  ShapeNumbers shape = ShapeNumbers::Zero();
  double odds = 0;  ///< by the network; 0 where it wasn't asked
};

/// Weights of `train generator`: the law of stretched cells, and a mixture density network (learn/proposal.h) that
/// answers which lattice with which sides has a wanted stiffness at a wanted share.
class Generator {
 public:
  /// Throws std::exception for a training record that lacks something.
  explicit Generator(learn::Weights weights);

  const StretchedLaw& law() const { return law_; }
  const learn::Weights& weights() const { return weights_; }
  /// "generator" or "classical": what found the better cells for those that it never saw.
  std::string betterMethod() const;

  /// The likeliest lattices by the network, likeliest first, with what it says of their sides. `wanted` is over the
  /// solid's modulus.
  std::vector<Proposal> propose(const simulate::Matrix6d& wanted, double share, int count) const;

 private:
  learn::Weights weights_;
  StretchedLaw law_;
  Eigen::RowVectorXd mean_, scale_;  ///< of the network's inputs
};

/// Without a network: a table of each lattice's cells at this share by the law, and of each lattice the cell that is
/// nearest to what is wanted; the nearest lattices first.
std::vector<Proposal> nearestCells(const StretchedLaw& law, const simulate::Matrix6d& wanted, double share, int count);

/// A proposal whose shape was moved to where the law comes nearest to the wanted stiffness.
struct Polished {
  Proposal proposal;
  simulate::Matrix6d predicted;  ///< over the solid's modulus
  double error = 0;              ///< tensorError() of it
};

/// Levenberg–Marquardt on the tensor's error within the bounds of boundedShape(); `offset` is added to the law, such as
/// what the solver found beyond it nearby.
Polished polish(const StretchedLaw& law, const Proposal& start, double share, const simulate::Matrix6d& wanted,
                const Log21& offset = Log21::Zero());

/// Shapes come to numbers of the order of one when they are divided by these.
inline const ShapeNumbers kShapeScale{0.25, 0.25, kMostFillet};

/// What the network is asked: nine numbers of the logarithm of the stiffness, and that of the share.
Eigen::RowVectorXd questionOf(const Log21& wanted, double share);

/// Throws NoInput, DataError.
Generator readGenerator(const std::string& folder);

}  // namespace osteo::design_scaffold
