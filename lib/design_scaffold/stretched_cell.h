#pragma once
#include <string>
#include <vector>

#include "design_scaffold/cell_table.h"

/// Cells whose sides differ, so that a lattice of cubic symmetry gets nine elastic constants: what inverse design
/// chooses from.
namespace osteo::design_scaffold {

/// A cell and the lengths of its sides over their geometric mean.
struct StretchedCell {
  LatticeSpec spec;
  Eigen::Vector3d stretch = Eigen::Vector3d::Ones();
};

/// The longest side is at most so many times the shortest.
constexpr double kMostStretch = 2;

/// What a cell's shape comes to beside its solid share: logarithms of the stretch along x and y (that along z is minus
/// their sum), and the fillet of struts.
constexpr int kShapeNumbers = 3;
using ShapeNumbers = Eigen::Matrix<double, kShapeNumbers, 1>;
ShapeNumbers shapeOf(const StretchedCell& cell);
StretchedCell cellOfShape(const LatticeSpec& spec, const ShapeNumbers& shape);
/// The nearest shape that a lattice may have: no longer than kMostStretch, fillets of struts in 0…kMostFillet.
ShapeNumbers boundedShape(const LatticeSpec& spec, ShapeNumbers shape);

/// A stretched cell with its stiffness over Young's modulus, as the solver has it.
struct SolvedCell {
  StretchedCell cell;
  simulate::Matrix6d stiffness;
};

/// Cell `number` of a recipe: share and fillet as drawnCell() has them, sides at random. It doesn't depend on how many
/// there are.
StretchedCell drawnStretchedCell(const CellTableRecipe& recipe, int number);

/// Throws Usage for a lattice whose axes x, y, z are not alike (foams, spinodoids), from which nothing could be learnt
/// by turns.
void requireCubic(const std::vector<std::string>& lattices);

/// The recipe's cells, solved; the same for any number of threads. `path`: as cellTable() has it. Throws DataError for
/// a file of another recipe.
std::vector<SolvedCell> stretchedTable(const CellTableRecipe& recipe, const std::string& path);

/// The same cell with x, y, z called y, z, x.
SolvedCell turned(const SolvedCell& cell);

}  // namespace osteo::design_scaffold
