#pragma once
#include <string>
#include <vector>

#include "design_scaffold/stretched_cell.h"
#include "learn/network.h"

namespace osteo::design_scaffold {

/// What stretched cells of some lattices are like, in microseconds: for each lattice a polynomial in the logarithm of
/// its solid share, its stretches and its fillet for the 21 numbers of logOfStiffness(), by least squares.
class StretchedLaw {
 public:
  /// Learns cells and what they are when they are turned. Those that fall apart, and thinner ones, are left out.
  static StretchedLaw fitted(const std::vector<std::string>& lattices, const std::vector<SolvedCell>& cells);
  /// Throws std::out_of_range for a tensor of another shape or a list of another length.
  StretchedLaw(std::vector<std::string> lattices, std::vector<double> least_shares, const learn::Tensor& coefficients);

  const std::vector<std::string>& lattices() const { return lattices_; }
  /// The solid share below which nothing was learnt of a lattice, as its cells fall apart.
  const std::vector<double>& leastShares() const { return least_shares_; }
  /// A cell of one of the lattices, by its place, with this share.
  LatticeSpec specOf(std::size_t lattice, double share) const;
  /// logOfStiffness() over the solid's modulus.
  Log21 at(std::size_t lattice, double share, const ShapeNumbers& shape) const;
  learn::Tensor tensor() const;

  static constexpr const char* kTensor = "law";

 private:
  StretchedLaw() = default;
  std::vector<std::string> lattices_;
  std::vector<double> least_shares_;
  std::vector<Eigen::MatrixXd> coefficients_;
};

/// Where a lattice stands in a list of names. Throws Config when it doesn't.
std::size_t latticePlace(const LatticeSpec& spec, const std::vector<std::string>& lattices);

/// Whether a cell carries load along all of its sides, as holdsTogether() has it for a cube.
bool holdsTogether(const SolvedCell& cell);

}  // namespace osteo::design_scaffold
