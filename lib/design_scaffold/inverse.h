#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "design_scaffold/cell_target.h"
#include "design_scaffold/generator.h"
#include "simulate/orthotropic.h"

/// From a wanted stiffness to a cell that the solver has confirmed.
namespace osteo::design_scaffold {

struct InverseOptions {
  std::string method = "auto";  ///< generator, classical, or what the weights' own record says is better
  int candidates = 3;           ///< that the solver is asked of
  int corrections = 3;          ///< of the best, by what the solver found beyond the law
  int elements = 24;            ///< along the cell's edge, a multiple of 8
};

/// One cell that the solver was asked of; stiffnesses are over the solid's modulus.
struct Attempt {
  std::string from;  ///< generator, classical or correction
  double odds = 0;   ///< by the network
  StretchedCell cell;
  simulate::Matrix6d predicted, delivered;  ///< by the law alone, and by the solver
  double predicted_error = 0, error = 0;    ///< of both against what is wanted
};

/// Tensors stand in the cell's own axes.
struct Inverted {
  std::vector<Attempt> attempts;  ///< in the order of the solver's runs
  std::size_t best = 0;
  std::string method;              ///< generator or classical
  simulate::OrthotropicFrame own;  ///< the cell's axes in the target's; how far that is from any orthotropic tensor
  simulate::Matrix6d wanted;       ///< over the solid's modulus
  double delivered_porosity = 0;
  const Attempt& chosen() const { return attempts[best]; }
  /// A tensor in the target's axes.
  simulate::Matrix6d inTargetAxes(const simulate::Matrix6d& tensor) const {
    return simulate::rotated(tensor, own.axes.transpose());
  }
};

/// Turns the target into the axes in which it is most nearly orthotropic, or further where a cell is clearly nearer
/// then, proposes cells, polishes them by the law, has
/// the solver (periodic homogenisation for the target's own solid) judge the best of them, and corrects the best by
/// what the solver found, until nothing is gained or 1 % is reached. The result is always the solver's. Throws Config
/// for a porosity that the weights don't know, Usage for a method that doesn't exist.
Inverted invert(const Generator& generator, const CellTarget& target, const InverseOptions& options);

/// The record: wanted and delivered tensor, error and its definition, whether the target was reached, the cell, what
/// was predicted of it, and every run of the solver.
nlohmann::json describe(const Inverted& inverted, const CellTarget& target, const InverseOptions& options);

/// The folder of the weights: the given one, or for "" the one that is shipped. Throws Unavailable with the way to
/// train them where they are absent.
std::string generatorFolder(const std::string& given);

}  // namespace osteo::design_scaffold
