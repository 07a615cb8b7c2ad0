#pragma once
#include <map>
#include <memory>
#include <vector>

#include "design_scaffold/density_model.h"
#include "design_scaffold/envelope.h"

namespace osteo::design_scaffold {

/// The body of an implant on voxel elements, and what of each lies in body and skin.
struct ImplantGrid {
  std::unique_ptr<simulate::VoxelModel> model;
  Shares shares;
  double element_mm = 0;
};

/// Elements of the given edge, or for 0 about 40,000 of them. Throws DataError where the body falls apart on them,
/// Memory for more of them than this machine can hold; warns where hardly any lies wholly in the body.
ImplantGrid implantGrid(const Envelope& envelope, double element_mm);

/// Load cases on the grid with their weights by name (default 1). Regions may speak of the host. Throws as
/// simulate::place does; Config for body forces, regions by another level set, and weights of unknown cases.
std::vector<DesignCase> placeCases(const ImplantGrid& grid, const std::vector<simulate::LoadCase>& cases,
                                   const levelset::LevelSet* host, const std::map<std::string, double>& weights);

}  // namespace osteo::design_scaffold
