#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <vector>

namespace osteo::slice_print {

using GridPoint =
    Eigen::Matrix<std::int64_t, 2, 1>;    ///< of a fine grid; at most kGridReach from 0, so that products fit
using GridRing = std::vector<GridPoint>;  ///< closed without repeating the first point

constexpr std::int64_t kGridReach = std::int64_t{1} << 29;

/// Outlines of the region that closed curves wind around at least once: counter-clockwise outside, clockwise around
/// holes, none crossing another. Crossings are resolved in the sense of travel, which leaves simple curves and every
/// winding number as it was (Seifert 1934); those with 0 on their right and 1 on their left are kept. Time grows as the
/// number of edges and crossings. Curves that touch without crossing are moved apart by a few units, the same way each
/// time; what is no wider than the grid is left out.
std::vector<GridRing> positiveRegion(const std::vector<GridRing>& curves);

}  // namespace osteo::slice_print
