#pragma once
#include "design_scaffold/generator.h"

namespace osteo::design_scaffold {

/// Throws Config for fewer than twenty cells of each lattice, of which the law needs most.
void requireEnoughStretchedCells(const CellTableRecipe& recipe);

struct GeneratorTrained {
  learn::Weights weights;
  nlohmann::json curve;
};

/// Of each twenty cells one after the other sixteen teach the law, three of these choose the network's best step, and
/// four judge. The network learns from pairs without end that the law makes, with a noise of about the law's error on
/// them. `training` tells on the cells that judge: the law's error, how often the network names their lattice, how near
/// by the law its first word comes, and how near its and the table's proposals come when they are polished. Throws as
/// requireEnoughStretchedCells does.
GeneratorTrained trainGenerator(const std::vector<SolvedCell>& cells, const CellTableRecipe& recipe,
                                const learn::ProposalTraining& training);

}  // namespace osteo::design_scaffold
