#pragma once
#include <nlohmann/json_fwd.hpp>

#include "design_scaffold/loop.h"

namespace osteo::design_scaffold {

/// Looks at the finished implant. Of a graded lattice three cells are resolved, where it is thinnest, in between and
/// densest, and put under the strain that the design expects there: energy and wall stress beside those of the
/// homogenised law for the solid that they hold (`confirmation` in `results`). Of solid members
/// it is asked how much can be taken off all around before they fall apart, which is held against the minimum feature
/// (`goals_met`). Warns where either fails; throws DataError for members too thin unless the best is accepted.
void confirm(const LoopResult& optimised, const Goal& goal, const Design& made, nlohmann::json& results);

/// One resolved cell of an infill around a point under a mean strain, and the same cell of the law's material: density
/// by density as it was designed, scaled to the solid that the resolved one holds, and as periodic. A law at the mean
/// density alone is up to a quarter off where a cell goes from 0.1 to 0.4. Energies are those on elements of no size.
struct ResolvedCell {
  double volume_fraction = 0;
  double nominal_fraction = 0;                   ///< designed, mean over the cell
  double least_fraction = 0, most_fraction = 0;  ///< designed within the cell
  double energy_ratio = 0;                       ///< resolved over homogenised
  double peak_stress_mpa = 0, expected_stress_mpa = 0;
};
ResolvedCell resolveCell(const Infill& infill, const Eigen::Vector3d& centre_mm, const simulate::Vector6d& strain,
                         const LoopResult& optimised);

}  // namespace osteo::design_scaffold
