#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "design_scaffold/cell.h"

namespace osteo::design_scaffold {

/// Which cells a table holds: kinds of lattices by the names of latticeName(), each in turn with random shapes.
struct CellTableRecipe {
  std::vector<std::string> lattices;
  int cells = 1000;
  int elements = 24;  ///< along the period's edge; a multiple of 8
  double poisson = 0.3;
  std::uint64_t seed = 0;
};

/// Solid shares and fillets that cells are drawn from.
constexpr double kLeastShare = 0.15, kMostShare = 0.6, kMostFillet = 0.5;

struct Cell {
  LatticeSpec spec;
  CellProperties properties;
};

/// All surfaces as networks and as sheets, and the unit cells of struts; foams and spinodoids cost ten times as much
/// and are had by name.
std::vector<std::string> usualCellLattices();
/// Type and kind behind a name of latticeName(). Throws Usage.
LatticeSpec latticeSpecNamed(const std::string& name);
/// Cell `number` of a recipe, which doesn't depend on how many there are.
LatticeSpec drawnCell(const CellTableRecipe& recipe, int number);

/// The recipe's cells, resolved; the same for any number of threads. `path`: a file of JSON lines that keeps what is
/// done and is gone on from, "" without. Throws DataError for a file of another recipe.
std::vector<Cell> cellTable(const CellTableRecipe& recipe, const std::string& path);

/// The numbered rows of such a file below its head, in order; a line that was cut off by a kill ends them; none where
/// there is no file. Throws DataError for another head.
std::vector<nlohmann::json> tableRows(const std::string& path, const nlohmann::json& head);

}  // namespace osteo::design_scaffold
