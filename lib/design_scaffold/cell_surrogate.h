#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "design_scaffold/cell_table.h"
#include "learn/property.h"

/// What a lattice's cell is like, by networks that have learnt from the solver.
namespace osteo::design_scaffold {

/// Logarithms of a cell's properties: 21 of the stiffness (cell.h), permeability and strength along x, y, z, area.
constexpr int kCellNumbers = 28;
using CellNumbers = Eigen::Matrix<double, kCellNumbers, 1>;
CellNumbers numbersOf(const CellProperties& properties);
CellProperties propertiesOf(const CellNumbers& numbers);

/// What the network sees of a cell: which of the lattices it is, solid share, fillet, cones. Throws Config for a
/// lattice that is not among them.
Eigen::VectorXd featuresOf(const LatticeSpec& spec, const std::vector<std::string>& lattices);

/// Whether a cell carries load: some networks of surfaces fall apart where little of them is solid.
bool holdsTogether(const Cell& cell);

/// Weights of `train surrogate`: a cubic of the logarithm of the solid share for each lattice (and a quadratic of its
/// fillet), and what the networks add to it.
class CellSurrogate {
 public:
  explicit CellSurrogate(learn::Weights weights);

  struct Guess {
    CellProperties mean;  ///< coarse_stiffness is that of `stiffness`
    CellNumbers numbers;
    CellNumbers half_width;  ///< of the 90 % interval about each of numbers
  };
  std::vector<Guess> operator()(const std::vector<LatticeSpec>& cells) const;
  const std::vector<std::string>& lattices() const { return lattices_; }
  /// The solid share below which nothing was learnt of a lattice, as its cells fall apart.
  double leastShare(const std::string& lattice) const;
  double poisson() const { return weights_.training.at("poisson").get<double>(); }
  const learn::Weights& weights() const { return weights_; }

 private:
  learn::Weights weights_;
  std::vector<std::string> lattices_;
  std::vector<Eigen::MatrixXd> curves_;  ///< of each lattice
  CellNumbers scale_, factor_;
};

/// Throws NoInput, DataError.
CellSurrogate readSurrogate(const std::string& folder);

/// Throws Config for fewer than five cells of each lattice.
void requireEnoughCells(const CellTableRecipe& recipe);

struct SurrogateTrained {
  learn::Weights weights;
  nlohmann::json curve;
};

/// Learns a table: of each twenty cells one after the other thirteen teach, three choose the best step and set the
/// width of the 90 % intervals (split conformal: Lei et al., J Am Stat Assoc 113 (2018) 1094-1111), and four judge.
/// Cells that fall apart, and thinner ones, are left out. `training` tells errors and coverage on the cells that judge,
/// and the error of the homogenisation on elements four times as coarse. Throws as requireEnoughCells does.
SurrogateTrained trainSurrogate(const std::vector<Cell>& cells, const CellTableRecipe& recipe,
                                const learn::PropertyTraining& training);

}  // namespace osteo::design_scaffold
